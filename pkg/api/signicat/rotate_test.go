package signicat_test

import (
	"cmp"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

const (
	standardSigned = `,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`
	hmacSigned     = `,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"first"}}`
	ed25519Signed  = `,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":{"algorithm":"ed25519"}}`
)

func (w *world) rotate(t *testing.T, id, body string) answer {
	t.Helper()
	return w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+id+"/secret/rotate", body)
}

func (w *world) read(t *testing.T, id string) answer {
	t.Helper()
	return w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "")
}

// until is until when an answer says that former secrets are valid; "" for none.
func until(t *testing.T, a answer) string {
	t.Helper()
	signed, _ := a.json(t, http.StatusOK)["messageAuthentication"].(map[string]any)
	text, _ := signed["previousValidUntil"].(string)
	return text
}

// delivered is the header of an attempt that is made now, by what is stored.
func (w *world) delivered(t *testing.T, id string) (http.Header, []byte) {
	t.Helper()
	e, _, _ := vector(t)
	p, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, w.stored(t, local, id), w.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return p.Header, p.Body
}

func nativeOf(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func standardOf(t *testing.T, secret string, h http.Header, body []byte) string {
	t.Helper()
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			key = decoded
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(fmt.Appendf(nil, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// wantSigned checks that an attempt made now is signed by exactly these, in this order.
func (w *world) wantSigned(t *testing.T, what, id string, native bool, secrets ...string) {
	t.Helper()
	h, body := w.delivered(t, id)
	var standard, former []string
	for i, secret := range secrets {
		standard = append(standard, standardOf(t, secret, h, body))
		if i > 0 && native {
			former = append(former, nativeOf(secret, body))
		}
	}
	if got, want := h.Get("webhook-signature"), strings.Join(standard, " "); got != want {
		t.Errorf("%s: webhook-signature %q, want %q", what, got, want)
	}
	newest := ""
	if native {
		newest = nativeOf(secrets[0], body)
	}
	if h.Get("X-Signicat-Signature") != newest || h.Get("X-Signicat-Signature-Previous") != strings.Join(former, ", ") {
		t.Errorf("%s: native %q, former %q", what, h.Get("X-Signicat-Signature"), h.Get("X-Signicat-Signature-Previous"))
	}
}

func TestARotatedSecretIsShownOnceAndTheOldOneSignsMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		members, body, mask string
		native              bool
		overlap             time.Duration
	}{
		"Standard Webhooks, no body":   {standardSigned, ``, "********", false, 24 * time.Hour},
		"Standard Webhooks, empty":     {standardSigned, `{}`, "********", false, 24 * time.Hour},
		"Standard Webhooks, nulls":     {standardSigned, `{"secret":null,"overlap":null}`, "********", false, 24 * time.Hour},
		"Standard Webhooks, own":       {standardSigned, `{"secret":"mine","overlap":1}`, "********", false, time.Second},
		"HMAC, generated":              {hmacSigned, ``, "", true, 24 * time.Hour},
		"HMAC, own, the whole week":    {hmacSigned, `{"secret":"mine","overlap":604800}`, "", true, 7 * 24 * time.Hour},
		"HMAC, own, ended at once":     {hmacSigned, `{"secret":"mine","overlap":0}`, "", true, 0},
		"Standard Webhooks, at once":   {standardSigned, `{"overlap":0}`, "********", false, 0},
		"HMAC, a text after whsec_":    {hmacSigned, `{"secret":"whsec_no base64","overlap":60}`, "", true, time.Minute},
		"a secret that looks like one": {hmacSigned, `{"secret":"whsk_AAAA","overlap":60}`, "", true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.subscribe(t, "local", tt.members)
			old := w.stored(t, local, id).Secrets.SigningSecret
			rotated := w.rotate(t, id, tt.body)
			_, secret := authentication(t, rotated)
			if secret == old || secret == "" || (strings.Contains(tt.body, "mine") && secret != "mine") {
				t.Fatalf("%s", rotated.body)
			}
			if generated := !strings.Contains(tt.body, `"secret":"`); generated && (len(secret) < 43 || strings.HasPrefix(secret, "whsec_") == tt.native) {
				t.Errorf("generated %q", secret)
			}
			end, valid := "", []string{secret}
			if tt.overlap > 0 {
				end, valid = start.Add(tt.overlap).Format(time.RFC3339), append(valid, old)
			}
			if _, shown := authentication(t, w.read(t, id)); shown != cmp.Or(tt.mask, secret) || until(t, w.read(t, id)) != end || until(t, rotated) != end {
				t.Errorf("read as %s", w.read(t, id).body)
			}
			w.wantSigned(t, "at once", id, tt.native, valid...)
			if tt.overlap == 0 {
				return
			}
			w.advance(tt.overlap - time.Nanosecond)
			w.wantSigned(t, "at the end of the overlap", id, tt.native, secret, old)
			w.advance(time.Nanosecond)
			w.wantSigned(t, "after it", id, tt.native, secret)
			if got := until(t, w.read(t, id)); got != "" {
				t.Errorf("still valid until %s", got)
			}
			if strings.Contains(w.Lines.String(), secret) {
				t.Error("the log shows the secret")
			}
		})
	}
}

func TestRotatingTwiceInAnOverlapKeepsBothOldSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", hmacSigned)
	for i, secret := range []string{"second", "third", "fourth"} {
		w.rotate(t, id, `{"secret":"`+secret+`"}`).json(t, http.StatusOK)
		w.advance(time.Hour)
		if want := [][]string{{"second", "first"}, {"third", "second", "first"}, {"fourth", "third", "second"}}[i]; true {
			w.wantSigned(t, secret, id, true, want...)
		}
	}
	w.rotate(t, id, `{"secret":"fourth","overlap":60}`).json(t, http.StatusOK) // brings the end of the others forward
	w.wantSigned(t, "a shorter overlap", id, true, "fourth", "third", "second")
	w.advance(time.Minute)
	w.wantSigned(t, "after it", id, true, "fourth")
}

