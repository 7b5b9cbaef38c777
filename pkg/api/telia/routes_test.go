package telia_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/telia"
	"hermod/pkg/hermod"
)

func table() []api.Route { return telia.Routes(telia.Dialect{}, &telia.Hooks{}) }

const typeQuery = "?eventType=signaturerequestcompleted"

// target is the row's path with the id of a fresh subscription of local's.
func target(t *testing.T, w *world, row api.Route) string {
	t.Helper()
	if !strings.Contains(row.Path, "{") {
		return row.Path
	}
	return strings.Replace(row.Path, "{subscriptionId}", w.subscribe(t, "local"), 1) + typeQuery
}

// body is one that the row takes.
func body(row api.Route) string {
	switch {
	case row.Method != http.MethodPost:
		return ""
	case row.Path == "/identity/login":
		return `{"login":"local","password":"local-secret","tenantid":"` + localTenant + `"}`
	default:
		return subscribing("")
	}
}

const (
	missingKey = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."
	invalidKey = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
	noToken    = "Unauthorized. Requested resource require authentication."
)

func TestEveryRowWantsTheKeyAndTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := "Bearer " + w.token(t, "local")
	const key, authorization = telia.KeyHeader, "Authorization"
	for _, row := range table() {
		path := target(t, w, row)
		refusals := map[string]struct {
			header []string
			want   string
		}{
			"neither":                 {nil, missingKey},
			"the token alone":         {[]string{authorization, token}, missingKey},
			"an empty key":            {[]string{key, "", authorization, token}, missingKey},
			"a wrong key":             {[]string{key, "x", authorization, token}, invalidKey},
			"a wrong key, no token":   {[]string{key, "x"}, invalidKey},
			"a password as the key":   {[]string{key, "local-secret", authorization, token}, invalidKey},
			"a key of another kind":   {[]string{key, "apikey_local", authorization, token}, invalidKey},
			"a key in another case":   {[]string{key, "LOCAL-KEY", authorization, token}, invalidKey},
			"a key far too long":      {[]string{key, strings.Repeat("x", 9000), authorization, token}, invalidKey},
			"another tenant's key":    {[]string{key, "other-key", authorization, token}, invalidKey},
			"the key of a sibling":    {[]string{key, "second-key", authorization, token}, invalidKey},
			"no token":                {[]string{key, "local-key"}, noToken},
			"a wrong token":           {[]string{key, "local-key", authorization, "Bearer x.y.z"}, noToken},
			"an empty token":          {[]string{key, "local-key", authorization, "Bearer "}, noToken},
			"another scheme":          {[]string{key, "local-key", authorization, "Basic " + strings.TrimPrefix(token, "Bearer ")}, noToken},
			"the key as the token":    {[]string{key, "local-key", authorization, "Bearer local-key"}, noToken},
			"another's token and key": {[]string{key, "x", authorization, "Bearer " + w.token(t, "other")}, invalidKey},
		}
		for name, tt := range refusals {
			if row.Access.IsPublic() && (tt.want == noToken) {
				continue // a login is what has no token yet
			}
			a := w.send(t, row.Method, path, body(row), tt.header...)
			if got := a.message(t, http.StatusUnauthorized); got != tt.want || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %s: %q", row.Method, row.Path, name, got)
			}
		}
		if row.Access.IsPublic() {
			continue
		}
		w.do(t, "powerless", row.Method, path, body(row)).message(t, http.StatusForbidden)
		if a := w.do(t, "local", row.Method, path, body(row)); a.status != http.StatusOK && a.status != http.StatusAccepted {
			t.Errorf("%s %s: %d %s", row.Method, row.Path, a.status, a.body)
		}
	}
}

func TestNoRowShowsOrTouchesASubscriptionOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		if !strings.Contains(row.Path, "{") {
			continue
		}
		path := target(t, w, row)
		for _, login := range []string{"other", "second"} {
			foreign := w.do(t, login, row.Method, path, "")
			foreign.message(t, http.StatusNotFound)
			absent := w.do(t, login, row.Method, strings.Replace(row.Path, "{subscriptionId}", hermod.ID{15: 1}.GUID(), 1)+typeQuery, "")
			if string(absent.body) != string(foreign.body) {
				t.Errorf("a foreign one and a missing one can be told apart:\n%s\n%s", foreign.body, absent.body)
			}
		}
		if a := w.do(t, "local", http.MethodGet, path, ""); a.status != http.StatusOK {
			t.Errorf("%s %s by others: it is %d %s", row.Method, row.Path, a.status, a.body)
		}
	}
}

func TestEveryPathRefusesMethodsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, no := range apitest.Refusals(table()) {
		a := w.send(t, no.Method, strings.Replace(no.Path, "{subscriptionId}", "x", 1), "")
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != no.Allow {
			t.Errorf("%s %s: %d, Allow %q", no.Method, no.Path, a.status, a.header.Get("Allow"))
		}
	}
}

func TestPathsBesideTheTableAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"/hooks/v2", "/hooks/V1", "/hooks/v1/subscriptions", "/hooks//v1", "/hooks/v1//", "/hooks/v1/x/y/z", "/identity",
		"/identity/logout", "/identity/login/x", "/hooks/v1/../v1", "/hooks/v1/.", "/hooks/v1/subscription/x%2F", "/hooks/v1/subscription/x/y",
	} {
		if got := w.do(t, "local", http.MethodGet, path, "").message(t, http.StatusNotFound); got != "Resource not found" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// A faulty store fails as told.
type faulty struct {
	apitest.Store
	err error
}

func (f faulty) Subscriptions(context.Context, string) ([]*hermod.Subscription, error) {
	return nil, f.err
}
func (f faulty) Subscription(context.Context, hermod.Ref) (*hermod.Subscription, error) {
	return nil, f.err
}
func (f faulty) CreateSubscription(context.Context, *hermod.Subscription) error { return f.err }

func (f faulty) Credential(context.Context, string) (*hermod.Credential, error) { return nil, f.err }

func TestEveryRowSaysWhenItIsOurFault(t *testing.T) {
	t.Parallel()
	for status, err := range map[int]error{
		http.StatusInternalServerError: errors.New("disk on fire at /secret/path"),
		http.StatusServiceUnavailable:  hermod.Errorf(hermod.CodeUnavailable, "the store is overloaded; try again"),
	} {
		w := newWorld(t)
		w.token(t, "local")
		for _, row := range table() {
			path := target(t, w, row)
			w.serve(faulty{w.Store, err}, w.DB, nil)
			if row.Access.IsPublic() || row.Path == hooksPath || row.AliasOf == hooksPath {
				w.serve(w.Store, faulty{w.Store, err}, nil) // nothing but credentials is read
			}
			a := w.do(t, "local", row.Method, path, body(row))
			if got := a.message(t, status); strings.Contains(got, "disk") || (status == 503) != (a.header.Get("Retry-After") != "") {
				t.Errorf("%s %s: %q, Retry-After %q", row.Method, row.Path, got, a.header.Get("Retry-After"))
			}
			w.serve(w.Store, w.DB, nil)
		}
	}
}

func TestACredentialIsBoundedInItsRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(w.Store, w.DB, api.NewLimiter(1, w.Now))
	w.do(t, "local", http.MethodGet, hooksPath, "")
	a := w.do(t, "local", http.MethodGet, hooksPath, "")
	if a.message(t, http.StatusTooManyRequests); a.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", a.header)
	}
}

// TestLoginsAreBoundedByTheirKey, whether they succeed or not.
func TestLoginsAreBoundedByTheirKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(w.Store, w.DB, api.NewLimiter(2, w.Now))
	w.login(t, "local", "local-secret", localTenant, "local-key").json(t)
	w.login(t, "local", "guessed", localTenant, "local-key").message(t, http.StatusUnauthorized)
	a := w.login(t, "local", "local-secret", localTenant, "local-key")
	if a.message(t, http.StatusTooManyRequests); a.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", a.header)
	}
	for range 3 {
		w.login(t, "local", "local-secret", localTenant, "no-key").message(t, http.StatusUnauthorized)
	}
	w.login(t, "other", "other-secret", otherTenant, "other-key").json(t)
	w.Advance(time.Second)
	w.login(t, "local", "local-secret", localTenant, "local-key").json(t)
}

// TestEveryCodeOfTheDomainHasItsAnswer has a handler fail with each.
func TestEveryCodeOfTheDomainHasItsAnswer(t *testing.T) {
	t.Parallel()
	for code, status := range map[hermod.Code]int{
		hermod.CodeInvalid: 400, hermod.CodeUnauthorized: 401, hermod.CodeForbidden: 403, hermod.CodeNotFound: 404, hermod.CodeConflict: 409,
		hermod.CodePreconditionFailed: 412, hermod.CodeTooLarge: 413, hermod.CodeTooManyRequests: 429, hermod.CodeUnavailable: 503,
		hermod.CodeInternal: 500, "unheard of": 500,
	} {
		rec := httptest.NewRecorder()
		telia.Dialect{}.WriteError(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), hermod.Errorf(code, "the text <of it>"))
		got := answer{rec.Code, rec.Header(), rec.Body.Bytes()}.message(t, status)
		own := status != 404 && status != 500
		if strings.HasSuffix(got, "the text <of it>") != own {
			t.Errorf("%s: %q", code, got)
		}
	}
}

func TestALoginIsExchangedForAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct{ login, password, tenant, key, want string }{
		"a wrong password":             {"local", "x", localTenant, "local-key", noToken},
		"an unknown login":             {"nobody", "local-secret", localTenant, "local-key", noToken},
		"another login's password":     {"local", "other-secret", localTenant, "local-key", noToken},
		"the login of another tenant":  {"other", "other-secret", localTenant, "local-key", noToken},
		"another tenant":               {"local", "local-secret", otherTenant, "local-key", noToken},
		"no tenant's GUID":             {"local", "local-secret", "x", "local-key", noToken},
		"a tenant that hides a login":  {"secret/local", "local-secret", localTenant, "local-key", noToken},
		"another tenant's key":         {"local", "local-secret", localTenant, "other-key", invalidKey},
		"a sibling's key":              {"local", "local-secret", localTenant, "second-key", invalidKey},
		"a wrong login with wrong key": {"local", "x", localTenant, "x", invalidKey},
	} {
		if got := w.login(t, tt.login, tt.password, tt.tenant, tt.key).message(t, http.StatusUnauthorized); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, tt := range map[string]struct{ body, want string }{
		"nothing":     {`{}`, "login is required; password is required; tenantid is required"},
		"nulls":       {`{"login":null,"password":null,"tenantid":null}`, "login is required; password is required; tenantid is required"},
		"numbers":     {`{"login":1,"password":2,"tenantid":3}`, "login must be a text; password must be a text; tenantid must be a text"},
		"no JSON":     {`login=local`, "The body is not JSON in UTF-8."},
		"twice":       {`{"login":"a","Login":"b","password":"c","tenantid":"d"}`, "login stands twice"},
		"a long name": {`{"login":"` + strings.Repeat("x", 201) + `","password":"c","tenantid":"d"}`, "login must have at most 200 characters"},
	} {
		if got := w.send(t, http.MethodPost, "/identity/login", tt.body, telia.KeyHeader, "local-key").message(t, http.StatusBadRequest); got != bad+tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	w.send(t, http.MethodPost, "/identity/login", strings.Repeat(" ", 17<<10), telia.KeyHeader, "local-key").message(t, http.StatusRequestEntityTooLarge)
	other := w.send(t, http.MethodPost, "/identity/login/", `{"Login":"local","PASSWORD":"local-secret","tenantId":"`+strings.ToUpper(localTenant)+`"}`, telia.KeyHeader, "local-key")
	if other.json(t)["token"] == "" || other.header.Get("Cache-Control") != "no-store" {
		t.Errorf("in another case: %s", other.body)
	}
}

func TestATokenEndsAfterHalfAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	header := []string{telia.KeyHeader, "local-key", "Authorization", "bearer " + w.token(t, "local")}
	w.advance(auth.SessionLife - time.Second)
	if a := w.send(t, http.MethodGet, hooksPath, "", header...); a.status != http.StatusOK {
		t.Errorf("before its end: %s", a.body)
	}
	w.advance(time.Second)
	if got := w.send(t, http.MethodGet, hooksPath, "", header...).message(t, http.StatusUnauthorized); got != noToken {
		t.Errorf("after it: %q", got)
	}
}

func TestEveryRowSaysWhichFunctionServesIt(t *testing.T) {
	t.Parallel()
	apitest.WantFunctions(t, table(), hermod.ScopeTeliaSign)
}

// TestNoSecretIsShownOrLogged looks through all that is answered and logged while
// secrets pass through every row.
func TestNoSecretIsShownOrLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t, "local")
	var all strings.Builder
	for _, row := range table() {
		a := w.do(t, "local", row.Method, target(t, w, row), body(row))
		if !row.Access.IsPublic() {
			all.Write(a.body)
		}
	}
	refused := strings.Replace(subscribing(""), "s3cret", `s3cret\r\n`, 1)
	all.Write(w.do(t, "local", http.MethodPost, listPath, refused).body)
	all.Write(w.login(t, "local", "local-secre7", localTenant, "local-key").body)
	for _, secret := range []string{"s3cret", "your id", "local-secret", "local-secre7", "local-key", token} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("an answer shows %s", secret)
		}
		if strings.Contains(w.Lines.String(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
	if strings.Contains(w.Lines.String(), "t0ken") {
		t.Error("the log shows the query of a Uri")
	}
}
