package e2e

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// native is the native signature of a delivery by a secret.
func (d *delivery) native(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.body)
	return hex.EncodeToString(mac.Sum(nil))
}

// content is what signatures of Standard Webhooks are over.
func (d *delivery) content() []byte {
	return append([]byte(d.header.Get("Webhook-Id")+"."+d.header.Get("Webhook-Timestamp")+"."), d.body...)
}

// standard reports whether a receiver that knows this secret alone verifies the headers
// of Standard Webhooks.
func (d *delivery) standard(secret string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.content())
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.Contains(strings.Fields(d.header.Get("Webhook-Signature")), want)
}

// asymmetric reports the same of one that knows a public key alone.
func (d *delivery) asymmetric(t *testing.T, public string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(public, "whpk_"))
	if err != nil || len(key) != ed25519.PublicKeySize {
		t.Fatalf("%q is no public key: %v", public, err)
	}
	return slices.ContainsFunc(strings.Fields(d.header.Get("Webhook-Signature")), func(s string) bool {
		encoded, ok := strings.CutPrefix(s, "v1a,")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		return ok && err == nil && ed25519.Verify(key, d.content(), signature)
	})
}

// rotate replaces the secret of a subscription.
func (c *caller) rotate(subscription string, body any) *answer {
	c.t.Helper()
	return c.api(http.MethodPost, "/subscriptions/"+subscription+"/secret/rotate", body).want(http.StatusOK)
}

// wantSigned checks who can verify a delivery: the native header is the newest secret's,
// and each valid one verifies the rest.
func (d *delivery) wantSigned(t *testing.T, what, newest string, former ...string) {
	t.Helper()
	if d.header.Get("X-Signicat-Signature") != d.native(newest) || !d.standard(newest) {
		t.Errorf("%s: not signed by the newest secret: %v", what, d.header)
	}
	var previous []string
	for _, secret := range former {
		previous = append(previous, d.native(secret))
		if !d.standard(secret) {
			t.Errorf("%s: a receiver that knows the old secret cannot verify", what)
		}
	}
	if got := d.header.Get("X-Signicat-Signature-Previous"); got != strings.Join(previous, ", ") {
		t.Errorf("%s: the old signatures are %q", what, got)
	}
	if n := len(strings.Fields(d.header.Get("Webhook-Signature"))); n != 1+len(former) {
		t.Errorf("%s: %d signatures", what, n)
	}
}

func testRotation(t *testing.T, target Target) {
	const second, third = "second-Wmn38kd0", "third-kX72hq1p"
	c, s := target.as(t, "local"), sender()
	rotated := make(chan struct{})
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n == 2 { // an attempt from before the rotation, whose retry comes after it
			select {
			case <-rotated:
			case <-time.After(5 * time.Second):
			}
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	subscription := c.subscribe(r, s+":*")
	r.wait(c.publish(event(s, "before", 1)))[0].wantSigned(t, "before", secret)

	id := c.publish(event(s, "during", 1))
	target.eventually(t, func() string {
		if len(r.got()) < 2 {
			return "the first attempt was not made"
		}
		return ""
	})
	before := time.Now()
	answer := c.rotate(subscription, map[string]any{"secret": second})
	close(rotated)
	until, err := time.Parse(time.RFC3339Nano, answer.text("messageAuthentication.previousValidUntil"))
	if err != nil || until.Sub(before) < 23*time.Hour || until.Sub(before) > 25*time.Hour || answer.text("messageAuthentication.hmacSha256.secret") != second {
		t.Errorf("rotated: %s", answer.body)
	}
	c.waitForRows(subscription, 3)
	got := r.got()
	got[1].wantSigned(t, "the attempt before", secret)
	got[2].wantSigned(t, "the attempt after", second, secret)
	if got[2].event.text("id") != id || string(got[2].body) != string(got[1].body) {
		t.Errorf("tried again as %s", got[2].body)
	}

	c.rotate(subscription, map[string]any{"secret": third, "overlap": 3600})
	c.publish(event(s, "twice", 1))
	r.waitForCount(4)[3].wantSigned(t, "rotated twice", third, second, secret)
	if ended := c.rotate(subscription, map[string]any{"secret": third, "overlap": 0}); ended.value("messageAuthentication.previousValidUntil") != nil {
		t.Errorf("ended: %s", ended.body)
	}
	c.publish(event(s, "ended", 1))
	r.waitForCount(5)[4].wantSigned(t, "ended", third)
}

func testKeyPair(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	subscription := c.subscribe(r, s+":*", func(body map[string]any) {
		body["messageAuthentication"] = map[string]any{
			"authenticationType": "StandardWebhooks", "standardWebhooks": map[string]any{"algorithm": "ed25519"},
		}
	})
	const member = "messageAuthentication.standardWebhooks.publicKey"
	first := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK).text(member)
	c.publish(event(s, "a", 1))
	if d := r.waitForCount(1)[0]; !d.asymmetric(t, first) || d.header.Get("X-Signicat-Signature") != "" {
		t.Errorf("%v", d.header)
	}
	second := c.rotate(subscription, nil).text(member)
	c.publish(event(s, "b", 1))
	if d := r.waitForCount(2)[1]; !d.asymmetric(t, first) || !d.asymmetric(t, second) || first == second {
		t.Errorf("in the overlap: %v", d.header)
	}
	third := c.rotate(subscription, map[string]any{"overlap": 0}).text(member)
	c.publish(event(s, "c", 1))
	if d := r.waitForCount(3)[2]; d.asymmetric(t, first) || d.asymmetric(t, second) || !d.asymmetric(t, third) {
		t.Errorf("after it: %v", d.header)
	}
}

func testHandshake(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r, silent := target.receive(t, nil), target.receive(t, nil)
	r.agree()
	body := func(r *receiver) map[string]any {
		return map[string]any{
			"name": "End to end", "type": "Webhook", "eventNameFilter": []string{s + ":*"},
			"typeConfiguration": map[string]any{"url": r.server.URL + "/hook", "verifyEndpoint": true},
		}
	}
	refused := c.api(http.MethodPost, "/subscriptions", body(silent)).want(http.StatusBadRequest)
	if refused.text("invalidParams.0.name") != "typeConfiguration.url" || !strings.Contains(refused.text("invalidParams.0.reason"), "WebHook-Allowed-Origin") {
		t.Errorf("refused: %s", refused.body)
	}
	subscription := c.api(http.MethodPost, "/subscriptions", body(r)).want(http.StatusOK).text("id")
	c.publish(event(s, "a", 1))
	origin := r.agreedTo()
	if got := r.waitForCount(1)[0].header.Get("WebHook-Request-Origin"); got != origin || origin == "" {
		t.Errorf("a delivery is from %q, and %q had asked", got, origin)
	}
	c.api(http.MethodPut, "/subscriptions/"+subscription, body(silent)).want(http.StatusBadRequest)
	c.publish(event(s, "b", 1))
	r.waitForCount(2)
	if n := len(silent.got()); n > 0 {
		t.Errorf("%d deliveries to an endpoint that did not agree", n)
	}
}
