package signly_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signly"
	"hermod/pkg/api/subscription"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/schema"
	"hermod/pkg/sqlite"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Who calls in these tests: local and other are those of a first start, second is
// another tenant of local's account, and powerless holds no scope.
var (
	local, other      = provision.Local()[0].Account, provision.Local()[1].Account
	localKey          = caller{"11111111-1111-4111-8111-111111111111", "sk_local"}
	localHMAC         = caller{localKey.tenant, "sk_local_hmac"}
	otherKey          = caller{"22222222-2222-4222-8222-222222222222", "sk_other"}
	secondKey         = caller{"33333333-3333-4333-8333-333333333333", "sk_second"}
	powerless, nobody = caller{localKey.tenant, "sk_powerless"}, caller{}
)

// A caller is the two headers of every request; "" is left out.
type caller struct{ tenant, credential string }

// A world is the dialect over the embedded engine.
type world struct {
	*apitest.Engine
	server   http.Handler
	acceptor *ingest.Acceptor
}

// parts are what a test may replace.
type parts struct {
	targets signly.Targets
	pusher  deliver.Pusher
	limiter *api.Limiter
	// wrap stands before the store; nil for nothing.
	wrap func(subscription.Store) subscription.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	pushers := push.New(push.Options{Policy: push.Local()})
	t.Cleanup(pushers.CloseIdle)
	return newWorldOf(t, parts{targets: pushers, pusher: pushers})
}

// newWorldOf makes a world. The ids that are made in it depend on the clock alone.
func newWorldOf(t testing.TB, p parts) *world {
	t.Helper()
	w := &world{Engine: apitest.NewEngine(t, start, func([]byte) {})}
	w.Provision(t,
		provision.Secret{Kind: auth.SignlyKey, Secret: secondKey.credential, Account: local, Tenant: secondKey.tenant, Scopes: []string{hermod.ScopeSignly}},
		provision.Secret{Kind: auth.SignlyKey, Secret: powerless.credential, Account: local, Tenant: powerless.tenant, Scopes: []string{hermod.ScopeManage}})
	w.acceptor = ingest.New(ingest.Options{
		Config: w.DB, Journal: w.DB.Journal(w.DB.Queue("delivery", sqlite.QueueOptions{})), IDs: w.IDs, Now: w.Now, Log: w.Log, Schemas: schema.Checker,
	})
	w.serve(p)
	return w
}

func (w *world) serve(p parts) {
	cursors := api.Cursors{Keys: func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key")}, nil }}
	var kept subscription.Store = w.Store
	if p.wrap != nil {
		kept = p.wrap(kept)
	}
	webhooks := &signly.Webhooks{Store: kept, Targets: p.targets, Pusher: p.pusher, Cursors: cursors, Now: w.Now, NewID: w.IDs.Next}
	history := &signly.History{Store: w.DB, Cursors: cursors, Now: w.Now}
	w.server = api.NewServer(api.Options{
		Dialect: signly.Dialect{Secrets: &auth.Secrets{Credentials: w.DB, Now: w.Now}, Now: w.Now},
		Routes:  append(webhooks.Routes(), history.Routes()...), Log: w.Log, Now: w.Now, Limiter: p.limiter, Trace: apitest.Trace,
	})
}

// An answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// The media type of a body is JSON unless a test says else.
const jsonMedia = "application/json"

// do asks as the caller. Headers are pairs; a body goes with its content type, unless a
// header names another.
func (w *world) do(t testing.TB, c caller, method, path, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://host"+path, strings.NewReader(body))
	if method == http.MethodPost || method == http.MethodPut {
		r.Header.Set("Content-Type", jsonMedia)
	}
	for name, value := range map[string]string{"X-Tenant-Signly": c.tenant, "X-Auth-Signly": c.credential} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Content-Type" {
			r.Header.Del("Content-Type")
		}
		if header[i+1] != "" {
			r.Header.Add(header[i], header[i+1])
		}
	}
	var a answer
	a.status, a.header, a.body = w.Ask(t, w.server, r, body)
	wantEnvelope(t, r, a)
	return a
}