func TestWhatHasEndedIsForgottenAtTheNextWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", hmacSigned)
	update := webhook(strings.Replace(hmacSigned, "first", "second", 1))
	w.rotate(t, id, `{"secret":"second"}`).json(t, http.StatusOK)
	put := func() *hermod.Subscription {
		w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, update).json(t, http.StatusOK)
		return w.stored(t, local, id)
	}
	if got := put().Secrets.ValidAt(w.Now()); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("an update that keeps the secret leaves %d", len(got))
	}
	w.advance(24 * time.Hour)
	if got := put().Secrets.Former; len(got) != 0 {
		t.Errorf("%d are kept", len(got))
	}
}

// What an update writes counts at once: it says what the secret is, and no more.
func TestAnUpdateOfTheSecretEndsAnOverlap(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		members string
		want    string
	}{
		"another secret":  {strings.Replace(hmacSigned, "first", "third", 1), "third"},
		"the former one":  {hmacSigned, "first"},
		"another kind":    {`,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":{"secret":"second"}}`, "second"},
		"no signature":    {"", ""},
		"an explicit end": {`,"messageAuthentication":{"authenticationType":"None"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.subscribe(t, "local", hmacSigned)
			w.rotate(t, id, `{"secret":"second"}`).json(t, http.StatusOK)
			a := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(tt.members))
			if until(t, a) != "" {
				t.Errorf("%s", a.body)
			}
			if s := w.stored(t, local, id).Secrets; s.SigningSecret != tt.want || len(s.Former) != 0 {
				t.Errorf("%d valid", len(s.ValidAt(w.Now())))
			}
		})
	}
}

func TestARotationThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed, unsigned, pair := w.subscribe(t, "local", hmacSigned), w.subscribe(t, "local", ""), w.subscribe(t, "local", ed25519Signed)
	standard, deleted := w.subscribe(t, "local", standardSigned), w.subscribe(t, "local", hmacSigned)
	wantStatus(t, "delete", w.do(t, "local", http.MethodDelete, subscriptionsPath+"/"+deleted, ""), http.StatusNoContent)
	foreign := w.subscribe(t, "other", hmacSigned)
	elsewhere := &hermod.Subscription{
		ID: "s-" + local + "-zzzzz", Owner: local, Dialect: hermod.Signly, Active: true, Type: hermod.Webhook, Signing: hermod.HMACSHA256,
		Secrets: hermod.Secrets{SigningSecret: "theirs"},
	}
	if err := w.Store.CreateSubscription(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		id, body string
		status   int
		wrong    string
	}{
		"an empty secret":         {signed, `{"secret":""}`, 400, "[secret]"},
		"a long secret":           {signed, `{"secret":"` + strings.Repeat("s", 1025) + `"}`, 400, "[secret]"},
		"a number":                {signed, `{"secret":7}`, 400, "[secret]"},
		"a mask":                  {signed, `{"secret":"********"}`, 400, "[secret]"},
		"a negative overlap":      {signed, `{"overlap":-1}`, 400, "[overlap]"},
		"a long overlap":          {signed, `{"overlap":604801}`, 400, "[overlap]"},
		"an overlap that wraps":   {signed, `{"overlap":18446744074}`, 400, "[overlap]"},
		"half a second":           {signed, `{"overlap":0.5}`, 400, "[overlap]"},
		"a text":                  {signed, `{"overlap":"1h"}`, 400, "[overlap]"},
		"both":                    {signed, `{"secret":"","overlap":-1}`, 400, "[secret overlap]"},
		"a secret for a key pair": {pair, `{"secret":"mine"}`, 400, "[secret]"},
		"no object":               {signed, `[]`, 400, ""},
		"a misspelt member":       {signed, `{"secert":"mine","overlap":-1}`, 400, "[secert]"},
		"no base64 after whsec_":  {standard, `{"secret":"whsec_no base64"}`, 400, "[secret]"},
		"nothing after whsec_":    {standard, `{"secret":"whsec_"}`, 400, "[secret]"},
		"unsigned":                {unsigned, ``, 409, ""},
		"deleted":                 {deleted, ``, 404, ""},
		"another account's":       {foreign, ``, 404, ""},
		"another dialect's":       {elsewhere.ID, ``, 404, ""},
		"none":                    {"s-" + local + "-nobdy", ``, 404, ""},
	} {
		a := w.rotate(t, tt.id, tt.body)
		wantStatus(t, name, a, tt.status)
		if tt.wrong != "" && fmt.Sprint(a.wrong(t)) != tt.wrong {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if s := w.stored(t, local, signed); s.Version != 1 || s.Secrets.SigningSecret != "first" {
		t.Errorf("changed to version %d", s.Version)
	}
	a := w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+signed+"/secret/rotate", "secret=x", "Content-Type", formMedia)
	wantStatus(t, "a form", a, http.StatusUnsupportedMediaType)
}

func TestRotationsAtOnceAllCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", standardSigned)
	w.token(t, "local")
	var wg sync.WaitGroup
	answers := make([]answer, 2)
	for i := range answers {
		wg.Go(func() { answers[i] = w.rotate(t, id, "") })
	}
	wg.Wait()
	valid := w.stored(t, local, id).Secrets.ValidAt(w.Now())
	for _, a := range answers {
		if _, secret := authentication(t, a); !slices.Contains(valid, secret) {
			t.Errorf("what one of them was shown does not sign")
		}
	}
	if len(valid) != 3 {
		t.Errorf("%d valid", len(valid))
	}
	for times, want := range map[int]int{4: http.StatusOK, 5: http.StatusConflict} {
		w.serve(discard(), parts{events: w.Store, subscriptions: &contested{w.Store, times}, logs: w.Store, credentials: w.DB})
		wantStatus(t, fmt.Sprint(times, " others"), w.rotate(t, id, ""), want)
	}
}

// Whoever could set the secret of a privileged subscription could sign in Hermod's name
// to its receiver.
func TestThePrivilegedAloneRotateAPrivilegedSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "privileged", `,"isGlobalSubscription":true`+hmacSigned)
	path := subscriptionsPath + "/" + id + "/secret/rotate"
	for _, body := range []string{``, `{"secret":"mine"}`} {
		wantStatus(t, "manager", w.do(t, "manager", http.MethodPost, path, body), http.StatusForbidden)
		wantStatus(t, "privileged", w.do(t, "privileged", http.MethodPost, path, body), http.StatusOK)
	}
	wantStatus(t, "its end", w.do(t, "manager", http.MethodPost, path, `{"secret":"mine","overlap":0}`), http.StatusForbidden)
	wantStatus(t, "its end", w.do(t, "privileged", http.MethodPost, path, `{"secret":"mine","overlap":0}`), http.StatusOK)
	if got := w.stored(t, "a-spge-Privileged", id).Secrets.ValidAt(w.Now()); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("%d valid", len(got))
	}
}

// verified checks an attempt made now by what an answer says of the public key alone.
func (w *world) verified(t *testing.T, id string, public string) bool {
	t.Helper()
	h, body := w.delivered(t, id)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(public, "whpk_"))
	if err != nil {
		t.Fatal(err)
	}
	content := fmt.Appendf(nil, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	return slices.ContainsFunc(strings.Fields(h.Get("webhook-signature")), func(s string) bool {
		signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "v1a,"))
		return err == nil && strings.HasPrefix(s, "v1a,") && ed25519.Verify(key, content, signature)
	})
}

func publicKey(t *testing.T, a answer) string {
	t.Helper()
	signed := a.json(t, http.StatusOK)["messageAuthentication"].(map[string]any)
	standard := signed["standardWebhooks"].(map[string]any)
	if signed["authenticationType"] != "StandardWebhooks" || standard["algorithm"] != "ed25519" || standard["secret"] != nil {
		t.Fatalf("%s", a.body)
	}
	return standard["publicKey"].(string)
}

func TestAKeyPairSignsAndItsPublicKeyIsAlwaysShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(ed25519Signed))
	id, first := created.json(t, http.StatusOK)["id"].(string), publicKey(t, created)
	written := strings.Replace(ed25519Signed, `"ed25519"`, `"ed25519","publicKey":"`+first+`"`, 1)
	for name, a := range map[string]answer{
		"read":                  w.read(t, id),
		"update":                w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(ed25519Signed)),
		"without the algorithm": w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(standardSigned)),
		"as it was read":        w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(written)),
	} {
		if publicKey(t, a) != first {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if !w.verified(t, id, first) {
		t.Error("the key does not verify")
	}
	rotated := w.rotate(t, id, `{"overlap":3600}`)
	second := publicKey(t, rotated)
	if first == second || until(t, rotated) == "" || !w.verified(t, id, first) || !w.verified(t, id, second) {
		t.Errorf("in the overlap: %s", rotated.body)
	}
	w.advance(time.Hour)
	if w.verified(t, id, first) || !w.verified(t, id, second) {
		t.Error("after the overlap")
	}
	if text := w.Lines.String() + string(created.body) + string(rotated.body); strings.Contains(text, "whsk_") {
		t.Error("a private key is shown")
	}
	back := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id,
		webhook(strings.Replace(ed25519Signed, `"ed25519"`, `"hmac-sha256"`, 1)))
	if _, secret := authentication(t, back); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("%s", back.body)
	}
	w.wantSigned(t, "by a secret again", id, false, w.stored(t, local, id).Secrets.SigningSecret)
}

func TestAnAlgorithmIsOneOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for members, wrong := range map[string]string{
		`{"algorithm":"rsa"}`:                          "[messageAuthentication.standardWebhooks.algorithm]",
		`{"algorithm":"Ed25519"}`:                      "[messageAuthentication.standardWebhooks.algorithm]",
		`{"algorithm":"ed25519","secret":"whsk_AAAA"}`: "[messageAuthentication.standardWebhooks.secret]",
		`{"algorithm":7}`:                              "[messageAuthentication]",
		`{"algorithm":"hmac-sha256","secret":"` + strings.Repeat("s", 1025) + `"}`: "[messageAuthentication.standardWebhooks.secret]",
	} {
		a := w.do(t, "local", http.MethodPost, subscriptionsPath,
			webhook(`,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":`+members+`}`))
		if got := fmt.Sprint(a.wrong(t)); got != wrong {
			t.Errorf("%.80s: %s", members, a.body)
		}
	}
}
