package signly_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestATestIsDeliveredWhileOneWaits(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), receive(t, http.StatusAccepted)
	path := w.create(t, localKey, r.URL+"/hook", `,"customHeaders":{"X-Client-Auth":"abc123"},"signingSecret":"s3cret"`)
	w.do(t, localKey, http.MethodPut, path+"/status", `{"status":"DISABLED"}`).data(t, http.StatusOK)
	ids := map[string]bool{}
	for _, body := range []string{"", "{}", `{"type":"signly.webhook_test","tenantId":"` + localKey.tenant + `","unknown":1}`, `{"type":null,"tenantId":null}`} {
		a := w.do(t, localKey, http.MethodPost, path+"/test", body)
		if data := a.data(t, http.StatusOK); fmt.Sprint(data) != fmt.Sprintf("map[attempt:1 deliveryStatus:DELIVERED webhookId:%s]", strings.TrimPrefix(path, webhooksPath+"/")) {
			t.Errorf("%q: %s", body, a.body)
		}
	}
	for _, got := range r.got(http.MethodPost) {
		var event map[string]any
		if err := json.Unmarshal(got.body, &event); err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte("s3cret"))
		mac.Write(got.body)
		if event["type"] != "signly.webhook_test" || event["attempt"] != 1.0 || event["tenantId"] != localKey.tenant || fmt.Sprint(event["data"]) != "map[]" ||
			got.header.Get("X-Client-Auth") != "abc123" || got.header.Get("X-Signly-Signature") != hex.EncodeToString(mac.Sum(nil)) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("delivered %s with %v", got.body, got.header)
		}
		ids[event["eventId"].(string)] = true
	}
	if len(ids) != 4 {
		t.Errorf("events %v", ids)
	}
	if v := w.version(t, path); v != 2 {
		t.Errorf("a test has changed the webhook to version %v", v)
	}
}

func TestATestThatFailsIsAnAnswerToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for status, reason := range map[int]string{
		500: "The endpoint answered 500 Internal Server Error.", 302: "The endpoint answered 302 Found; redirects are not followed.", 410: "The endpoint answered 410 Gone.",
	} {
		r := receive(t, status)
		path := w.create(t, localKey, r.URL, "")
		a := w.do(t, localKey, http.MethodPost, path+"/test", "")
		e := a.envelope(t, http.StatusOK)
		data := a.data(t, http.StatusOK)
		if !e.Success || e.Code != "webhook_test_sent" || e.Message != "Test event could not be delivered." || data["deliveryStatus"] != "FAILED" ||
			data["attempt"] != 1.0 || data["reason"] != reason {
			t.Errorf("%d: %s", status, a.body)
		}
		if n := len(r.got(http.MethodPost)); n != 1 {
			t.Errorf("%d: delivered %d times", status, n)
		}
		if got := w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK); got["status"] != "ENABLED" || got["version"] != 1.0 {
			t.Errorf("%d: a test has changed the webhook: %v", status, got)
		}
	}
}

func TestATestTakesNoLongerThanTheWebhookSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	r := receiveBy(t, func(_ http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost {
			<-release
		}
	})
	defer close(release)
	path := w.create(t, localKey, r, `,"httpTimeoutMs":500`)
	a := w.do(t, localKey, http.MethodPost, path+"/test", "")
	if data := a.data(t, http.StatusOK); data["reason"] != "The endpoint did not answer in time." {
		t.Errorf("got %s", a.body)
	}
}

func TestATestIsOfItsTypeAndTenant(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	path := w.create(t, localKey, "https://receiver.example/", "")
	for body, want := range map[string][]string{
		`{"type":"PROCESS_COMPLETED"}`: {"type"}, `{"type":1}`: {"type"}, `{"tenantId":"` + otherKey.tenant + `"}`: {"tenantId"}, `{"tenantId":""}`: {"tenantId"},
		`{"type":"","tenantId":[]}`: {"tenantId", "type"}, `{"type":"signly.webhook_test","type":"signly.webhook_test"}`: {"type"},
	} {
		a := w.do(t, localKey, http.MethodPost, path+"/test", body)
		if got := slices.Sorted(maps.Keys(a.wrong(t))); !slices.Equal(got, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
}
