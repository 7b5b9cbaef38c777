package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"hermod/test/openapi/contract"
	"hermod/test/routes"
)

// A signlyClient calls the API of Signly as one tenant.
type signlyClient struct {
	*caller
	tenant, credential string
}

// signly is a client of the tenant of local, of other, or of local's sibling.
func (target Target) signly(t *testing.T, client string) *signlyClient {
	t.Helper()
	return &signlyClient{&caller{t: t, target: target}, tenants()[client], "sk_" + client}
}

// call calls a path below /signly/v1 and checks the envelope of the answer.
func (c *signlyClient) call(method, path string, body any, header ...string) *answer {
	c.t.Helper()
	media, text := "", ""
	if method == http.MethodPost || method == http.MethodPut {
		media = "application/json"
	}
	if body != nil {
		text = toJSON(c.t, body)
	}
	own := []string{"X-Tenant-Signly", c.tenant, "X-Auth-Signly", c.credential}
	a := c.do(method, c.target.BaseURL+"/signly/v1"+path, media, text, append(own, header...)...)
	if a.number("status") != int64(a.status) || a.value("success") != (a.status < 400) || (a.value("error") == nil) != (a.status < 400) ||
		a.text("meta.tenant_id") != c.tenant || a.text("meta.api_version") != "v1" || !strings.HasPrefix(a.text("meta.request_id"), "req_") {
		c.t.Errorf("%s: the envelope is %s", a.call, a.body)
	}
	return a
}

// webhook creates a webhook to the receiver and answers its path; members change the
// body.
func (c *signlyClient) webhook(r *receiver, members map[string]any, events ...string) string {
	c.t.Helper()
	body := map[string]any{"url": r.server.URL + "/hook?secret=1", "events": events}
	for name, value := range members {
		body[name] = value
	}
	a := c.call(http.MethodPost, "/webhooks", body).want(http.StatusCreated)
	if a.text("code") != "webhook_created" || a.text("data.url") != body["url"] || a.text("data.status") != "ENABLED" || a.number("data.version") != 1 {
		c.t.Errorf("created %s", a.body)
	}
	return "/webhooks/" + a.text("data.webhookId")
}

// testSignly does what a client of that API does (wire facts, 9.3).
func testSignly(t *testing.T, target Target) {
	c, r := target.signly(t, "local"), target.receive(t, nil)
	path := c.webhook(r, map[string]any{"description": "Eventos", "customHeaders": map[string]string{"X-Client-Auth": "abc123"}}, "PROCESS_COMPLETED", "OTP_VERIFIED")
	read := c.call(http.MethodGet, path, nil).want(http.StatusOK)
	if read.text("data.events.1") != "OTP_VERIFIED" || read.number("data.retries.maxAttempts") != 3 || strings.Contains(string(read.body), "abc123") {
		t.Errorf("read %s", read.body)
	}
	hmacClient := &signlyClient{c.caller, c.tenant, "HMAC sk_local_hmac"}
	if a := hmacClient.call(http.MethodPut, path, map[string]any{"events": []string{"PROCESS_COMPLETED"}}, "If-Match", "1").want(http.StatusOK); a.number("data.version") != 2 {
		t.Errorf("updated %s", a.body)
	}
	if a := c.call(http.MethodPut, path+"/status", map[string]any{"status": "DISABLED"}, "If-Match", `"2"`).want(http.StatusOK); a.number("data.version") != 3 || a.text("message") != "Webhook disabled." {
		t.Errorf("disabled %s", a.body)
	}
	stale := c.call(http.MethodPut, path, map[string]any{"description": "Late"}, "If-Match", "2").want(http.StatusPreconditionFailed)
	if stale.text("code") != "precondition_failed" || stale.text("message") != "Webhook version mismatch." || stale.text("error.type") != "concurrency" ||
		toJSON(t, stale.value("error.details")) != `{"expectedVersion":2}` {
		t.Errorf("stale %s", stale.body)
	}
	c.call(http.MethodPost, path+"/test", nil).want(http.StatusOK)
	one := c.call(http.MethodGet, "/webhooks?limit=1&sort=-url", nil).want(http.StatusOK)
	if len(one.list("data")) != 1 {
		t.Errorf("listed %s", one.body)
	}
	for what, a := range map[string]*answer{
		"401 unauthorized": (&signlyClient{c.caller, c.tenant, "sk_nobody"}).call(http.MethodGet, path, nil),
		"403 forbidden":    (&signlyClient{c.caller, otherTenant, c.credential}).call(http.MethodGet, path, nil),
		"404 not_found":    c.call(http.MethodGet, "/nothing", nil), "405 method_not_allowed": c.call(http.MethodPatch, path, nil),
		"400 validation_error":       c.call(http.MethodPost, "/webhooks", map[string]any{"url": "http://10.0.0.1/", "events": []string{"process_completed"}}),
		"415 unsupported_media_type": c.call(http.MethodPost, path+"/test", nil, "Content-Type", "text/plain"),
		"422 webhook_unreachable":    c.call(http.MethodPost, "/webhooks", map[string]any{"url": closed(t), "events": []string{"OTP_SENT"}}),
	} {
		if got := fmt.Sprint(a.status, " ", a.text("code")); got != what {
			t.Errorf("%s is %s: %s", what, got, a.body)
		}
	}
	if a := c.call(http.MethodDelete, path, nil).want(http.StatusOK); a.text("code") != "webhook_deleted" || a.text("data.webhookId") != strings.TrimPrefix(path, "/webhooks/") {
		t.Errorf("deleted %s", a.body)
	}
	c.call(http.MethodGet, path, nil).want(http.StatusNotFound)
}

