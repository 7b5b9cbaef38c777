package universign_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/replay"
	"hermod/pkg/seal"
	"hermod/pkg/sqlite"
	"hermod/test/openapi/contract"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var local = provision.Local()[0].Account

// The API keys of these tests: owners of two workspaces, and one of each lower role.
const (
	owner      = "apikey_local"
	stranger   = "apikey_other"
	admin      = "apikey_admin"
	integrator = "apikey_integrator"
	nobody     = "apikey_none"
)

// A world is the dialect over the embedded engine, with a clock moved by hand.
type world struct {
	db       *sqlite.DB
	store    sealed
	keys     *auth.Keys
	server   *api.Server
	acceptor universign.Acceptor
	delivery *sqlite.Queue
	log      *slog.Logger
	lines    logbook

	mu sync.Mutex
	at time.Time
}

type sealed struct {
	*seal.Store
	plain
}

type plain struct{ *sqlite.DB }

// A logbook keeps the lines of a log.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// signingKeys are the same for all worlds: making one takes long.
var signingKeys = sync.OnceValues(func() ([]hermod.SigningKey, error) {
	made := &memoryKeys{}
	keys := &auth.Keys{
		Store: made, Sealer: open{}, Use: universign.Use, Prefix: universign.KeyPrefix, Now: func() time.Time { return start },
	}
	for range 2 {
		if err := keys.Create(context.Background()); err != nil {
			return nil, err
		}
	}
	return made.keys, nil
})

type memoryKeys struct{ keys []hermod.SigningKey }

func (m *memoryKeys) SigningKeys(context.Context) ([]hermod.SigningKey, error) { return nil, nil }
func (m *memoryKeys) DeleteSigningKey(context.Context, string) error           { return nil }
func (m *memoryKeys) PutSigningKey(_ context.Context, k hermod.SigningKey) error {
	m.keys = append(m.keys, k)
	return nil
}

// open seals nothing.
type open struct{}

func (open) Seal(_ context.Context, _, _ string, plaintext []byte) ([]byte, error) {
	return plaintext, nil
}
func (open) Open(_ context.Context, _, _ string, sealed []byte) ([]byte, error) { return sealed, nil }

