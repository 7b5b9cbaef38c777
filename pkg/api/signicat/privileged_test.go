package signicat_test

import (
	"net/http"
	"slices"
	"testing"

	"hermod/pkg/hermod"
)

func TestPrivilegedMembersNeedTheirScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		client, members  string
		want             int
		internal, global any
	}{
		{"local", ``, 200, nil, nil},
		{"local", `,"includeInternalEvents":null,"isGlobalSubscription":null`, 200, nil, nil},
		{"local", `,"includeInternalEvents":false,"isGlobalSubscription":false`, 200, nil, nil},
		{"local", `,"includeInternalEvents":true`, 403, nil, nil},
		{"local", `,"isGlobalSubscription":true`, 403, nil, nil},
		{"local", `,"isGlobalSubscription":true,"tagFilter":7`, 403, nil, nil},
		{"local", `,"isGlobalSubscription":"yes"`, 400, nil, nil},
		{"privileged", ``, 200, nil, nil},
		{"privileged", `,"includeInternalEvents":true`, 200, true, nil},
		{"privileged", `,"includeInternalEvents":true,"isGlobalSubscription":true`, 200, true, true},
	} {
		a := w.do(t, tt.client, http.MethodPost, subscriptionsPath, webhook(tt.members))
		wantStatus(t, tt.client+tt.members, a, tt.want)
		if tt.want != http.StatusOK {
			continue
		}
		created := a.json(t, http.StatusOK)
		read := w.do(t, tt.client, http.MethodGet, subscriptionsPath+"/"+created["id"].(string), "").json(t, http.StatusOK)
		for _, s := range []map[string]any{created, read} {
			if s["includeInternalEvents"] != tt.internal || s["isGlobalSubscription"] != tt.global {
				t.Errorf("%s%s: %v", tt.client, tt.members, s)
			}
		}
	}
}

func TestAnUpdateKeepsThePrivilegedMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ordinary := w.subscribe(t, "privileged", "")
	both := w.subscribe(t, "privileged", `,"includeInternalEvents":true,"isGlobalSubscription":true`)
	for _, tt := range []struct {
		id, members string
		want        int
		internal    any
	}{
		{ordinary, `,"isGlobalSubscription":true`, 400, nil},
		{ordinary, `,"isGlobalSubscription":false`, 200, nil},
		{ordinary, `,"includeInternalEvents":true`, 200, true},
		{ordinary, `,"includeInternalEvents":null`, 200, true},
		{ordinary, `,"includeInternalEvents":false`, 200, nil},
		{both, ``, 200, true},
		{both, `,"isGlobalSubscription":false`, 400, nil},
		{both, `,"isGlobalSubscription":null,"includeInternalEvents":true`, 200, true},
		{both, `,"isGlobalSubscription":true,"includeInternalEvents":false`, 200, nil},
	} {
		a := w.do(t, "privileged", http.MethodPut, subscriptionsPath+"/"+tt.id, webhook(tt.members))
		if wantStatus(t, tt.members, a, tt.want); tt.want == http.StatusBadRequest {
			if got := a.wrong(t); !slices.Equal(got, []string{"isGlobalSubscription"}) {
				t.Errorf("%s: %v", tt.members, got)
			}
		} else if got := a.json(t, http.StatusOK)["includeInternalEvents"]; got != tt.internal {
			t.Errorf("%s: %v", tt.members, got)
		}
	}
}

func TestWhoeverLacksTheScopeMayLeaveAPrivilegedMemberOnButNotSwitchItOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	ref, _ := w.db.Subscriptions(t.Context(), local)
	sub := *ref[0]
	sub.IncludeInternal = true // by somebody of the account who holds the scope
	if err := w.store.UpdateSubscription(t.Context(), &sub); err != nil {
		t.Fatal(err)
	}
	put := func(members string) answer {
		return w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(members))
	}
	for _, members := range []string{``, `,"includeInternalEvents":true`, `,"includeInternalEvents":null`} {
		if got := put(members).json(t, http.StatusOK)["includeInternalEvents"]; got != true {
			t.Errorf("%s: %v", members, got)
		}
	}
	put(`,"includeInternalEvents":false`).json(t, http.StatusOK)
	wantStatus(t, "on again", put(`,"includeInternalEvents":true`), http.StatusForbidden)
}

func TestAGlobalSubscriptionReceivesEverybodysEventsAndInternalOnesWhereItIncludesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	global := w.subscribe(t, "privileged", `,"isGlobalSubscription":true`)
	internal := w.subscribe(t, "privileged", `,"isGlobalSubscription":true,"includeInternalEvents":true`)
	w.do(t, "other", http.MethodPut, typesPath+"/sign:done", `{"internal":true}`).json(t, http.StatusOK)
	for client, want := range map[string][]string{"local": {global, internal}, "other": {internal}} {
		id, err := hermod.ParseID(w.publish(t, client, ""))
		if err != nil {
			t.Fatal(err)
		}
		event, err := w.db.Event(t.Context(), map[string]string{"local": local, "other": other}[client], id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ref := range event.Matches {
			got = append(got, ref.ID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("an event of %s goes to %v, want %v", client, got, want)
		}
	}
}
