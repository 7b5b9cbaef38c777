package universign_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/universign"
	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
)

func TestTheTypesAreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	var published []string
	for _, typ := range catalog.All() {
		if typ.Sender == string(hermod.Universign) {
			published = append(published, typ.Name)
		}
	}
	if types := universign.Types(); !slices.Equal(types, published) || len(types) != 24 {
		t.Errorf("%d types %v, the catalog has %v", len(types), types, published)
	}
}

// TestAListIsWrittenInManyWays: as the documentation shows it and as it tells it.
func TestAListIsWrittenInManyWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rest := form("name", "Archive", "url", target) + "&"
	want := []any{"action.opened", "action.closed"}
	for what, body := range map[string]string{
		"a JSON array in a form": rest + form("event_types", `["action.opened", "action.closed"]`),
		"a comma list":           rest + form("event_types", "action.opened, action.closed"),
		"repeated":               rest + form("event_types", "action.opened", "event_types", "action.closed"),
		"repeated with []":       rest + form("event_types[]", "action.opened", "event_types[]", "action.closed"),
		"one of them twice":      rest + form("event_types", "action.opened,action.closed,action.opened"),
		"JSON":                   `{"name":"Archive","url":"` + target + `","event_types":["action.opened","action.closed"],"workspace_id":"wsp_local","other":1}`,
		"the own workspace":      rest + form("event_types", "action.opened,action.closed", "workspace_id", "wsp_local", "other", "1"),
	} {
		made := w.do(t, owner, http.MethodPost, endpointsPath, body).json(t, http.StatusOK)
		if !reflect.DeepEqual(made["event_types"], want) || made["tenant_id"] != "wsp_local" || made["url"] != target {
			t.Errorf("%s: %v", what, made)
		}
	}
	// The description knows no body without a type: it is not compared with.
	untyped := httptest.NewRequestWithContext(t.Context(), http.MethodPost, endpointsPath, strings.NewReader(rest+form("event_types", "action.opened")))
	untyped.SetBasicAuth(owner, "")
	rec := httptest.NewRecorder()
	if w.server.ServeHTTP(rec, untyped); rec.Code != http.StatusOK {
		t.Errorf("without a content type: %s", rec.Body)
	}
}

func TestABadEndpointIsRefusedMemberByMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	for body, message := range map[string]string{
		"{}": "name is required; url is required; event_types is required",
		form("name", "A", "url", target, "event_types", "*"):                                  `event_types holds "*", which is no event type`,
		form("name", "A", "url", target, "event_types", "action.closed,nope"):                 `event_types holds "nope", which is no event type`,
		form("name", "A", "url", target, "event_types", ""):                                   `event_types holds "", which is no event type`,
		form("name", "A", "url", target, "event_types", "[]"):                                 "event_types must not be empty",
		form("name", "A", "url", target, "event_types", "[1]"):                                "event_types must be a JSON array of strings, or separated by commas",
		form("name", "A", "url", "ftp://x/", "event_types", "action.closed"):                  "url must be an http or https URL",
		form("name", "A", "url", "https://10.0.0.1/", "event_types", "action.closed"):         "url ",
		form("name", "A", "url", "https://169.254.169.254/", "event_types", "apikey.created"): "url ",
		form("name", "A", "url", "https://u:p@x.example/", "event_types", "action.closed"):    "url must have no user name or password",
		form("name", "A", "url", "", "event_types", "action.closed"):                          "url is required",
		form("name", "A", "url", target, "event_types", "action.closed", "translate", "1"):    "translate must be true or false",
	} {
		for _, path := range []string{endpointsPath, endpointsPath + "/" + id} {
			if path != endpointsPath && body == "{}" {
				continue // nothing is changed
			}
			a := w.do(t, owner, http.MethodPost, path, body)
			a.wantError(t, body, http.StatusBadRequest, "invalid_request")
			if said := a.json(t, 400)["message"].(string); !strings.HasPrefix(said, message) {
				t.Errorf("%s: %q, want %q", body, said, message)
			}
		}
	}
	foreign := form("name", "A", "url", target, "event_types", "action.closed", "workspace_id", "wsp_other")
	w.do(t, owner, http.MethodPost, endpointsPath, foreign).wantError(t, "another workspace", http.StatusForbidden, "forbidden")
	w.do(t, owner, http.MethodPut, endpointsPath+"/"+id, foreign).wantError(t, "another workspace", http.StatusForbidden, "forbidden")
	if strings.Contains(w.Lines.String(), "s3cret") {
		t.Error("the log has a URL's query")
	}
}

func TestAnEditChangesWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		w := newWorld(t)
		path := endpointsPath + "/" + w.endpoint(t, owner)
		want := w.do(t, owner, http.MethodGet, path, "").json(t, http.StatusOK)
		delete(want, "success_rate")
		for _, edit := range []struct {
			body, member string
			value        any
		}{
			{"", "", nil},
			{`{"name":null}`, "", nil},
			{form("name", "Other"), "name", "Other"},
			{form("url", "https://new.example/"), "url", "https://new.example/"},
			{form("event_types", "apikey.created"), "event_types", []any{"apikey.created"}},
			{form("translate", "true"), "translate", true},
		} {
			if edit.member != "" {
				want[edit.member] = edit.value
			}
			got := w.do(t, owner, method, path, edit.body).json(t, http.StatusOK)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s %q: %v, want %v", method, edit.body, got, want)
			}
		}
		delete(want, "translate")
		if got := w.do(t, owner, method, path, `{"translate":false}`).json(t, http.StatusOK); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
}

