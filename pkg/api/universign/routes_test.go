package universign_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

// things makes, for each parameter of a path, a thing of the local workspace and gives
// its id. A row whose parameter has none here fails the tests of the table.
func things(t *testing.T, w *world) map[string]string {
	t.Helper()
	endpoint := w.endpoint(t, owner)
	return map[string]string{
		"endpointId": endpoint,
		"webhookId":  w.attempt(t, w.publish(t, local, "action.closed"), endpoint, 0, 1, hermod.Dead),
		"keyId":      keyID(integrator),
	}
}

var parameter = regexp.MustCompile(`\{([^}]*)\}`)

// pathOf is the row's path with the id of a fresh thing.
func pathOf(t *testing.T, w *world, row api.Route) string {
	t.Helper()
	named := parameter.FindStringSubmatch(row.Path)
	if named == nil {
		return row.Path
	}
	id := things(t, w)[named[1]]
	if id == "" {
		t.Fatalf("%s has no provider of ids in things(): add one", row.Path)
	}
	return with(row.Path, id)
}

// with puts an id into a path's parameter.
func with(path, id string) string { return parameter.ReplaceAllLiteralString(path, id) }

// bodyOf is a body that the row accepts.
func bodyOf(row api.Route) string {
	switch {
	case row.Method == http.MethodGet || row.Method == http.MethodDelete || strings.HasSuffix(row.Path, "/reschedule"):
		return ""
	case strings.HasPrefix(row.Path, keysPath):
		return form("name", "New")
	default:
		return form("name", "New", "url", target, "event_types", "action.opened")
	}
}

func TestEveryRowAsksWhoIsCallingAndForItsRole(t *testing.T) {
	t.Parallel()
	for _, row := range table() {
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path, body := pathOf(t, w, row), bodyOf(row)
			if row.Access.IsPublic() {
				w.do(t, "", row.Method, path, body).json(t, http.StatusOK)
				return
			}
			for what, key := range map[string]string{"no key": "", "an unknown key": "apikey_x", "a long key": strings.Repeat("x", 5000)} {
				a := w.do(t, key, row.Method, path, body)
				a.wantError(t, what, http.StatusUnauthorized, "unauthorized")
			}
			lacking := map[string]string{hermod.ScopeUniversignKeys: integrator}[row.Access.Scope()]
			if lacking != "" {
				w.do(t, lacking, row.Method, path, body).wantError(t, "without the role", http.StatusForbidden, "forbidden")
			}
			if a := w.do(t, owner, row.Method, path, body); a.status >= 300 {
				t.Errorf("as its owner: %d %s", a.status, a.body)
			}
		})
	}
}

func TestAKeyIsTheUserWithoutAPasswordOrABearerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for header, want := range map[string]int{
		"Bearer apikey_local":                      http.StatusOK,
		"bearer  apikey_local ":                    http.StatusOK,
		"Basic YXBpa2V5X2xvY2FsOg==":               http.StatusOK,           // apikey_local:
		"Basic YXBpa2V5X2xvY2FsOnB3":               http.StatusUnauthorized, // apikey_local:pw
		"Basic OmFwaWtleV9sb2NhbA==":               http.StatusUnauthorized, // :apikey_local
		"Basic apikey_local":                       http.StatusUnauthorized,
		"Basic":                                    http.StatusUnauthorized,
		"Bearer":                                   http.StatusUnauthorized,
		"Digest apikey_local":                      http.StatusUnauthorized,
		"apikey_local":                             http.StatusUnauthorized,
		"Bearer sk_local":                          http.StatusUnauthorized, // another dialect's
		"Bearer local-secret":                      http.StatusUnauthorized,
		"Bearer " + universign.APIKeyID("x") + "x": http.StatusUnauthorized,
	} {
		a := w.do(t, "", http.MethodGet, endpointsPath, "", "Authorization", header)
		if a.status != want || (want == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "") {
			t.Errorf("%q: got %d %v, want %d", header, a.status, a.header, want)
		}
	}
}

func TestNoRowShowsOrTouchesAThingOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for _, row := range table() {
		if !strings.Contains(row.Path, "{") {
			continue
		}
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := pathOf(t, w, row)
			thing := strings.TrimSuffix(path, "/reschedule")
			before := w.do(t, owner, http.MethodGet, thing, "")
			foreign := w.do(t, stranger, row.Method, path, bodyOf(row))
			missing := w.do(t, stranger, row.Method, with(row.Path, "whe_none"), bodyOf(row))
			foreign.wantError(t, "of another workspace", http.StatusNotFound, "not_found")
			if string(foreign.body) != string(missing.body) {
				t.Errorf("a foreign thing and a missing one can be told apart:\n%s\n%s", foreign.body, missing.body)
			}
			if after := w.do(t, owner, http.MethodGet, thing, ""); after.status != http.StatusOK || string(after.body) != string(before.body) {
				t.Errorf("it was %s and is %s", before.body, after.body)
			}
		})
	}
}

