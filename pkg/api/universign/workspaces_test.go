package universign_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

// sibling is the owner of another workspace of the local account.
const sibling = "apikey_sibling"

func newSiblings(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	s := provision.Secret{
		Kind: auth.UniversignKey, Secret: sibling, Account: local, Tenant: "wsp_sibling", Scopes: universign.ScopesOf("owner"),
	}
	if err := provision.ApplySecret(t.Context(), w.DB, s, start); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNoRowShowsOrTouchesAThingOfAnotherWorkspaceOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, row := range table() {
		if !strings.Contains(row.Path, "{") {
			continue
		}
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			t.Parallel()
			w := newSiblings(t)
			path := pathOf(t, w, row)
			thing := strings.TrimSuffix(path, "/reschedule")
			before := w.do(t, owner, http.MethodGet, thing, "")
			w.do(t, sibling, row.Method, path, bodyOf(row)).wantError(t, "a sibling's", http.StatusNotFound, "not_found")
			if after := w.do(t, owner, http.MethodGet, thing, ""); after.status != http.StatusOK || string(after.body) != string(before.body) {
				t.Errorf("it was %s and is %s", before.body, after.body)
			}
			if sent := w.messages(t); strings.HasSuffix(path, "/reschedule") && len(sent) != 1 { // that of the match
				t.Errorf("sent %v", sent)
			}
		})
	}
}

func TestListsAreThoseOfTheWorkspace(t *testing.T) {
	t.Parallel()
	w := newSiblings(t)
	for path, want := range map[string]struct{ own, theirs []string }{
		endpointsPath: {own: []string{w.endpoint(t, owner)}, theirs: []string{w.endpoint(t, sibling)}},
		keysPath:      {own: ids(t, w.do(t, owner, http.MethodGet, keysPath, "")), theirs: []string{keyID(sibling)}},
	} {
		own, theirs := w.do(t, owner, http.MethodGet, path, ""), w.do(t, sibling, http.MethodGet, path, "")
		if !slices.Equal(ids(t, own), want.own) || !slices.Equal(ids(t, theirs), want.theirs) || theirs.json(t, http.StatusOK)["total"] != 1.0 {
			t.Errorf("%s: the one sees %s, the other %s", path, own.body, theirs.body)
		}
	}
	if own := ids(t, w.do(t, owner, http.MethodGet, keysPath, "")); len(own) != 4 || slices.Contains(own, keyID(sibling)) {
		t.Errorf("keys %v", own)
	}
	a := w.do(t, owner, http.MethodGet, keysPath+"?starting_after="+keyID(sibling), "")
	a.wantError(t, "after a sibling's key", http.StatusBadRequest, "invalid_request")
	a = w.do(t, owner, http.MethodGet, webhooksPath+"?endpoint="+ids(t, w.do(t, sibling, http.MethodGet, endpointsPath, ""))[0], "")
	a.wantError(t, "to a sibling's endpoint", http.StatusNotFound, "not_found")
}

// TestPagesPassOverTheWebhooksOfAnotherWorkspace: one log has the rows of both, those of
// an event side by side. A request's reading ends at the 1,000th row, which is one to
// theirs[1] of the event numbered 8; own[0] of that comes after it.
func TestPagesPassOverTheWebhooksOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	w := newSiblings(t)
	var own, theirs []string // endpoints, by turns
	for range 3 {
		theirs, own = append(theirs, w.endpoint(t, sibling)), append(own, w.endpoint(t, owner))
	}
	var all, successful []string
	for n := range 175 {
		w.Advance(time.Second)
		e := &hermod.Event{ID: w.IDs.Next()}
		for i := range own {
			w.attempt(t, e, theirs[i], 0, 1, hermod.Dead)
			if n%30 == 8 && i == 0 {
				successful = append(successful, w.attempt(t, e, own[i], 0, 1, hermod.Succeeded))
				all = append(all, successful[len(successful)-1])
				continue
			}
			all = append(all, w.attempt(t, e, own[i], 0, 1, hermod.Dead))
		}
	}
	slices.Reverse(all)
	slices.Reverse(successful)
	for query, want := range map[string][]string{
		"limit=20": all, "limit=100&state=failed,successful": all, "state=successful": successful,
	} {
		if got := w.walk(t, query); !slices.Equal(got, want) {
			t.Errorf("%s: %d webhooks, want %d", query, len(got), len(want))
		}
	}
	// Nothing of theirs is told where reading ends at a row of theirs.
	page := w.do(t, owner, http.MethodGet, webhooksPath+"?state=successful", "")
	for _, endpoint := range theirs {
		if strings.Contains(string(page.body), strings.TrimPrefix(endpoint, "whe_")) {
			t.Errorf("a page tells %s of another workspace: %s", endpoint, page.body)
		}
	}
	if page.json(t, http.StatusOK)["next"] == nil {
		t.Errorf("it is the last page: %s", page.body)
	}
}

func TestEachWorkspaceHasFiveKeysAndAManagingOne(t *testing.T) {
	t.Parallel()
	w := newSiblings(t)
	w.newKey(t, owner)
	w.do(t, owner, http.MethodPost, keysPath, form("name", "Sixth")).wantError(t, "the sixth", http.StatusConflict, "conflict")
	w.do(t, sibling, http.MethodDelete, keysPath+"/"+keyID(sibling), "").wantError(t, "its last", http.StatusConflict, "conflict")
	for range 4 {
		w.newKey(t, sibling)
	}
	w.do(t, sibling, http.MethodPost, keysPath, form("name", "Sixth")).wantError(t, "its sixth", http.StatusConflict, "conflict")
}
