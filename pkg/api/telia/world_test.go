package telia_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/subscription"
	"hermod/pkg/api/telia"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/push"
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

// A world is the dialect over the embedded engine.
type world struct {
	*apitest.Engine
	server http.Handler
	keys   *auth.Keys

	mu     sync.Mutex
	tokens map[string]string
}

// signingKey is one key for all worlds.
var signingKey = sync.OnceValues(func() (hermod.SigningKey, error) { return apitest.SigningKey("", "", start.Add(-time.Hour)) })

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Engine: apitest.NewEngine(t, start, apitest.Random), tokens: map[string]string{}}
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DB.PutSigningKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	account := provision.Local()[0].Account
	w.Provision(t,
		provision.Secret{Kind: auth.TeliaLogin, Login: "second", Secret: "second-secret", Account: account, Tenant: secondTenant, Scopes: []string{hermod.ScopeTeliaSign}},
		provision.Secret{Kind: auth.TeliaKey, Secret: "second-key", Account: account, Tenant: secondTenant, Scopes: []string{hermod.ScopeTeliaSign}},
		provision.Secret{Kind: auth.TeliaLogin, Login: "powerless", Secret: "powerless-secret", Account: account, Tenant: localTenant},
		provision.Secret{Kind: auth.TeliaKey, Secret: "powerless-key", Account: account, Tenant: localTenant})
	w.keys = &auth.Keys{Store: w.DB, Sealer: apitest.Unsealed{}, Now: w.Now}
	w.serve(w.Store, w.DB, nil)
	return w
}

// serve makes the server over the stores.
func (w *world) serve(subscriptions subscription.Store, credentials auth.CredentialStore, limiter *api.Limiter) {
	d := telia.New(w.keys, credentials, &api.Guard{Now: w.Now, Log: w.Log}, w.Now)
	hooks := &telia.Hooks{
		Store: subscriptions, Targets: push.New(push.Options{Policy: push.Local()}), Now: w.Now, NewID: w.IDs.Next,
	}
	w.server = telia.WithoutSlash(api.NewServer(api.Options{
		Dialect: d, Routes: telia.Routes(d, hooks), Log: w.Log, Now: w.Now, Limiter: limiter, Trace: apitest.Trace,
	}))
}

// advance moves the clock on, and has logins made anew.
func (w *world) advance(d time.Duration) {
	w.Advance(d)
	w.mu.Lock()
	defer w.mu.Unlock()
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
	var a answer
	a.status, a.header, a.body = w.Ask(t, w.server, r, body)
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
