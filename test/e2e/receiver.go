package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A delivery is one request that a receiver got.
type delivery struct {
	header http.Header
	body   []byte
	event  *answer
	at     time.Time
}

// A receiver is a webhook endpoint. It answers as told, and keeps what it gets.
type receiver struct {
	t      *testing.T
	target Target
	server *httptest.Server

	mu         sync.Mutex
	deliveries []delivery
	respond    func(n int, w http.ResponseWriter)
	// agrees says that it agrees to deliveries when it is asked, and asked is who did.
	agrees bool
	asked  string
}

// receive starts an endpoint. respond answers request n (from 1); nil answers 200.
func (target Target) receive(t *testing.T, respond func(n int, w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{t: t, target: target, respond: respond}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// receiveHeld starts an endpoint that answers nothing before answer is called, or three
// seconds have passed: longer, and the delivery would be given up.
func (target Target) receiveHeld(t *testing.T) (r *receiver, answer func()) {
	t.Helper()
	hold := make(chan struct{})
	answer = sync.OnceFunc(func() { close(hold) })
	r = target.receive(t, func(int, http.ResponseWriter) {
		select {
		case <-hold:
		case <-time.After(3 * time.Second):
		}
	})
	t.Cleanup(answer) // before the server is closed, which waits for its answers
	return r, answer
}

func (r *receiver) serve(w http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodHead {
		return // somebody asks whether it can be reached, and delivers nothing
	}
	if request.Method == http.MethodOptions {
		r.answerHandshake(w, request)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, "cut off", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.deliveries = append(r.deliveries, delivery{
		header: request.Header, body: body, at: time.Now(),
		event: &answer{t: r.t, call: "delivery", body: body},
	})
	n := len(r.deliveries)
	r.mu.Unlock()
	if r.respond != nil {
		r.respond(n, w)
	}
}

func (r *receiver) answerHandshake(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked = request.Header.Get("WebHook-Request-Origin"); r.agrees {
		w.Header().Set("WebHook-Allowed-Origin", r.asked)
	}
}

// agree has the endpoint agree to deliveries when it is asked.
func (r *receiver) agree() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agrees = true
}

// agreedTo is who asked last whether the endpoint agrees.
func (r *receiver) agreedTo() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// got is what has arrived so far.
func (r *receiver) got() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.deliveries...)
}

// ids are the events that have arrived, with how often each did.
func (r *receiver) ids() map[string]int {
	ids := map[string]int{}
	for _, d := range r.got() {
		ids[d.event.text("id")]++
	}
	return ids
}

// wait waits until the events have arrived.
func (r *receiver) wait(ids ...string) []delivery {
	r.t.Helper()
	r.target.eventually(r.t, func() string {
		arrived := r.ids()
		for _, id := range ids {
			if arrived[id] == 0 {
				return "event " + id + " has not arrived"
			}
		}
		return ""
	})
	return r.got()
}

// waitForCount waits until so many deliveries have arrived.
func (r *receiver) waitForCount(n int) []delivery {
	r.t.Helper()
	r.target.eventually(r.t, func() string {
		if got := len(r.got()); got < n {
			return fmt.Sprintf("%d deliveries have arrived, not %d", got, n)
		}
		return ""
	})
	return r.got()
}

// secret signs the deliveries of every subscription of the suite.
const secret = "E*wl1K87LYnUoZSm"

// checkSignature verifies the native signature independently of pkg/sign.
func (d *delivery) checkSignature(t *testing.T) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.body)
	if want, got := hex.EncodeToString(mac.Sum(nil)), d.header.Get("X-Signicat-Signature"); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

// subscribe creates a signed webhook subscription to the receiver and answers its
// id. Options change the body.
func (c *caller) subscribe(r *receiver, filter string, options ...func(map[string]any)) string {
	c.t.Helper()
	body := map[string]any{
		"name": "End to end", "type": "Webhook",
		"typeConfiguration": map[string]any{"url": r.server.URL + "/hook?secret=1"},
		"eventNameFilter":   []string{filter},
		"messageAuthentication": map[string]any{
			"authenticationType": "HmacSha256", "hmacSha256": map[string]any{"secret": secret},
		},
	}
	path := "/subscriptions"
	for _, option := range options {
		option(body)
	}
	if owner, ok := body["owner"].(string); ok {
		delete(body, "owner")
		path += "?signicat-organizationId=" + owner
	}
	return c.api(http.MethodPost, path, body).want(http.StatusOK).text("id")
}

// publish publishes one event and answers its id.
func (c *caller) publish(event map[string]any, header ...string) string {
	c.t.Helper()
	return c.api(http.MethodPost, "/events", event, header...).want(http.StatusAccepted).text("data.0.id")
}
