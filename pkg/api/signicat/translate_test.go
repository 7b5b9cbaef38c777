package signicat_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

const equivalentsPath = signicat.Base + "/metadata/equivalents"

func TestTranslateIsOffKeptAndShownWhereItIsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const on, off = `,"translate":true`, `,"translate":false`
	id := w.subscribe(t, "local", "")
	for _, step := range []struct {
		method, members string
		want            any
	}{
		{http.MethodPut, ``, nil},
		{http.MethodPut, on, true},
		{http.MethodPut, ``, true},
		{http.MethodPatch, `,"translate":null`, true},
		{http.MethodPut, off, nil},
		{http.MethodPut, `,"translate":null`, nil},
	} {
		put := w.do(t, "local", step.method, subscriptionsPath+"/"+id, webhook(step.members)).json(t, http.StatusOK)
		read := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "").json(t, http.StatusOK)
		if put["translate"] != step.want || read["translate"] != step.want {
			t.Errorf("%s%s: %v, then %v", step.method, step.members, put, read)
		}
	}
	for members, want := range map[string]any{``: nil, on: true, off: nil, `,"translate":null`: nil} {
		created := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(members)).json(t, http.StatusOK)
		stored, err := w.DB.Subscription(t.Context(), hermod.Ref{Owner: local, ID: created["id"].(string)})
		if err != nil || created["translate"] != want || stored.Translate != (want == true) {
			t.Errorf("created with %q: %v, %v", members, created, err)
		}
	}
	refused := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(`,"translate":"yes"`))
	if wrong := refused.wrong(t); !slices.Equal(wrong, []string{"translate"}) {
		t.Errorf("%s", refused.body)
	}
}

func TestTranslatingOfAPrivilegedSubscriptionIsSwitchedOnByHoldersOfItsScopeAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "privileged", `,"includeInternalEvents":true`)
	for _, step := range []struct {
		client, members string
		want            int
	}{
		{"ordinary", `,"translate":true`, 403},
		{"privileged", `,"translate":true`, 200},
		{"ordinary", `,"translate":null`, 200},
		{"ordinary", `,"translate":false`, 200},
		{"ordinary", `,"translate":true`, 403},
	} {
		wantStatus(t, step.client+step.members, w.do(t, step.client, http.MethodPut, subscriptionsPath+"/"+id, webhook(step.members)), step.want)
	}
}

func TestEquivalentsShowTheTableOfFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	facts := func(query string) []any {
		t.Helper()
		return w.do(t, "local", http.MethodGet, equivalentsPath+query, "").json(t, http.StatusOK)["data"].([]any)
	}
	table := hermod.Facts()
	if got := facts(""); len(got) != len(table) || len(facts("?type=")) != len(table) {
		t.Fatalf("%d facts, want %d", len(got), len(table))
	}
	for i, row := range facts("") {
		fact, want := row.(map[string]any), table[i]
		types := fact["types"].([]any)
		if fact["name"] != want.Name || fact["description"] != want.Description || len(types) != len(want.Forms) {
			t.Errorf("%v", fact)
		}
		for j, form := range want.Forms {
			shown := types[j].(map[string]any)
			if shown["event"] != form.Type || len(shown["members"].([]any)) != len(form.Members) || len(shown["constants"].([]any)) != len(form.Constants) {
				t.Errorf("%v", shown)
			}
			if one := facts("?type=" + form.Type); fmt.Sprint(one) != fmt.Sprint([]any{row}) {
				t.Errorf("of %s: %v", form.Type, one)
			}
		}
	}
	for _, none := range []string{"signature-api:order.deleted", "shop:paid"} {
		if got := facts("?type=" + none); len(got) != 0 {
			t.Errorf("%s: %v", none, got)
		}
	}
	for _, query := range []string{"?type=shop", "?type=signly:*", "?type=*"} {
		if got := w.do(t, "local", http.MethodGet, equivalentsPath+query, "").wrong(t); !slices.Equal(got, []string{"type"}) {
			t.Errorf("%s: %v", query, got)
		}
	}
	wantStatus(t, "in another's name", w.do(t, "other", http.MethodGet, equivalentsPath+"?signicat-accountId="+local, ""), http.StatusForbidden)
}
