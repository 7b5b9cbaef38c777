package universign_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/replay"
	"hermod/pkg/sqlite"
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

// A world is the dialect over the embedded engine.
type world struct {
	*apitest.Engine
	keys     *auth.Keys
	server   *api.Server
	acceptor *ingest.Acceptor
	delivery *sqlite.Queue
}

// signingKeys are the same for all worlds.
var signingKeys = sync.OnceValues(func() (keys [2]hermod.SigningKey, err error) {
	for i := range keys {
		if keys[i], err = apitest.SigningKey(universign.Use, universign.KeyPrefix, start); err != nil {
			break
		}
	}
	return keys, err
})

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Engine: apitest.NewEngine(t, start, apitest.Random)}
	var lower []provision.Secret
	for role, key := range map[string]string{"admin": admin, "integrator": integrator, "none": nobody} {
		lower = append(lower, provision.Secret{
			Kind: auth.UniversignKey, Secret: key, Account: local, Tenant: "wsp_local", Scopes: universign.ScopesOf(role),
		})
	}
	w.Provision(t, lower...)
	signing, err := signingKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DB.PutSigningKey(t.Context(), signing[0]); err != nil {
		t.Fatal(err)
	}
	w.delivery = w.DB.Queue("delivery", sqlite.QueueOptions{})
	w.keys = &auth.Keys{Store: w.DB, Sealer: apitest.Unsealed{}, Use: universign.Use, Prefix: universign.KeyPrefix, Now: w.Now, Log: w.Log}
	w.acceptor = ingest.New(ingest.Options{Config: w.DB, Journal: w.DB.Journal(w.delivery), IDs: w.IDs, Now: w.Now, Log: w.Log})
	w.serve(w.Store, w.acceptor)
	return w
}

// table is the route table of these tests.
func table() []api.Route {
	return slices.Concat((&universign.Endpoints{}).Routes(), (&universign.Webhooks{}).Routes(),
		(&universign.JWKS{}).Routes(), (&universign.APIKeys{}).Routes())
}

// serve makes the server over a store and an acceptor.
func (w *world) serve(store universign.EndpointStore, emitter universign.Emitter) {
	endpoints := &universign.Endpoints{
		Store: store, Targets: push.New(push.Options{Policy: push.Local()}), EnsureKey: w.keys.Ensure,
		NewID: w.IDs.Next, Now: w.Now,
	}
	webhooks := &universign.Webhooks{
		Store: w.DB, Now: w.Now,
		Retrier: &replay.Starter{Deliveries: w.DB, Queue: w.delivery, Now: w.Now, Trigger: hermod.TriggerRetry},
	}
	apiKeys := &universign.APIKeys{
		Registry: &auth.Registry{Store: w.DB, Now: w.Now, Random: apitest.Random}, Renamer: w.DB, Emitter: emitter, Now: w.Now, Log: w.Log,
	}
	w.server = api.NewServer(api.Options{
		Dialect: universign.Dialect{Secrets: &auth.Secrets{Credentials: w.DB, Now: w.Now}},
		Routes: slices.Concat(endpoints.Routes(), webhooks.Routes(), (&universign.JWKS{Keys: w.keys}).Routes(),
			apiKeys.Routes()),
		Log: w.Log, Now: w.Now, Trace: apitest.Trace,
	})
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
	var a response
	a.status, a.header, a.body = w.Ask(t, w.server, r, body)
	return a
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

// wantError asks for a whole error: that it is one, apitest.Ask has asked.
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
	return w.publishData(t, account, name, `{"object":"action","id":"act_1"}`)
}

func (w *world) publishData(t testing.TB, account, name, data string) *hermod.Event {
	t.Helper()
	sender := string(hermod.Universign)
	if s, n, ok := hermod.ParseType(name); ok {
		sender, name = s, n
	}
	events, err := w.acceptor.Accept(t.Context(), []ingest.Submission{{Event: hermod.Event{
		AccountID: account, Sender: sender, Name: name, Timestamp: w.Now(), Data: json.RawMessage(data),
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
		Owner:      local, Account: local, Trigger: hermod.TriggerMatch, At: w.Now(), State: state, StatusCode: http.StatusOK,
		SubscriptionType: hermod.Webhook, SubscriptionName: "Archive", RetainUntil: w.Now().Add(hermod.DefaultRetention),
	}
	if state != hermod.Succeeded {
		a.StatusCode, a.ErrorClass, a.ErrorMessage = http.StatusServiceUnavailable, "http_5xx", "the endpoint answered 503"
	}
	if state == hermod.Waiting {
		a.NextAt, a.Carrier = w.Now().Add(time.Minute), hermod.CarrierDue
	}
	for _, f := range change {
		f(a)
	}
	if err := w.DB.PutAttempt(t.Context(), a); err != nil {
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
