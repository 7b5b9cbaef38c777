package signly_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"hermod/pkg/push"
)

// A webhook's input never panics, and what is accepted stays within its bounds, comes
// back, and is accepted as an update of itself.
func FuzzWebhook(f *testing.F) {
	const url = "https://receiver.example/"
	for _, seed := range []string{
		``, `{}`, `null`, webhook(url, ""), webhook(url, `,"description":"é","customHeaders":{"X-A":"a"},"httpTimeoutMs":5000`),
		webhook(url, `,"retries":{"maxAttempts":10,"backoff":"linear"},"signingSecret":"s","translate":true`),
		webhook(url, `,"retries":{"maxAttempts":1e1},"httpTimeoutMs":5e3,"customHeaders":{"":null}`),
		`{"url":"https://a.example:0x1/","events":["OTP_SENT","OTP_SENT",null],"events":[]}`,
	} {
		f.Add([]byte(seed))
	}
	w := newWorldOf(f, parts{targets: checked{silent{}, push.New(push.Options{Policy: push.Strict()})}, pusher: silent{}})
	f.Fuzz(func(t *testing.T, body []byte) {
		a := w.do(t, localKey, http.MethodPost, webhooksPath, string(body))
		switch a.status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			return
		case http.StatusCreated:
		default:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		}
		var created struct{ WebhookID, URL string }
		if err := json.Unmarshal(a.envelope(t, http.StatusCreated).Data, &created); err != nil {
			t.Fatal(err)
		}
		path := webhooksPath + "/" + created.WebhookID
		if read := w.do(t, localKey, http.MethodGet, path, ""); read.data(t, http.StatusOK)["url"] != created.URL {
			t.Fatalf("%q: %s", body, read.body)
		}
		w.do(t, localKey, http.MethodPut, path, string(body), "If-Match", "1").data(t, http.StatusOK)
		w.do(t, localKey, http.MethodDelete, path, "").data(t, http.StatusOK)
	})
}

// checked judges destinations as push does, and asks them nothing.
type checked struct {
	silent
	pushers *push.Pushers
}

func (c checked) Check(kind string, configuration json.RawMessage) error {
	return c.pushers.Check(kind, configuration)
}