// closed is the URL of an endpoint that is no longer there.
func closed(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}

// testSignlyDelivery has a receiver fail twice: the attempt rises, and all else stays.
func testSignlyDelivery(t *testing.T, target Target) {
	platform, c, process := target.as(t, "local"), target.signly(t, "local"), guid()
	r := target.receive(t, nil)
	of := func(d delivery) bool { return strings.Contains(string(d.body), process) }
	failed := 0
	r.respond = func(n int, w http.ResponseWriter) {
		if of(r.got()[n-1]) && failed < 2 {
			failed++
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	c.webhook(r, map[string]any{
		"customHeaders": map[string]string{"X-Client-Auth": "abc123"}, "signingSecret": secret,
		"retries": map[string]any{"maxAttempts": 3, "backoff": "fixed"},
	}, "FIELD_SIGNED")
	document, participant := guid(), guid()
	platform.publish(map[string]any{
		"sender": "signly", "eventName": "FIELD_SIGNED", "timestamp": "2026-03-01T12:00:00.987Z",
		"eventData": map[string]any{"documentId": document, "participantId": participant, "processId": process},
	})
	var mine []delivery
	target.eventually(t, func() string {
		mine = slices.DeleteFunc(r.got(), func(d delivery) bool { return !of(d) })
		if len(mine) < 3 {
			return fmt.Sprintf("%d attempts have come", len(mine))
		}
		return ""
	})
	want := `{"eventId":"` + mine[0].event.text("eventId") + `","type":"FIELD_SIGNED","occurredAt":"2026-03-01T12:00:00Z","tenantId":"` + localTenant +
		`","documentId":"` + document + `","participantId":"` + participant + `","attempt":%d,"data":{"processId":"` + process + `"}}`
	for i, d := range mine {
		if string(d.body) != fmt.Sprintf(want, i+1) {
			t.Errorf("attempt %d is\n%s\nwant\n%s", i+1, d.body, fmt.Sprintf(want, i+1))
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.body)
		if d.header.Get("X-Client-Auth") != "abc123" || d.header.Get("X-Signly-Signature") != hex.EncodeToString(mac.Sum(nil)) || d.header.Get("Content-Type") != "application/json" {
			t.Errorf("attempt %d came with %v", i+1, d.header)
		}
	}
	var history *answer
	target.eventually(t, func() string {
		if history = c.call(http.MethodGet, "/events/"+process, nil).want(http.StatusOK); len(history.list("data")) != 1 {
			return "the process has no events"
		}
		return ""
	})
	if got, want := toJSON(t, history.value("data.0.eventId")), toJSON(t, mine[0].event.text("eventId")); got != want || history.value("data.0.attempt") != nil {
		t.Errorf("the history is %s", history.body)
	}
	if foreign := target.signly(t, "other").call(http.MethodGet, "/events/"+process, nil).want(http.StatusOK); len(foreign.list("data")) != 0 {
		t.Errorf("another tenant sees %s", foreign.body)
	}
}

// testSignlyRace has clients change what they have read at one version.
func testSignlyRace(t *testing.T, target Target) {
	c := target.signly(t, "local")
	path := c.webhook(target.receive(t, nil), nil, "OTP_EXPIRED")
	for version := 1; version <= 5; version++ {
		var wg sync.WaitGroup
		statuses := make([]int, 2)
		for i := range statuses {
			wg.Go(func() {
				statuses[i] = c.call(http.MethodPut, path, map[string]any{"description": fmt.Sprint(i)}, "If-Match", fmt.Sprint(version)).status
			})
		}
		wg.Wait()
		slices.Sort(statuses)
		if !slices.Equal(statuses, []int{http.StatusOK, http.StatusPreconditionFailed}) {
			t.Errorf("version %d: %v", version, statuses)
		}
		if got := c.call(http.MethodGet, path, nil).want(http.StatusOK).number("data.version"); got != int64(version+1) {
			t.Errorf("version %d became %d", version, got)
		}
	}
}

// testSignlyTest has a disabled webhook tested, well and badly.
func testSignlyTest(t *testing.T, target Target) {
	c := target.signly(t, "local")
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n == 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	path := c.webhook(r, nil, "OTP_EXPIRED")
	c.call(http.MethodPut, path+"/status", map[string]any{"status": "DISABLED"}).want(http.StatusOK)
	for n, want := range []string{"Test event delivered. DELIVERED", "Test event could not be delivered. FAILED"} {
		a := c.call(http.MethodPost, path+"/test", map[string]any{"type": "signly.webhook_test", "tenantId": localTenant}).want(http.StatusOK)
		if got := a.text("message") + " " + a.text("data.deliveryStatus"); got != want || a.number("data.attempt") != 1 {
			t.Errorf("test %d: %s", n+1, a.body)
		}
	}
	got := r.got()
	if len(got) != 2 || got[0].event.text("type") != "signly.webhook_test" || got[0].event.number("attempt") != 1 || got[0].event.text("eventId") == got[1].event.text("eventId") {
		t.Errorf("%d tests were delivered", len(got))
	}
}

// testSignlyIsolation tries every row as another tenant, with this one's ids and
// cursors.
func testSignlyIsolation(t *testing.T, target Target, stranger string) {
	c, other := target.signly(t, "local"), target.signly(t, stranger)
	r := target.receive(t, nil)
	path := c.webhook(r, nil, "OTP_EXPIRED")
	c.webhook(r, nil, "OTP_EXPIRED")
	for _, row := range routes.Table() {
		if contract.DialectOf(row.Path) != "Signly" || !strings.Contains(row.Path, "{webhookId}") {
			continue // the others are lists: see below, and testSignlyHistory
		}
		var body any
		if row.Method == http.MethodPut {
			body = map[string]any{"status": "DISABLED"}
		}
		link := strings.Replace(strings.TrimPrefix(row.Path, "/signly/v1"), "/webhooks/{webhookId}", path, 1)
		if a := other.call(row.Method, link, body).want(http.StatusNotFound); a.text("code") != "webhook_not_found" {
			t.Errorf("%s: %s", a.call, a.body)
		}
	}
	first := c.call(http.MethodGet, "/webhooks?limit=1", nil).want(http.StatusOK)
	other.call(http.MethodGet, "/webhooks?limit=1&cursor="+first.text("pagination.next_cursor"), nil).want(http.StatusBadRequest)
	if a := other.call(http.MethodGet, "/webhooks?limit=100", nil).want(http.StatusOK); strings.Contains(string(a.body), strings.TrimPrefix(path, "/webhooks/")) {
		t.Errorf("another tenant sees %s", a.body)
	}
	if a := c.call(http.MethodGet, path, nil).want(http.StatusOK); a.number("data.version") != 1 || a.text("data.status") != "ENABLED" {
		t.Errorf("another tenant has changed it to %s", a.body)
	}
	if n := len(r.got()); n != 0 {
		t.Errorf("another tenant's test was delivered %d times", n)
	}
}

// testSignlyHistory reads a process as its tenant, as another account's, and as another
// tenant of the account, whose events are its tenants' together.
func testSignlyHistory(t *testing.T, target Target) {
	process := guid()
	platform, path := target.as(t, "local"), "/events/"+process
	platform.publish(map[string]any{"sender": "signly", "eventName": "OTP_SENT", "eventData": map[string]any{"processId": process}})
	count := func(client string) int {
		return len(target.signly(t, client).call(http.MethodGet, path, nil).want(http.StatusOK).list("data"))
	}
	target.eventually(t, func() string { // the index may lag behind
		if count("local") != 1 || count(sibling) != 1 {
			return "the process has no events"
		}
		return ""
	})
	if n := count("other"); n != 0 {
		t.Errorf("another account's tenant sees %d events", n)
	}
	nobody := &signlyClient{&caller{t: t, target: target}, localTenant, "sk_other"}
	nobody.call(http.MethodGet, path, nil).want(http.StatusForbidden)
}
