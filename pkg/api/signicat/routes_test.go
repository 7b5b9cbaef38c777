package signicat_test

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

// table is the whole route table of the dialect.
func table() []api.Route {
	return slices.Concat((&signicat.Metadata{}).Routes(), (&signicat.Tokens{}).Routes(), (&signicat.Events{}).Routes(),
		(&signicat.Subscriptions{}).Routes(), (&signicat.DeliveryLogs{}).Routes(), (&signicat.Credentials{}).Routes(), (&signicat.Replays{}).Routes(),
		(&signicat.DeadLetters{}).Routes(), (&signicat.AuditLog{}).Routes())
}

// things makes, for each path with a parameter, a thing of the local account and
// gives its id. A row whose path has none here fails the tests of the table.
func things() map[string]func(t *testing.T, w *world) string {
	subscription := func(t *testing.T, w *world) string { return w.subscribe(t, "local", "") }
	event := func(t *testing.T, w *world) string { return w.publish(t, "local", "") }
	letter := func(t *testing.T, w *world) string {
		return w.attempt(t, event(t, w), subscription(t, w), died(hermod.ReasonExhausted))
	}
	return map[string]func(t *testing.T, w *world) string{
		signicat.Base + "/events/{id}":                           event,
		signicat.Base + "/subscriptions/{subscriptionId}":        subscription,
		signicat.Base + "/metadata/events/{type}":                func(t *testing.T, w *world) string { return w.register(t, "local", "{}") },
		signicat.Base + "/events/{id}/replay":                    event,
		signicat.Base + "/subscriptions/{subscriptionId}/mock":   subscription,
		signicat.Base + "/subscriptions/{subscriptionId}/check":  subscription,
		signicat.Base + "/subscriptions/{subscriptionId}/pause":  subscription,
		signicat.Base + "/subscriptions/{subscriptionId}/resume": subscription,
		signicat.Base + "/subscriptions/{subscriptionId}/secret/rotate": func(t *testing.T, w *world) string {
			return w.subscribe(t, "local", `,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`)
		},
		signicat.Base + "/replays/{replayId}": func(t *testing.T, w *world) string {
			return w.replay(t, "local")["id"].(string)
		},
		signicat.Base + "/delivery-logs/{id}": func(t *testing.T, w *world) string {
			return w.attempt(t, event(t, w), subscription(t, w), asItIs)
		},
		signicat.Base + "/delivery-logs/{id}/retry": func(t *testing.T, w *world) string {
			return w.attempt(t, event(t, w), subscription(t, w), asItIs)
		},
		signicat.Base + "/dead-letters/{id}":         letter,
		signicat.Base + "/dead-letters/{id}/redrive": letter,
		signicat.Base + "/credentials/{credentialId}": func(t *testing.T, w *world) string {
			return w.credential(t, `"type":"apiKey","name":"A key"`)["id"].(string)
		},
	}
}

// with puts an id into a path's parameter.
func with(path, id string) string {
	return regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, id)
}

// target is the row's path with the id of a fresh thing.
func target(t *testing.T, w *world, row api.Route) string {
	t.Helper()
	if !strings.Contains(row.Path, "{") {
		return row.Path
	}
	thing := things()[cmp.Or(row.AliasOf, row.Path)]
	if thing == nil {
		t.Fatalf("%s has no provider of ids in things(): add one", row.Path)
	}
	return with(row.Path, thing(t, w))
}

func TestEveryRowAsksWhoIsCallingAndForItsScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		what := row.Method + " " + row.Path
		path := target(t, w, row)
		if row.Access.IsPublic() {
			if a := w.do(t, "", row.Method, path, ""); a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
				t.Errorf("%s is public and answers %d", what, a.status)
			}
			continue
		}
		none := w.do(t, "", row.Method, path, "{}")
		wantStatus(t, what+" without a token", none, http.StatusUnauthorized)
		if none.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: a 401 without WWW-Authenticate", what)
		}
		wantStatus(t, what+" with a token of nobody", w.do(t, "", row.Method, path, "{}", "Authorization", "Bearer x.y.z"), http.StatusUnauthorized)
		wantStatus(t, what+" without scope "+row.Access.Scope(), w.do(t, "reader", row.Method, path, "{}"), http.StatusForbidden)
		if a := w.do(t, "local", row.Method, path, "{}"); slices.Contains([]int{401, 403, 404, 405, 415, 500}, a.status) {
			t.Errorf("%s as its owner with the scope: %d %s", what, a.status, a.body)
		}
	}
}

