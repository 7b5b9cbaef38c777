package node_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/sqlite"
)

// A stage is a node that is started and stopped over one directory, with a
// destination of its own.
type stage struct {
	t      *testing.T
	data   string
	node   *node.Node
	end    context.CancelFunc
	ended  chan error
	answer func(n int) deliver.Result
	// down is from when to when the node did not run.
	down [2]time.Time

	subscription, event string

	mu     sync.Mutex
	pushed []time.Time
}

func newStage(t *testing.T, answer func(int) deliver.Result) *stage {
	t.Helper()
	return &stage{t: t, data: t.TempDir(), answer: answer}
}

func (s *stage) start() {
	s.t.Helper()
	n, err := node.Open(s.t.Context(), node.Options{
		Data: s.data, Pusher: s, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Timing: node.Timing{ReplayEvery: day, SweepEvery: time.Minute}, // their looks would be most of what a test of many days does
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, end := context.WithCancel(s.t.Context())
	s.node, s.end, s.ended = n, end, make(chan error, 1)
	go func() { s.ended <- n.Run(ctx) }()
}

func (s *stage) stop() {
	s.t.Helper()
	s.end()
	if err := <-s.ended; err != nil {
		s.t.Fatal(err)
	}
	if err := s.node.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// call makes a request and decodes its answer.
func (s *stage) call(method, path, contentType, token, body string, status int, into any) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.node.Handler().ServeHTTP(w, r)
	if w.Code != status {
		s.t.Fatalf("%s %s: got %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		s.t.Fatalf("%s %s: %s: %s", method, path, err, w.Body)
	}
}

func (s *stage) token() string {
	s.t.Helper()
	client := provision.Local()[0]
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret},
		"scope": {strings.Join(client.Scopes, " ")},
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	s.call("POST", "/auth/open/connect/token", "application/x-www-form-urlencoded", "", form.Encode(), http.StatusOK, &answer)
	return answer.Token
}

func (s *stage) subscribe() {
	s.t.Helper()
	var answer struct{ ID string }
	s.call("POST", "/events-management/subscriptions", "application/json", s.token(), `{
		"name": "schedule", "active": true, "type": "Webhook", "eventNameFilter": ["sender:*"],
		"typeConfiguration": {"url": "https://receiver.example/hook"}}`, http.StatusOK, &answer)
	s.subscription = answer.ID
}

// publish publishes one event, with expiresAt where that is not "".
func (s *stage) publish(expiresAt string) {
	s.t.Helper()
	event := map[string]any{"sender": "sender", "eventName": "name", "eventData": 1}
	if expiresAt != "" {
		event["expiresAt"] = expiresAt
	}
	body, err := json.Marshal(event)
	if err != nil {
		s.t.Fatal(err)
	}
	var answer struct{ Data []struct{ ID string } }
	s.call("POST", "/events-management/events", "application/json", s.token(), string(body), http.StatusAccepted, &answer)
	s.event = answer.Data[0].ID
}

// rows reads the log of the subscription from the file of a stopped node, the first
// attempt first.
func (s *stage) rows() []*hermod.Attempt {
	s.t.Helper()
	db, err := sqlite.Open(s.t.Context(), s.database(), sqlite.Options{
		IDs: hermod.NewIDs(time.Now, func([]byte) {}), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	rows, err := db.Attempts(s.t.Context(), hermod.LogQuery{
		Owner: provision.Local()[0].Account, SubscriptionID: s.subscription, Ascending: true, Limit: 100,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows.Attempts
}
