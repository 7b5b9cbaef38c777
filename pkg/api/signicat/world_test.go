package signicat_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/api/subscription"
	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/schema"
	"hermod/pkg/sqlite"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The owners and the clients of these tests, besides those of a first start: anyone
// may publish for all, reader holds neither of the scopes that routes ask for, and
// privileged may see what others may not, those of its own account (ordinary) too.
// colleague is so privileged and shares local's organization.
var (
	local        = provision.Local()[0].Account
	organization = provision.Local()[0].Organization
	other        = provision.Local()[1].Account
)

func clients() []provision.Client {
	return append(provision.Local(),
		provision.Client{ID: "anyone", Secret: "s", Account: "a-spge-Anyone", Scopes: []string{hermod.ScopePublish, hermod.ScopePublishAny}},
		provision.Client{ID: "privileged", Secret: "s", Account: "a-spge-Privileged", Scopes: []string{
			hermod.ScopeManage, hermod.ScopePublish, hermod.ScopeInternal, hermod.ScopeGlobal,
		}},
		provision.Client{ID: "manager", Secret: "s", Account: "a-spge-Privileged", Scopes: []string{hermod.ScopeManage}},
		provision.Client{ID: "ordinary", Secret: "s", Account: "a-spge-Privileged", Scopes: []string{hermod.ScopeManage, hermod.ScopePublish}},
		provision.Client{ID: "colleague", Secret: "s", Account: "a-spge-Colleague", Organization: organization, Scopes: []string{
			hermod.ScopeManage, hermod.ScopePublish, hermod.ScopeInternal, hermod.ScopeGlobal,
		}},
		provision.Client{ID: "reader", Secret: "s", Account: local, Organization: organization, Scopes: []string{hermod.ScopeInternal}})
}

// A world is the native API over the embedded engine.
type world struct {
	*apitest.Engine
	server *api.Server
	routes []api.Route
	keys   *auth.Keys
	issuer *auth.Issuer
	// delivery is the queue that nobody handles.
	delivery *sqlite.Queue

	mu     sync.Mutex
	tokens map[string]string
}

// signingKey is one key for all worlds.
var signingKey = sync.OnceValues(func() (hermod.SigningKey, error) { return apitest.SigningKey("", "", time.Now()) })

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
	for _, c := range clients() {
		if err := provision.Apply(t.Context(), w.DB, c, start); err != nil {
			t.Fatal(err)
		}
	}
	w.keys = &auth.Keys{Store: w.DB, Sealer: apitest.Unsealed{}, Now: w.Now}
	w.issuer = &auth.Issuer{Keys: w.keys, Credentials: w.DB, Now: w.Now, TokenID: func() string { return "jti" }}
	w.delivery = w.DB.Queue("delivery", sqlite.QueueOptions{})
	acceptor := ingest.New(ingest.Options{
		Config: w.DB, Journal: w.DB.Journal(w.delivery), IDs: w.IDs, Now: w.Now, Log: w.Log, Schemas: schema.Checker,
	})
	w.serve(w.Log, parts{w.Store, acceptor, w.Store, w.Store, w.DB, w.DB, replaying{w.DB, acceptor, w.delivery}})
	return w
}

type subscriptionStore interface {
	subscription.Store
	signicat.HealthStore
}

// parts are what the handlers are served over.
type parts struct {
	events        signicat.EventStore
	acceptor      signicat.Acceptor
	subscriptions subscriptionStore
	logs          signicat.LogStore
	credentials   auth.CredentialRegistry
	definitions   signicat.DefinitionStore
	replays       replayParts
}

// serve makes the server over the parts.
func (w *world) serve(log *slog.Logger, p parts) {
	cursors := api.Cursors{Keys: w.keys.CursorKeys}
	tokens := &signicat.Tokens{Issuer: w.issuer, Guard: &api.Guard{Now: w.Now, Log: w.Log}}
	events := &signicat.Events{Store: p.events, Acceptor: p.acceptor, Cursors: cursors, Now: w.Now}
	pushers := push.New(push.Options{Policy: push.Local(), Resolver: noNames(), AWS: onAWS()})
	subscriptions := &signicat.Subscriptions{
		Store: p.subscriptions, Health: p.subscriptions, Targets: pushers, Prober: pushers, Cursors: cursors, Now: w.Now, Random: apitest.Random,
	}
	logs := &signicat.DeliveryLogs{Store: p.logs, Cursors: cursors}
	credentials := &signicat.Credentials{
		Registry: &auth.Registry{Store: p.credentials, Now: w.Now, Random: apitest.Random}, Cursors: cursors,
	}
	metadata := &signicat.Metadata{Store: p.definitions, Catalog: catalog.Published{}, AWSRolePrefix: onAWS().RolePrefix(), Now: w.Now}
	w.routes = slices.Concat(metadata.Routes(), tokens.Routes(), events.Routes(), subscriptions.Routes(), logs.Routes(), credentials.Routes())
	w.routes = append(w.routes, w.replays(p.replays, cursors).Routes()...)
	w.routes = append(w.routes, w.deadLetters(p, cursors).Routes()...)
	w.routes = append(w.routes, (&signicat.AuditLog{Store: p.replays, Cursors: cursors}).Routes()...)
	w.server = api.NewServer(api.Options{
		Dialect: signicat.Dialect{Bearer: &auth.Bearer{Keys: w.keys, Credentials: w.DB, Now: w.Now}},
		Routes:  w.routes, Log: log, Now: w.Now, Trace: apitest.Trace,
	})
}

