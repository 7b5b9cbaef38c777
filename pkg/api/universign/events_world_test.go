package universign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
)

// accepted is when the clock of a log starts.
var accepted = time.Date(2026, 4, 14, 7, 4, 37, 458_000_000, time.UTC)

const (
	workspace = "a-spge-Workspace"
	foreign   = "a-spge-Foreign"
)

// An eventLog is the events of two workspaces over the embedded engine, with a clock
// moved by hand and ids that are the same in every run.
type eventLog struct {
	db       *sqlite.DB
	at       time.Time
	acceptor *ingest.Acceptor
	events   *universign.Events
	handler  http.Handler
}

// callers are who calls, by the bearer token.
func callers() map[string]*hermod.Principal {
	scopes := []string{hermod.ScopeUniversign, hermod.ScopeUniversignEvents}
	return map[string]*hermod.Principal{
		"admin":   {CredentialID: "1", Account: workspace, Scopes: scopes},
		"foreign": {CredentialID: "2", Account: foreign, Scopes: scopes},
		"member":  {CredentialID: "3", Account: workspace, Scopes: scopes[:1]},
	}
}

// knownCallers is the dialect with these callers for its API keys.
type knownCallers struct{ universign.Dialect }

func (knownCallers) Authenticate(r *http.Request) (*hermod.Principal, error) {
	if p := callers()[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; p != nil {
		return p, nil
	}
	return nil, hermod.Errorf(hermod.CodeUnauthorized, "the API key is not known")
}

type noQueue struct{}

func (noQueue) Send(context.Context, []hermod.Message) error                     { return nil }
func (noQueue) SendAgain(context.Context, []hermod.Message, time.Duration) error { return nil }

func newEventLog(t *testing.T) *eventLog {
	t.Helper()
	l := &eventLog{at: accepted}
	now := func() time.Time { return l.at }
	ids := hermod.NewIDs(now, func([]byte) {})
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: ids, Now: now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, account := range []string{workspace, foreign} {
		if err := db.CreateOwner(t.Context(), hermod.Owner{ID: account, CreatedAt: accepted}); err != nil {
			t.Fatal(err)
		}
	}
	l.db = db
	l.acceptor = ingest.New(ingest.Options{
		Config: db, Journal: ingest.Direct{Store: db, Queue: noQueue{}}, IDs: ids, Now: now, Log: log,
	})
	l.events = &universign.Events{Store: db, Random: func([]byte) {}, Now: time.Now}
	l.handler = serverOf(l.events)
	return l
}

func serverOf(events *universign.Events) http.Handler {
	return api.NewServer(api.Options{
		Dialect: knownCallers{}, Routes: events.Routes(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Trace: func() string { return "0af7651916cd43dd8448eb211c80319c" },
	})
}

// publish has an account's event of now accepted.
func (l *eventLog) publish(t *testing.T, account, typ, data string, cause hermod.Context) *hermod.Event {
	t.Helper()
	sender, name, ok := hermod.ParseType(typ)
	if !ok {
		t.Fatalf("%s is no type", typ)
	}
	events, err := l.acceptor.Accept(t.Context(), []ingest.Submission{{Event: hermod.Event{
		AccountID: account, Sender: sender, Name: name, Data: json.RawMessage(data), Timestamp: l.at, Context: cause,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return events[0]
}

// closed publishes that an action was closed.
func (l *eventLog) closed(t *testing.T, kind string, level int) *hermod.Event {
	t.Helper()
	data := fmt.Sprintf(`{"object":"action","id":"act_1","type":%q,"required_level":%d,"transaction_id":"tx_1"}`, kind, level)
	return l.publish(t, workspace, "universign:action.closed", data, hermod.Context{})
}

func (l *eventLog) get(t *testing.T, caller, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://hermod.test/universign/v1"+target, nil)
	r.Header.Set("Authorization", "Bearer "+caller)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	return w
}

// A listed is a list as its client reads it.
type listed struct {
	Object string
	Data   []struct {
		ID, Type string
		APIKeyID *string `json:"apikey_id"`
	}
	HasMore bool `json:"has_more"`
	Total   *int
	Next    string
}

func (l listed) ids() (ids []string) {
	for _, e := range l.Data {
		ids = append(ids, e.ID)
	}
	return ids
}

func (l *eventLog) list(t *testing.T, target string) (out listed) {
	t.Helper()
	w := l.get(t, "admin", target)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Object != "list" || out.Data == nil {
		t.Fatalf("%s: %s", target, w.Body)
	}
	return out
}