// wantEnvelope asks for what is true of the envelope of every answer.
func wantEnvelope(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("%s %s: no envelope: %v: %s", r.Method, r.URL, err, a.body)
	}
	if e.Status != a.status || e.Success != (a.status < 400) || e.Success != (e.Error == nil) || e.Meta.Version != "v1" {
		t.Errorf("%s %s, answered %d: a wrong envelope: %s", r.Method, r.URL, a.status, a.body)
	}
	if tenant := r.Header.Get("X-Tenant-Signly"); (e.Meta.Tenant == nil) != (tenant == "") || e.Meta.Tenant != nil && *e.Meta.Tenant != tenant {
		t.Errorf("%s %s: tenant %q: %s", r.Method, r.URL, tenant, a.body)
	}
}

// envelope is what the tests read of one.
type envelope struct {
	Success bool
	Status  int
	Code    string
	Message string
	Data    json.RawMessage
	Meta    struct {
		Version string  `json:"api_version"`
		Tenant  *string `json:"tenant_id"`
	}
	Pagination *struct {
		Limit      int
		NextCursor *string `json:"next_cursor"`
		HasMore    bool    `json:"has_more"`
	}
	Error *struct {
		Type    string
		Details json.RawMessage
	}
}

// envelope reads the answer's body after checking its status.
func (a answer) envelope(t testing.TB, status int) (e envelope) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// data reads the answer's data into a map after checking its status.
func (a answer) data(t testing.TB, status int) map[string]any {
	t.Helper()
	var data map[string]any
	if err := json.Unmarshal(a.envelope(t, status).Data, &data); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return data
}

// wrong are the members that a 400 names, with what is wrong with each.
func (a answer) wrong(t testing.TB) map[string]string {
	t.Helper()
	e := a.envelope(t, http.StatusBadRequest)
	var details struct {
		Fields []struct{ Field, Message string }
	}
	if err := json.Unmarshal(e.Error.Details, &details); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, f := range details.Fields {
		names[f.Field] = f.Message
	}
	return names
}

// wantError checks an error's status, code and type.
func wantError(t testing.TB, what string, a answer, status int, code, kind string) {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("%s: %v: %s", what, err, a.body)
	}
	if a.status != status || e.Code != code || e.Error == nil || e.Error.Type != kind || e.Message == "" {
		t.Errorf("%s: got %d, want %d, %s and %s: %s", what, a.status, status, code, kind, a.body)
	}
}

const webhooksPath = signly.Base + "/v1/webhooks"

// webhook is the body of a create, with these members besides those that are required.
func webhook(url, members string) string {
	return fmt.Sprintf(`{"url":%q,"events":["PROCESS_COMPLETED","OTP_VERIFIED"]%s}`, url, members)
}

// create creates a webhook as the caller and gives its path.
func (w *world) create(t testing.TB, c caller, url, members string) string {
	t.Helper()
	a := w.do(t, c, http.MethodPost, webhooksPath, webhook(url, members))
	return webhooksPath + "/" + a.data(t, http.StatusCreated)["webhookId"].(string)
}

// version is the version of a webhook.
func (w *world) version(t testing.TB, path string) float64 {
	t.Helper()
	return w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK)["version"].(float64)
}

// A receiver is an endpoint that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
	answer   int
}

type received struct {
	method string
	header http.Header
	body   []byte
}

// receive starts an endpoint that answers with the status.
func receive(t testing.TB, status int) *receiver {
	t.Helper()
	r := &receiver{answer: status}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(q.Body)
		r.mu.Lock()
		r.requests = append(r.requests, received{q.Method, q.Header, body.Bytes()})
		r.mu.Unlock()
		w.WriteHeader(r.answer)
	}))
	t.Cleanup(r.Close)
	return r
}

// got are the requests of the method.
func (r *receiver) got(method string) (all []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.requests {
		if q.method == method {
			all = append(all, q)
		}
	}
	return all
}

// receiveBy starts an endpoint that answers as the handler does, and gives its URL.
func receiveBy(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// silent is a destination that nobody asks anything.
type silent struct{ result deliver.Result }

func (silent) Check(string, json.RawMessage) error { return nil }

func (silent) Agree(context.Context, string, json.RawMessage, json.RawMessage) error { return nil }

func (silent) Probe(context.Context, *hermod.Subscription) []deliver.Finding { return nil }

func (s silent) Push(context.Context, *hermod.Subscription, deliver.Payload) deliver.Result {
	return s.result
}