func TestASubscriptionOfAnotherDialectIsNoEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	native := &hermod.Subscription{
		ID: "whe_" + hermod.FirstIDAt(start).Base62(), Owner: local, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, CreatedAt: start, Version: 1,
	}
	if err := w.Store.CreateSubscription(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	w.do(t, owner, http.MethodGet, endpointsPath+"/"+native.ID, "").wantError(t, "read", 404, "not_found")
	w.do(t, owner, http.MethodDelete, endpointsPath+"/"+native.ID, "").wantError(t, "deleted", 404, "not_found")
	w.do(t, owner, http.MethodGet, webhooksPath+"?endpoint="+native.ID, "").wantError(t, "its log", 404, "not_found")
	if all := ids(t, w.do(t, owner, http.MethodGet, endpointsPath, "")); len(all) != 0 {
		t.Errorf("listed %v", all)
	}
}

func TestEveryPathRefusesMethodsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, no := range apitest.Refusals(table()) {
		if no.Method == http.MethodHead {
			continue // its answer has no body to be an error
		}
		a := w.do(t, "", no.Method, with(no.Path, "x"), "")
		a.wantError(t, no.Method+" "+no.Path, http.StatusMethodNotAllowed, "method_not_allowed")
		if got := a.header.Get("Allow"); got != no.Allow {
			t.Errorf("%s %s: Allow %q, want %q", no.Method, no.Path, got, no.Allow)
		}
	}
}

func TestPathsBesideTheTableAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		for _, p := range []string{row.Path + "/", row.Path + "/x/y", universign.Prefix + row.Path} {
			w.do(t, owner, http.MethodGet, with(p, "x"), "").wantError(t, p, http.StatusNotFound, "not_found")
		}
	}
}

func TestEveryBodyIsBoundedAndAFormOrJSON(t *testing.T) {
	t.Parallel()
	for _, row := range table() {
		if bodyOf(row) == "" {
			continue
		}
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := pathOf(t, w, row)
			for what, tt := range map[string]struct {
				body, media string
				status      int
				code        string
			}{
				"XML":                  {"<x/>", "application/xml", 415, "unsupported_media_type"},
				"a file":               {"--x\r\n", "multipart/form-data; boundary=x", 415, "unsupported_media_type"},
				"nonsense":             {"x", "nonsense", 415, "unsupported_media_type"},
				"broken JSON":          {`{"name"`, jsonMedia, 400, "invalid_json"},
				"JSON that is a list":  {`[]`, jsonMedia, 400, "invalid_request"},
				"a broken form":        {"name=%zz", formMedia, 400, "invalid_request"},
				"a semicolon":          {"name=a;b", formMedia, 400, "invalid_request"},
				"a name given twice":   {form("name", "a", "name", "b"), formMedia, 400, "invalid_request"},
				"a member twice":       {`{"name":"a","name":"b"}`, jsonMedia, 400, "invalid_request"},
				"a name of a number":   {`{"name":1}`, jsonMedia, 400, "invalid_request"},
				"an empty name":        {form("name", ""), formMedia, 400, "invalid_request"},
				"a name of 256 runes":  {form("name", strings.Repeat("é", 256)), formMedia, 400, "invalid_request"},
				"a name with a line":   {form("name", "a\nb"), formMedia, 400, "invalid_request"},
				"a name not in UTF-8":  {"name=%ff", formMedia, 400, "invalid_request"},
				"a form over the size": {"name=" + strings.Repeat("x", 64<<10), formMedia, 413, "too_large"},
				"JSON over the size":   {`{"name":"` + strings.Repeat("x", 64<<10) + `"}`, jsonMedia, 413, "too_large"},
				"a body of 5 MB":       {strings.Repeat("x", 5<<20), formMedia, 413, "too_large"},
			} {
				w.do(t, owner, row.Method, path, tt.body, "Content-Type", tt.media).wantError(t, what, tt.status, tt.code)
			}
		})
	}
}

func TestAHeadIsAnsweredAsItsGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		if row.Method != http.MethodGet {
			continue
		}
		path := pathOf(t, w, row)
		for _, key := range []string{owner, stranger, integrator, ""} {
			get, head := w.do(t, key, http.MethodGet, path, ""), w.do(t, key, http.MethodHead, path, "")
			if head.status != get.status || fmt.Sprint(head.header) != fmt.Sprint(get.header) {
				t.Errorf("%s as %q: HEAD %d %v, GET %d %v", path, key, head.status, head.header, get.status, get.header)
			}
		}
	}
}

func TestEveryRowSaysWhichFunctionServesIt(t *testing.T) {
	t.Parallel()
	apitest.WantFunctions(t, table(), hermod.ScopeUniversign, hermod.ScopeUniversignKeys)
}

func TestParametersOfListsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, queries := range map[string][]string{
		endpointsPath: {"limit=0", "limit=101", "limit=x", "limit=1&limit=2", "starting_after=x", "starting_after=whe_1", "limit=%zz"},
		keysPath:      {"limit=0", "starting_after=x", "starting_after=apk_0000000000000000000000"},
		webhooksPath: {
			"limit=0", "starting_after=x", "starting_after=whk_1", "state=dead", "state=failed,x", "state[]=x", "event_type=x",
			"event_type=*", "event=x", "event=evt_1", "created_gt=x", "created_lt=2026-03-01", "created_gt=2026-03-01T00:00:00Z&created_gt=2026-03-01T00:00:00Z",
		},
	} {
		for _, query := range queries {
			w.do(t, owner, http.MethodGet, path+"?"+query, "").wantError(t, path+"?"+query, http.StatusBadRequest, "invalid_request")
		}
	}
}
