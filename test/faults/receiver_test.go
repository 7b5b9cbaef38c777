package faults

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/test/faults/ledger"
)

// secret signs the deliveries of every subscription of the suite.
const secret = "E*wl1K87LYnUoZSm"

// A receiver is where all webhooks of a test arrive, each at an endpoint of its own. It
// notes what it gets.
type receiver struct {
	t      *testing.T
	books  *ledger.Ledger
	server *httptest.Server

	mu          sync.Mutex
	endpoints   map[string]*endpoint
	connections int
}

// An endpoint answers one subscription's deliveries.
type endpoint struct {
	path string
	// answer is the status of an attempt, the nth at this endpoint, and the nth of its
	// event there, from 1.
	answer   func(key hermod.AttemptKey, n, ofEvent int) int
	requests int
	events   map[hermod.ID]int
}

func newReceiver(t *testing.T, books *ledger.Ledger) *receiver {
	t.Helper()
	r := &receiver{t: t, books: books, endpoints: map[string]*endpoint{}}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ConnState = r.connected
	r.server.Start()
	t.Cleanup(r.server.Close)
	return r
}

// open makes an endpoint and answers its URL.
func (r *receiver) open(path string, answer func(key hermod.AttemptKey, n, ofEvent int) int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoints[path] = &endpoint{path: path, answer: answer, events: map[hermod.ID]int{}}
	return r.server.URL + "/" + path
}

func (r *receiver) connected(_ net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.connections++
	case http.StateClosed:
		r.connections--
	case http.StateActive, http.StateIdle, http.StateHijacked:
	}
}

// left says how many connections are open. What a process has sent before it ended is
// read when there are none.
func (r *receiver) left() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connections == 0 {
		return ""
	}
	return strconv.Itoa(r.connections) + " connections are open"
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the process ended before it had sent all
	}
	var event struct {
		ID        string
		EventData json.RawMessage
	}
	key, keyErr := hermod.ParseAttemptKey(request.Header.Get("X-Signicat-Delivery-Attempt-Id"))
	if err := json.Unmarshal(body, &event); err != nil || keyErr != nil {
		r.t.Errorf("a delivery could not be read: %s", body)
		return
	}
	payload, _ := ledger.PayloadOf(event.EventData)
	d := ledger.Delivery{
		Attempt: key, WebhookID: request.Header.Get("webhook-id"), Payload: payload, At: time.Now(), Verified: verified(request.Header, body),
	}
	d.Status = r.status(strings.TrimPrefix(request.URL.Path, "/"), key)
	r.books.Delivered(d)
	w.WriteHeader(d.Status)
}

func (r *receiver) status(path string, key hermod.AttemptKey) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.endpoints[path]
	if e == nil {
		r.t.Errorf("a delivery arrived at %q", path)
		return http.StatusNotFound
	}
	e.requests++
	e.events[key.EventID]++
	return e.answer(key, e.requests, e.events[key.EventID])
}

// verified checks the native signature independently of pkg/sign.
func verified(h http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(h.Get("X-Signicat-Signature")))
}

// The answers of endpoints.

// well takes everything.
func well(hermod.AttemptKey, int, int) int { return http.StatusOK }

// failing takes nothing.
func failing(hermod.AttemptKey, int, int) int { return http.StatusServiceUnavailable }

// gone says so.
func gone(hermod.AttemptKey, int, int) int { return http.StatusGone }

// flaky takes each event the third time.
func flaky(_ hermod.AttemptKey, _, ofEvent int) int {
	if ofEvent < 3 {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// downFor takes nothing at first.
func downFor(requests int) func(hermod.AttemptKey, int, int) int {
	return func(_ hermod.AttemptKey, n, _ int) int {
		if n <= requests {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
}

// laterRuns takes no event in its first run.
func laterRuns(key hermod.AttemptKey, _, _ int) int {
	if key.Run == 0 {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}