func TestAnEditSendsAgainToWhatAnswered410(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := hermod.Ref{Owner: local, ID: w.endpoint(t, owner)}
	s, err := w.Store.Subscription(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	s.Active, s.DisabledReason = false, string(hermod.ReasonGone)
	if err := w.Store.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.do(t, owner, http.MethodPatch, endpointsPath+"/"+ref.ID, form("name", "Back")).json(t, http.StatusOK)
	if s, err = w.Store.Subscription(t.Context(), ref); err != nil || !s.Active || s.DisabledReason != "" {
		t.Errorf("%v %q, %v", s.Active, s.DisabledReason, err)
	}
}

func TestADeletedEndpointIsGoneAndItsWebhooksStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	webhook := w.attempt(t, w.publish(t, local, "action.closed"), id, 0, 1, hermod.Dead)
	path := endpointsPath + "/" + id
	if a := w.do(t, owner, http.MethodDelete, path, ""); a.status != http.StatusNoContent {
		t.Fatal(a)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPatch} {
		w.do(t, owner, method, path, "").wantError(t, method, http.StatusNotFound, "not_found")
	}
	if all := ids(t, w.do(t, owner, http.MethodGet, endpointsPath, "")); len(all) != 0 {
		t.Errorf("listed %v", all)
	}
	if all := ids(t, w.do(t, owner, http.MethodGet, webhooksPath+"?endpoint="+id, "")); !slices.Equal(all, []string{webhook}) {
		t.Errorf("webhooks %v", all)
	}
	w.do(t, owner, http.MethodPost, webhooksPath+"/"+webhook+"/reschedule", "").wantError(t, "rescheduled", http.StatusConflict, "conflict")
	if s, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: local, ID: id}); err != nil || len(s.Sealed) != 0 {
		t.Errorf("the tombstone has %d bytes of secrets, %v", len(s.Sealed), err)
	}
}

func TestEndpointsAreListedTheNewestFirstInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []string
	for range 25 {
		all = append(all, w.endpoint(t, owner))
	}
	slices.Reverse(all)
	w.endpoint(t, stranger)
	for _, limit := range []int{1, 7, 25, 100} {
		var got []string
		after := ""
		for more := true; more; {
			page := w.do(t, owner, http.MethodGet, fmt.Sprintf("%s?limit=%d%s", endpointsPath, limit, after), "")
			list := page.json(t, http.StatusOK)
			found := ids(t, page)
			if list["total"] != 25.0 || len(found) > limit {
				t.Fatalf("%s", page.body)
			}
			got = append(got, found...)
			more = list["has_more"].(bool)
			after = "&starting_after=" + found[len(found)-1]
		}
		if !slices.Equal(got, all) {
			t.Errorf("in pages of %d: %v", limit, got)
		}
	}
	if usual := ids(t, w.do(t, owner, http.MethodGet, endpointsPath, "")); len(usual) != 20 {
		t.Errorf("usually %d", len(usual))
	}
}

func TestTheSuccessRateLeavesOutWhatIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	rate := func() any {
		return w.do(t, owner, http.MethodGet, endpointsPath+"/"+id, "").json(t, http.StatusOK)["success_rate"]
	}
	put := func(states ...hermod.State) {
		e := w.publish(t, local, "action.closed")
		for i, state := range states {
			w.attempt(t, e, id, 0, i+1, state)
		}
	}
	if got := rate(); got != nil {
		t.Errorf("of none %v", got)
	}
	put(hermod.Waiting)
	if got := rate(); got != nil {
		t.Errorf("of a pending one %v", got)
	}
	put(hermod.Waiting, hermod.Waiting, hermod.Succeeded)
	if got := rate(); got != 1.0 {
		t.Errorf("of a successful one %v", got)
	}
	put(hermod.Waiting, hermod.Dead)
	put(hermod.Dropped)
	if got := rate(); got != 0.3333 {
		t.Errorf("of one in three %v", got)
	}
}

// A rival changes each subscription that is read, before the reader can.
type rival struct {
	apitest.Store
	races atomic.Int32
}

func (r *rival) UpdateSubscription(ctx context.Context, s *hermod.Subscription) error {
	if r.races.Add(-1) >= 0 {
		theirs, err := r.Subscription(ctx, s.Ref())
		if err != nil {
			return err
		}
		if err := r.Store.UpdateSubscription(ctx, theirs); err != nil {
			return err
		}
	}
	return r.Store.UpdateSubscription(ctx, s)
}

func TestAnEditThatLosesARaceIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	r := &rival{Store: w.Store}
	w.serve(r, w.acceptor)
	r.races.Store(3)
	w.do(t, owner, http.MethodPatch, endpointsPath+"/"+id, form("name", "Mine")).json(t, http.StatusOK)
	r.races.Store(100)
	w.do(t, owner, http.MethodPatch, endpointsPath+"/"+id, form("name", "Lost")).wantError(t, "lost", http.StatusConflict, "conflict")
}

func TestIDsOfEndpointsAreThoseOfTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(90 * time.Minute)
	made := w.do(t, owner, http.MethodPost, endpointsPath, form("name", "A", "url", target, "event_types", "action.closed")).json(t, http.StatusOK)
	id, err := hermod.ParseBase62(strings.TrimPrefix(made["id"].(string), "whe_"))
	if err != nil || !id.Time().Equal(start.Add(90*time.Minute)) || made["created_at"] != "2026-03-01T13:30:00.000Z" {
		t.Errorf("%v of %v, %v", made, id.Time(), err)
	}
}