func random(p []byte) { _, _ = rand.Read(p) }

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{at: start}
	w.log = slog.New(slog.NewJSONHandler(&w.lines, nil))
	ids := hermod.NewIDs(w.now, random)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "hermod.db"), sqlite.Options{IDs: ids, Now: w.now, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := provision.ApplyLocal(t.Context(), db, start); err != nil {
		t.Fatal(err)
	}
	for role, key := range map[string]string{"admin": admin, "integrator": integrator, "none": nobody} {
		s := provision.Secret{Kind: auth.UniversignKey, Secret: key, Account: local, Tenant: "wsp_local", Scopes: universign.ScopesOf(role)}
		if err := provision.ApplySecret(t.Context(), db, s, start); err != nil {
			t.Fatal(err)
		}
	}
	signing, err := signingKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PutSigningKey(t.Context(), signing[0]); err != nil {
		t.Fatal(err)
	}
	sealing, err := seal.NewLocalKeys(filepath.Join(dir, "hermod.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	w.db, w.delivery = db, db.Queue("delivery", sqlite.QueueOptions{})
	w.store = sealed{seal.NewStore(db, seal.NewBox(sealing, random, w.now), w.now, w.log), plain{db}}
	w.keys = &auth.Keys{Store: db, Sealer: open{}, Use: universign.Use, Prefix: universign.KeyPrefix, Now: w.now, Log: w.log}
	w.acceptor = ingest.New(ingest.Options{Config: db, Journal: db.Journal(w.delivery), IDs: ids, Now: w.now, Log: w.log})
	w.serve(w.store, w.acceptor)
	return w
}

// table is the route table of these tests.
func table() []api.Route {
	return slices.Concat((&universign.Endpoints{}).Routes(), (&universign.Webhooks{}).Routes(),
		(&universign.JWKS{}).Routes(), (&universign.APIKeys{}).Routes())
}

// serve makes the server over a store and an acceptor.
func (w *world) serve(store universign.EndpointStore, acceptor universign.Acceptor) {
	endpoints := &universign.Endpoints{
		Store: store, Targets: push.New(push.Options{Policy: push.Local()}), EnsureKey: w.keys.Ensure,
		IDs: hermod.NewIDs(w.now, random), Now: w.now,
	}
	webhooks := &universign.Webhooks{
		Store: w.db, Now: w.now,
		Retrier: &replay.Starter{Deliveries: w.db, Queue: w.delivery, Now: w.now, Trigger: hermod.TriggerRetry},
	}
	apiKeys := &universign.APIKeys{
		Registry: &auth.Registry{Store: w.db, Now: w.now, Random: random}, Renamer: w.db, Acceptor: acceptor, Now: w.now, Log: w.log,
	}
	w.server = api.NewServer(api.Options{
		Dialect: universign.Dialect{Secrets: &auth.Secrets{Credentials: w.db, Now: w.now}},
		Routes: slices.Concat(endpoints.Routes(), webhooks.Routes(), (&universign.JWKS{Keys: w.keys}).Routes(),
			apiKeys.Routes()),
		Log: w.log, Now: w.now, Trace: func() string { return strings.Repeat("ab", 16) },
	})
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// A response is what the server said.
type response struct {
	status int
	header http.Header
	body   []byte
}

const (
	formMedia = "application/x-www-form-urlencoded"
	jsonMedia = "application/json"
)

// do asks with an API key as the user of Basic credentials; "" is none. A body that
// begins with { is JSON, another a form. Headers are pairs.
func (w *world) do(t testing.TB, key, method, target, body string, header ...string) response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://host"+target, strings.NewReader(body))
	if key != "" {
		r.SetBasicAuth(key, "")
	}
	if body != "" {
		r.Header.Set("Content-Type", formMedia)
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", jsonMedia)
		}
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	a := response{rec.Code, rec.Header(), rec.Body.Bytes()}
	compare(t, r, body, a)
	return a
}

// compare holds the exchange against docs/openapi.yaml.
func compare(t testing.TB, r *http.Request, body string, a response) {
	t.Helper()
	description, err := contract.Shared()
	if err != nil {
		t.Fatal(err)
	}
	x := contract.Exchange{
		Method: r.Method, Target: r.URL.RequestURI(), RequestType: r.Header.Get("Content-Type"), RequestBody: []byte(body),
		Status: a.status, Header: a.header, Body: a.body,
	}
	if r.Method == http.MethodHead {
		x.Body = nil // net/http leaves it out
	}
	if err := description.Check(x); err != nil {
		t.Errorf("against docs/openapi.yaml: %v", err)
	}
}

// json reads the answer's body after checking its status.
func (a response) json(t testing.TB, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d, want %d: %s", a.status, status, a.body)
	}
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// wantError asks for a whole error: that it is one, compare has asked.
func (a response) wantError(t testing.TB, what string, status int, code string) {
	t.Helper()
	e := a.json(t, status)
	if e["code"] != code || e["status"] != float64(status) || e["trace_id"] != strings.Repeat("ab", 16) || e["message"] == "" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %s, %v", what, a.body, a.header)
	}
}

// The paths of the dialect.
const (
	endpointsPath = universign.Base + "/webhook-endpoints"
	webhooksPath  = universign.Base + "/webhooks"
	keysPath      = universign.Base + "/api-keys"
)

// form is a form of pairs.
func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

const target = "https://receiver.example/hook?token=s3cret"

// endpoint creates an endpoint and gives its id.
func (w *world) endpoint(t testing.TB, key string, types ...string) string {
	t.Helper()
	if types == nil {
		types = []string{"action.closed"}
	}
	body := form("name", "Archive", "url", target, "event_types", strings.Join(types, ","))
	return w.do(t, key, http.MethodPost, endpointsPath, body).json(t, http.StatusOK)["id"].(string)
}

// publish has an event accepted for the account.
func (w *world) publish(t testing.TB, account, name string) *hermod.Event {
	t.Helper()
	sender := string(hermod.Universign)
	if s, n, ok := hermod.ParseType(name); ok {
		sender, name = s, n
	}
	events, err := w.acceptor.Accept(t.Context(), []ingest.Submission{{Event: hermod.Event{
		AccountID: account, Sender: sender, Name: name, Timestamp: w.now(), Data: json.RawMessage(`{"object":"action","id":"act_1"}`),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return events[0]
}

// attempt puts a row of the delivery log of the local account, and gives the id of
// the webhook.
func (w *world) attempt(t testing.TB, e *hermod.Event, endpoint string, run, number int, state hermod.State, change ...func(*hermod.Attempt)) string {
	t.Helper()
	a := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: endpoint, EventID: e.ID, Run: run}, Number: number},
		Owner:      local, Account: local, Trigger: hermod.TriggerMatch, At: w.now(), State: state, StatusCode: http.StatusOK,
		SubscriptionType: hermod.Webhook, SubscriptionName: "Archive", RetainUntil: w.now().Add(hermod.DefaultRetention),
	}
	if state != hermod.Succeeded {
		a.StatusCode, a.ErrorClass, a.ErrorMessage = http.StatusServiceUnavailable, "http_5xx", "the endpoint answered 503"
	}
	if state == hermod.Waiting {
		a.NextAt, a.Carrier = w.now().Add(time.Minute), hermod.CarrierDue
	}
	for _, f := range change {
		f(a)
	}
	if err := w.db.PutAttempt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return "whk_" + strings.TrimPrefix(endpoint, "whe_") + e.ID.Base62()
}

// ids are the ids in a list.
func ids(t testing.TB, a response) []string {
	t.Helper()
	all := []string{}
	for _, o := range a.json(t, http.StatusOK)["data"].([]any) {
		all = append(all, o.(map[string]any)["id"].(string))
	}
	return all
}
