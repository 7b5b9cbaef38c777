package universign_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/schema"
)

// keyID is the id on the wire of an API key.
func keyID(key string) string { return universign.APIKeyID(auth.SecretID(auth.UniversignKey, key)) }

// newKey creates a key and gives its id and its token.
func (w *world) newKey(t testing.TB, key string, pairs ...string) (id, token string) {
	t.Helper()
	made := w.do(t, key, http.MethodPost, keysPath, form(append([]string{"name", "New"}, pairs...)...)).json(t, http.StatusOK)
	return made["id"].(string), made["token"].(string)
}

// told are the events of keys in the local account's log, the oldest first.
func (w *world) told(t testing.TB) []*hermod.Event {
	t.Helper()
	all, err := w.DB.Events(t.Context(), hermod.EventQuery{Owner: local, Pattern: "universign:*", Ascending: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return all.Events
}

func TestAKeyOpensWhatItsRoleMayUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(t, owner, http.MethodDelete, keysPath+"/"+keyID(nobody), "") // there may be five
	for role, manages := range map[string]bool{"owner": true, "admin": true, "integrator": false, "none": false, "": false} {
		pairs := []string{}
		want := role
		if role != "" {
			pairs = []string{"role", role}
		} else {
			want = "integrator"
		}
		id, token := w.newKey(t, owner, pairs...)
		if universign.APIKeyID(auth.SecretID(auth.UniversignKey, token)) != id {
			t.Errorf("%s is not the id of %s", id, token)
		}
		if got := w.do(t, owner, http.MethodGet, keysPath+"/"+id, "").json(t, http.StatusOK); got["role"] != want || got["token"] != nil {
			t.Errorf("%v", got)
		}
		w.do(t, token, http.MethodGet, endpointsPath, "").json(t, http.StatusOK)
		if got := w.do(t, token, http.MethodGet, keysPath, "").status; (got == http.StatusOK) != manages {
			t.Errorf("%q manages keys: %d", role, got)
		}
		if a := w.do(t, owner, http.MethodDelete, keysPath+"/"+id, ""); a.status != http.StatusNoContent {
			t.Fatalf("%s", a.body)
		}
		w.Advance(time.Minute) // that long it is remembered
		w.do(t, token, http.MethodGet, endpointsPath, "").wantError(t, "deleted", http.StatusUnauthorized, "unauthorized")
		w.do(t, owner, http.MethodGet, keysPath+"/"+id, "").wantError(t, "deleted", http.StatusNotFound, "not_found")
		if strings.Contains(w.Lines.String(), token) {
			t.Error("the log has a token")
		}
	}
}

func TestAWorkspaceHasFiveKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fifth, _ := w.newKey(t, owner)
	w.do(t, owner, http.MethodPost, keysPath, form("name", "Sixth")).wantError(t, "the sixth", http.StatusConflict, "conflict")
	w.newKey(t, stranger) // another workspace's count for themselves
	if a := w.do(t, owner, http.MethodDelete, keysPath+"/"+fifth, ""); a.status != http.StatusNoContent {
		t.Fatal(a)
	}
	w.newKey(t, owner)
}

func TestAKeyGivesAndChangesNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(t, admin, http.MethodPost, keysPath, form("name", "A", "role", "owner")).wantError(t, "a better one", http.StatusForbidden, "forbidden")
	w.do(t, admin, http.MethodPost, keysPath, form("name", "A", "workspace_id", "wsp_other")).wantError(t, "another's", http.StatusForbidden, "forbidden")
	w.do(t, admin, http.MethodPost, keysPath, form("name", "A", "role", "king")).wantError(t, "no role", http.StatusBadRequest, "invalid_request")
	w.do(t, admin, http.MethodPost, keysPath, form("role", "none")).wantError(t, "no name", http.StatusBadRequest, "invalid_request")
	better := keysPath + "/" + keyID(owner)
	w.do(t, admin, http.MethodDelete, better, "").wantError(t, "deleted", http.StatusForbidden, "forbidden")
	w.do(t, admin, http.MethodPut, better, form("name", "A")).wantError(t, "renamed", http.StatusForbidden, "forbidden")
	w.do(t, admin, http.MethodGet, better, "").json(t, http.StatusOK)
	w.newKey(t, admin, "role", "admin")
}

func TestTheLastKeyThatManagesKeysStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	self := keysPath + "/" + keyID(owner)
	w.do(t, owner, http.MethodDelete, keysPath+"/"+keyID(admin), "")
	w.do(t, owner, http.MethodDelete, self, "").wantError(t, "the last", http.StatusConflict, "conflict")
	w.newKey(t, owner, "role", "admin")
	if a := w.do(t, owner, http.MethodDelete, self, ""); a.status != http.StatusNoContent {
		t.Errorf("with another: %s", a.body)
	}
}

func TestEachChangeOfAKeyIsToldByAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if first := w.told(t); len(first) != 0 {
		t.Errorf("at first start: %v", first)
	}
	id, token := w.newKey(t, admin, "role", "none")
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		renamed := w.do(t, owner, method, keysPath+"/"+id, form("name", "By "+method)).json(t, http.StatusOK)
		if renamed["name"] != "By "+method || renamed["role"] != "none" {
			t.Errorf("%v", renamed)
		}
	}
	for range 3 { // what is gone is not told of again
		w.do(t, owner, http.MethodDelete, keysPath+"/"+id, "")
	}
	w.Advance(2 * hermod.ClaimRetention)
	w.do(t, owner, http.MethodDelete, keysPath+"/"+id, "").wantError(t, "gone", http.StatusNotFound, "not_found")
	var got []string
	for i, e := range w.told(t) {
		got = append(got, e.Name+" "+string(e.Data))
		caller := keyID(owner)
		if i == 0 {
			caller = keyID(admin)
		}
		if want := (hermod.Context{APIKeyID: caller, TraceID: strings.Repeat("ab", 16)}); e.Context != want || strings.Contains(string(e.Data), token) {
			t.Errorf("%s by %+v, want %+v", e.Name, e.Context, want)
		}
	}
	of := func(event, name string) string {
		return event + ` {"object":"apikey","id":"` + id + `","created_at":"2026-03-01T12:00:00.000Z","name":"` + name + `"}`
	}
	want := []string{
		of("apikey.created", "New"), of("apikey.updated", "By POST"), of("apikey.updated", "By PUT"), of("apikey.updated", "By PATCH"),
		of("apikey.deleted", "By PATCH"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A deaf emitter accepts nothing while it fails.
type deaf struct {
	universign.Emitter
	fails atomic.Bool
}

func (d *deaf) Emit(ctx context.Context, e hermod.Event, key string) error {
	if d.fails.Load() {
		return errors.New("no queue")
	}
	return d.Emitter.Emit(ctx, e, key)
}

func TestAChangeThatCannotBeToldOfFailsAndIsMadeUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := &deaf{Emitter: w.acceptor}
	w.serve(w.Store, d)
	live := func() []string { return ids(t, w.do(t, owner, http.MethodGet, keysPath, "")) }
	id, _ := w.newKey(t, owner)
	before := live()
	d.fails.Store(true)
	w.do(t, owner, http.MethodPut, keysPath+"/"+id, form("name", "B")).wantError(t, "renamed", http.StatusServiceUnavailable, "unavailable")
	w.do(t, owner, http.MethodDelete, keysPath+"/"+id, "").wantError(t, "deleted", http.StatusServiceUnavailable, "unavailable")
	if after := live(); len(after) != len(before)-1 {
		t.Errorf("what leaked lives on: %v", after)
	}
	w.do(t, owner, http.MethodPost, keysPath, form("name", "A")).wantError(t, "created", http.StatusServiceUnavailable, "unavailable")
	if after := live(); len(after) != len(before)-1 {
		t.Errorf("a key that nobody was told of: %v", after)
	}
	d.fails.Store(false)
	w.do(t, owner, http.MethodDelete, keysPath+"/"+id, "").wantError(t, "tried again", http.StatusNotFound, "not_found")
	var names []string
	for _, e := range w.told(t) {
		names = append(names, e.Name)
	}
	if want := []string{"apikey.created", "apikey.deleted"}; !slices.Equal(names, want) {
		t.Errorf("told %v, want %v", names, want)
	}
}

// TestASchemaOfTheAccountsOwnDoesNotStopItsKeys: nobody could change them any more, and
// on AWS the function reads no schemas at all.
func TestASchemaOfTheAccountsOwnDoesNotStopItsKeys(t *testing.T) {
	t.Parallel()
	for what, schemas := range map[string]ingest.Compiler{"read": schema.Checker, "not read": nil} {
		w := newWorld(t)
		for _, name := range []string{"apikey.created", "apikey.updated", "apikey.deleted"} {
			d := hermod.Definition{
				Account: local, Type: "universign:" + name, Schema: []byte(`{"required":["nonesuch"]}`), Validation: hermod.ValidateEnforce,
				CreatedAt: start, UpdatedAt: start,
			}
			if err := w.DB.PutDefinition(t.Context(), &d); err != nil {
				t.Fatal(err)
			}
		}
		w.serve(w.Store, ingest.New(ingest.Options{
			Config: w.DB, Journal: w.DB.Journal(w.delivery), IDs: w.IDs, Now: w.Now, Log: w.Log, Schemas: schemas,
		}))
		id, _ := w.newKey(t, owner)
		w.do(t, owner, http.MethodPut, keysPath+"/"+id, form("name", "B")).json(t, http.StatusOK)
		if a := w.do(t, owner, http.MethodDelete, keysPath+"/"+id, ""); a.status != http.StatusNoContent {
			t.Errorf("schemas %s: %s", what, a.body)
		}
		if told := w.told(t); len(told) != 3 {
			t.Errorf("schemas %s: told %d events", what, len(told))
		}
	}
}

// A refuser refuses what is emitted.
type refuser struct{ err error }

func (r refuser) Emit(context.Context, hermod.Event, string) error { return r.err }

// TestARefusalThatLastsIsNotCalledAPassingOne: whoever is told to try again does.
func TestARefusalThatLastsIsNotCalledAPassingOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for code, want := range map[hermod.Code]int{
		hermod.CodeUnavailable: 503, hermod.CodeTooManyRequests: 503, hermod.CodeInternal: 503,
		hermod.CodeConflict: 409, hermod.CodeInvalid: 400, hermod.CodeTooLarge: 413,
	} {
		w.serve(w.Store, refuser{hermod.Errorf(code, "no")})
		if a := w.do(t, owner, http.MethodPost, keysPath, form("name", "A")); a.status != want {
			t.Errorf("%s: %d, want %d", code, a.status, want)
		}
	}
	if left := ids(t, w.do(t, owner, http.MethodGet, keysPath, "")); len(left) != 4 {
		t.Errorf("keys that nobody was told of: %v", left)
	}
}

func TestKeysAreListedTheNewestFirstInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(time.Second)
	newest, _ := w.newKey(t, owner)
	all := ids(t, w.do(t, owner, http.MethodGet, keysPath, ""))
	if len(all) != 5 || all[0] != newest || slices.Contains(all, keyID(stranger)) {
		t.Fatalf("%v", all)
	}
	var got []string
	after := ""
	for more := true; more; {
		page := w.do(t, owner, http.MethodGet, keysPath+"?limit=2"+after, "")
		found := ids(t, page)
		got = append(got, found...)
		list := page.json(t, http.StatusOK)
		if list["total"] != 5.0 {
			t.Errorf("%s", page.body)
		}
		more = list["has_more"].(bool)
		after = "&starting_after=" + found[len(found)-1]
	}
	if !reflect.DeepEqual(got, all) {
		t.Errorf("in pages %v, want %v", got, all)
	}
	// The page goes on after what was deleted meanwhile.
	w.do(t, owner, http.MethodDelete, keysPath+"/"+newest, "")
	if rest := ids(t, w.do(t, owner, http.MethodGet, keysPath+"?starting_after="+newest, "")); !slices.Equal(rest, all[1:]) {
		t.Errorf("%v, want %v", rest, all[1:])
	}
}