func TestNoRowShowsOrTouchesAThingOfAnotherAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		if !strings.Contains(row.Path, "{") {
			continue
		}
		what, path := row.Method+" "+row.Path, target(t, w, row)
		if row.Method == http.MethodPut && row.Path == signicat.Base+"/metadata/events/{type}" {
			writesItsOwn(t, w, what, path)
			continue
		}
		body := webhook("")
		if row.Resource == "subscriptions" && strings.HasSuffix(row.Path, "/rotate") {
			body = "{}" // it takes members that it knows alone
		}
		foreign := w.do(t, "other", row.Method, path, body)
		wantStatus(t, what+" of another account", foreign, http.StatusNotFound)
		// Naming the owner does not help, and says nothing of whether the thing is there.
		missing := with(row.Path, "no-such-thing")
		for _, p := range []string{path, missing} {
			wantStatus(t, what+" in another's name", w.do(t, "other", row.Method, p+"?signicat-accountId="+local, body), http.StatusForbidden)
		}
		absent := w.do(t, "other", row.Method, missing, body)
		if absent.status != http.StatusNotFound || string(absent.body) != string(foreign.body) {
			t.Errorf("%s: a foreign thing and a missing one can be told apart:\n%s\n%s", what, foreign.body, absent.body)
		}
		// It is there all the same, and unchanged.
		get := w.do(t, "local", http.MethodGet, thing(path), "")
		wantStatus(t, what+", afterwards", get, http.StatusOK)
	}
}

// thing is the path of what an action is done to, or the path itself.
func thing(path string) string {
	return regexp.MustCompile(`/(replay|mock|mock-event|mockevent|test|check|pause|resume|secret/rotate|redrive|retry)$`).ReplaceAllString(path, "")
}

// writesItsOwn checks a row that makes what the path names: another account makes
// one of its own, and hears nothing of the one that is there.
func writesItsOwn(t *testing.T, w *world, what, path string) {
	t.Helper()
	before := w.do(t, "local", http.MethodGet, path, "")
	wantStatus(t, what+" in another's name", w.do(t, "other", http.MethodPut, path+"?signicat-accountId="+local, `{}`), http.StatusForbidden)
	wantStatus(t, what+" by another account", w.do(t, "other", http.MethodPut, path, `{"description":"theirs","validation":"off"}`), http.StatusOK)
	if after := w.do(t, "local", http.MethodGet, path, ""); string(after.body) != string(before.body) {
		t.Errorf("%s by another account changed\n%s to\n%s", what, before.body, after.body)
	}
	wantStatus(t, what+", its own removed", w.do(t, "other", http.MethodDelete, path, ""), http.StatusNoContent)
	wantStatus(t, what+", afterwards", w.do(t, "local", http.MethodGet, path, ""), http.StatusOK)
}

func TestEveryPathRefusesMethodsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, no := range apitest.Refusals(table()) {
		a := w.do(t, "", no.Method, with(no.Path, "x"), "")
		wantStatus(t, no.Method+" "+no.Path, a, http.StatusMethodNotAllowed)
		if got := a.header.Get("Allow"); got != no.Allow {
			t.Errorf("%s %s: Allow %q, want %q", no.Method, no.Path, got, no.Allow)
		}
	}
}

func TestPathsBesideTheTableAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		path := with(row.Path, "x")
		for _, p := range []string{path + "/", path + "/x/y", "/" + path, "/x/.." + path, strings.Replace(path, "/", "//", 1), path + "/."} {
			wantStatus(t, row.Method+" "+p, w.do(t, "local", row.Method, p, ""), http.StatusNotFound)
		}
	}
}

func TestEveryRowSaysWhichFunctionServesIt(t *testing.T) {
	t.Parallel()
	apitest.WantFunctions(t, table(), hermod.ScopeManage, hermod.ScopePublish)
}