// noNames resolves no name: what the tests look at is on this machine.
func noNames() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no names here")
	}}
}

// advance moves the clock on, and has tokens issued anew.
func (w *world) advance(d time.Duration) {
	w.Advance(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.tokens)
}

// token is an access token of the client with all that it holds.
func (w *world) token(t testing.TB, client string) string {
	t.Helper()
	w.mu.Lock()
	known := w.tokens[client]
	w.mu.Unlock()
	if known != "" {
		return known
	}
	i := slices.IndexFunc(clients(), func(c provision.Client) bool { return c.ID == client })
	token, _, err := w.issuer.Issue(t.Context(), "http://host/auth/open", client, clients()[i].Secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[client] = token
	return token
}

// An answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do asks as the client; "" is nobody. Headers are pairs.
func (w *world) do(t testing.TB, client, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://host"+target, strings.NewReader(body))
	if client != "" {
		r.Header.Set("Authorization", "Bearer "+w.token(t, client))
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	var a answer
	a.status, a.header, a.body = w.Ask(t, w.server, r, body)
	return a
}

// json reads the answer's body after checking its status.
func (a answer) json(t *testing.T, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d, want %d: %s", a.status, status, a.body)
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// wrong are the members that a 400 names.
func (a answer) wrong(t *testing.T) []string {
	t.Helper()
	names := []string{}
	list, _ := a.json(t, http.StatusBadRequest)["invalidParams"].([]any)
	for _, p := range list {
		names = append(names, fmt.Sprint(p.(map[string]any)["name"]))
	}
	return names
}

func wantStatus(t *testing.T, what string, a answer, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: got %d, want %d: %s", what, a.status, status, a.body)
	}
}

// publish publishes one event as the client and gives its id.
func (w *world) publish(t *testing.T, client, members string) string {
	t.Helper()
	a := w.do(t, client, http.MethodPost, signicat.Base+"/events", event(members))
	data := a.json(t, http.StatusAccepted)["data"].([]any)
	return data[0].(map[string]any)["id"].(string)
}

// event is an event with these members besides those that are required.
func event(members string) string {
	return `{"sender":"sign","eventName":"done","eventData":{"a":1}` + members + `}`
}

// webhook is a subscription with these members besides those that are required.
func webhook(members string) string {
	return `{"name":"My Subscription","type":"Webhook","typeConfiguration":{"url":"https://receiver.example/hook"}` + members + `}`
}

// subscribe creates a subscription as the client and gives its id.
func (w *world) subscribe(t *testing.T, client, members string) string {
	t.Helper()
	return w.do(t, client, http.MethodPost, signicat.Base+"/subscriptions", webhook(members)).json(t, http.StatusOK)["id"].(string)
}

// register registers a type of a fresh name as the client and gives it.
func (w *world) register(t *testing.T, client, body string) string {
	t.Helper()
	event := "custom:" + strings.ToLower(rand.Text())
	w.do(t, client, http.MethodPut, signicat.Base+"/metadata/events/"+event, body).json(t, http.StatusOK)
	return event
}

// attempt puts a row of the log for the event and the subscription, of the local
// account, and gives its id.
func (w *world) attempt(t *testing.T, eventID, subscriptionID string, change func(*hermod.Attempt)) string {
	t.Helper()
	id, err := hermod.ParseID(eventID)
	if err != nil {
		t.Fatal(err)
	}
	a := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: subscriptionID, EventID: id}, Number: 1},
		Owner:      local, Account: local, Trigger: hermod.TriggerMatch, At: w.Now(), Duration: 12 * time.Millisecond,
		State: hermod.Succeeded, StatusCode: http.StatusOK, Response: "thanks", Target: "https://receiver.example/hook",
		SubscriptionType: hermod.Webhook, SubscriptionName: "My Subscription", RetainUntil: w.Now().Add(hermod.DefaultRetention),
	}
	change(a)
	if err := w.DB.PutAttempt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a.String()
}

func asItIs(*hermod.Attempt) {}

// discard is a log that nobody reads.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
