package telia_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/subscription"
	"hermod/pkg/api/telia"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/seal"
	"hermod/pkg/sqlite"
	"hermod/test/openapi/contract"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The tenants of these tests: those of a first start, local's and other's, and second,
// which is another tenant of local's account.
const (
	localTenant  = "11111111-1111-4111-8111-111111111111"
	otherTenant  = "22222222-2222-4222-8222-222222222222"
	secondTenant = "33333333-3333-4333-8333-333333333333"
)

func tenants() map[string]string {
	return map[string]string{"local": localTenant, "other": otherTenant, "second": secondTenant, "powerless": localTenant}
}

// A world is the dialect over the embedded engine, with a clock moved by hand.
type world struct {
	db     *sqlite.DB
	store  store
	server http.Handler
	keys   *auth.Keys
	log    logbook

	mu     sync.Mutex
	at     time.Time
	tokens map[string]string
}

// store is the database with secrets sealed before it, as a node has it.
type store struct {
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

// signingKey is one key for all worlds: making one takes long.
var signingKey = sync.OnceValues(func() (hermod.SigningKey, error) {
	var made onlyKey
	err := (&auth.Keys{Store: &made, Sealer: open{}, Now: time.Now}).Create(context.Background())
	return made.key, err
})

type onlyKey struct{ key hermod.SigningKey }

func (o *onlyKey) SigningKeys(context.Context) ([]hermod.SigningKey, error) { return nil, nil }

func (o *onlyKey) PutSigningKey(_ context.Context, k hermod.SigningKey) error {
	o.key = k
	return nil
}

func (o *onlyKey) DeleteSigningKey(context.Context, string) error { return nil }

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
	w := &world{at: start, tokens: map[string]string{}}
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	ids := hermod.NewIDs(w.now, random)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "hermod.db"), sqlite.Options{IDs: ids, Now: w.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	sealing, err := seal.NewLocalKeys(filepath.Join(dir, "hermod.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	key.CreatedAt = start.Add(-time.Hour)
	if err := db.PutSigningKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := provision.ApplyLocal(t.Context(), db, start); err != nil {
		t.Fatal(err)
	}
	account := provision.Local()[0].Account
	for _, s := range []provision.Secret{
		{Kind: auth.TeliaLogin, Login: "second", Secret: "second-secret", Account: account, Tenant: secondTenant, Scopes: []string{hermod.ScopeTeliaSign}},
		{Kind: auth.TeliaKey, Secret: "second-key", Account: account, Tenant: secondTenant, Scopes: []string{hermod.ScopeTeliaSign}},
		{Kind: auth.TeliaLogin, Login: "powerless", Secret: "powerless-secret", Account: account, Tenant: localTenant},
		{Kind: auth.TeliaKey, Secret: "powerless-key", Account: account, Tenant: localTenant},
	} {
		if err := provision.ApplySecret(t.Context(), db, s, start); err != nil {
			t.Fatal(err)
		}
	}
	w.db, w.keys = db, &auth.Keys{Store: db, Sealer: open{}, Now: w.now}
	w.store = store{seal.NewStore(db, seal.NewBox(sealing, random, w.now), w.now, log), plain{db}}
	w.serve(log, w.store, db, nil)
	return w
}

// serve makes the server over the stores.
func (w *world) serve(log *slog.Logger, subscriptions subscription.Store, credentials auth.CredentialStore, limiter *api.Limiter) {
	d := telia.New(w.keys, credentials, w.now)
	ids := hermod.NewIDs(w.now, random)
	hooks := &telia.Hooks{
		Store: subscriptions, Targets: push.New(push.Options{Policy: push.Local()}), Now: w.now, NewID: ids.Next,
	}
	w.server = telia.WithoutSlash(api.NewServer(api.Options{
		Dialect: d, Routes: telia.Routes(d, hooks), Log: log, Now: w.now, Limiter: limiter,
		Trace: func() string { return strings.Repeat("ab", 16) },
	}))
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
	clear(w.tokens)
}

// An answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// message is that of an error, after checking its status and its form.
func (a answer) message(t testing.TB, status int) string {
	t.Helper()
	var e struct {
		StatusCode int
		Message    string
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || a.status != status || e.StatusCode != status || e.Message == "" {
		t.Fatalf("got %d %s, want the error %d (%v)", a.status, a.body, status, err)
	}
	return e.Message
}

// json reads the body of a 200.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("got %d: %s", a.status, a.body)
	}
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// send asks with these headers, which are pairs, and no others.
func (w *world) send(t testing.TB, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://host"+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.Bytes()}
	compare(t, r, body, a)
	return a
}

// do asks as a login with its key.
func (w *world) do(t testing.TB, login, method, target, body string, header ...string) answer {
	t.Helper()
	return w.send(t, method, target, body, append([]string{telia.KeyHeader, login + "-key", "Authorization", "Bearer " + w.token(t, login)}, header...)...)
}

// login exchanges a login for a token.
func (w *world) login(t testing.TB, login, password, tenant, key string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"login": login, "password": password, "tenantid": tenant})
	if err != nil {
		t.Fatal(err)
	}
	return w.send(t, http.MethodPost, "/identity/login", string(body), telia.KeyHeader, key)
}

func (w *world) token(t testing.TB, login string) string {
	t.Helper()
	w.mu.Lock()
	known := w.tokens[login]
	w.mu.Unlock()
	if known != "" {
		return known
	}
	token := w.login(t, login, login+"-secret", tenants()[login], login+"-key").json(t)["token"].(string)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[login] = token
	return token
}

// compare holds the exchange against docs/openapi.yaml.
func compare(t testing.TB, r *http.Request, body string, a answer) {
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

const (
	listPath  = "/hooks/v1/subscription"
	hooksPath = "/hooks/v1"
)

// subscribing is the body of the contract's sample, with these members besides.
func subscribing(members string) string {
	return `{"Description":"Notifications for completed signature requests","Uri":"https://your-site.example/notifications?token=t0ken",` +
		`"EventType":"SignatureRequestCompleted","Headers":{"client-id":"your id","client-secret":"s3cret"}` + members + `}`
}

// subscribe creates a subscription as the login and gives its id.
func (w *world) subscribe(t testing.TB, login string) string {
	t.Helper()
	return w.do(t, login, http.MethodPost, listPath, subscribing("")).json(t)["id"].(string)
}
