package signicat_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
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

func TestWhatAPrivilegedSubscriptionReceivesIsSentNowhereElseWithoutTheScope(t *testing.T) {
	t.Parallel()
	const (
		internal = `,"includeInternalEvents":true`
		global   = `,"isGlobalSubscription":true`
		rest     = `,"eventNameFilter":["sign:done"],"tagFilter":["a"],"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"s"}}`
	)
	for _, tt := range []struct {
		name, created string
		change        map[string]any
		want          int
		scope         string
	}{
		{"as it is", global + internal, nil, 200, ""},
		{"flags null", global + internal, map[string]any{"includeInternalEvents": nil, "isGlobalSubscription": nil}, 200, ""},
		{"off", global + internal, map[string]any{"active": false}, 200, ""},
		{"off and on", global + internal, map[string]any{"active": true}, 200, ""}, // it is on
		{"internal off", global + internal, map[string]any{"includeInternalEvents": false}, 200, ""},
		{"both off", global + internal, map[string]any{"active": false, "includeInternalEvents": false}, 200, ""},
		{"url", global, map[string]any{"typeConfiguration": map[string]any{"url": "https://evil.example"}}, 403, hermod.ScopeGlobal},
		{"headers", global, map[string]any{"typeConfiguration": map[string]any{"url": "https://receiver.example/hook", "headers": map[string]any{"a": "b"}}}, 403, hermod.ScopeGlobal},
		{"off and url", global, map[string]any{"active": false, "typeConfiguration": map[string]any{"url": "https://evil.example"}}, 403, hermod.ScopeGlobal},
		{"filter", global, map[string]any{"eventNameFilter": []string{"*"}}, 403, hermod.ScopeGlobal},
		{"no filter", global, map[string]any{"eventNameFilter": nil}, 403, hermod.ScopeGlobal},
		{"rate limit", global, map[string]any{"rateLimit": 5}, 403, hermod.ScopeGlobal},
		{"tags", global, map[string]any{"tagFilter": nil}, 403, hermod.ScopeGlobal},
		{"end", global, map[string]any{"expiresAt": "2030-01-01T00:00:00Z"}, 403, hermod.ScopeGlobal},
		{"name", global, map[string]any{"name": "another"}, 403, hermod.ScopeGlobal},
		{"signing", global, map[string]any{"messageAuthentication": nil}, 403, hermod.ScopeGlobal},
		{"secret", global, map[string]any{"messageAuthentication": map[string]any{"authenticationType": "HmacSha256", "hmacSha256": map[string]any{"secret": "t"}}}, 403, hermod.ScopeGlobal},
		{"internal off and name", global + internal, map[string]any{"includeInternalEvents": false, "name": "another"}, 403, hermod.ScopeGlobal},
		{"url beside a wrong member", global, map[string]any{"typeConfiguration": map[string]any{"url": "https://evil.example"}, "active": 7}, 403, hermod.ScopeGlobal},
		{"internal: url", internal, map[string]any{"typeConfiguration": map[string]any{"url": "https://evil.example"}}, 403, hermod.ScopeInternal},
		{"internal: filter", internal, map[string]any{"eventNameFilter": []string{"*"}}, 403, hermod.ScopeInternal},
		{"internal: off", internal, map[string]any{"active": false}, 200, ""},
		{"internal: its end, and name", internal, map[string]any{"includeInternalEvents": false, "name": "another"}, 200, ""},
		{"neither: url", "", map[string]any{"typeConfiguration": map[string]any{"url": "https://elsewhere.example"}}, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			path := subscriptionsPath + "/" + w.subscribe(t, "privileged", tt.created+rest)
			read := func() string { return string(w.do(t, "ordinary", http.MethodGet, path, "").body) }
			before := read()
			body := w.do(t, "ordinary", http.MethodGet, path, "").json(t, http.StatusOK)
			maps.Copy(body, tt.change)
			for _, unread := range []string{"id", "createdAt", "disabledReason"} {
				delete(body, unread)
			}
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			for _, method := range []string{http.MethodPut, http.MethodPatch} {
				a := w.do(t, "ordinary", method, path, string(raw))
				wantStatus(t, method, a, tt.want)
				if tt.want == http.StatusForbidden && (!strings.Contains(string(a.body), tt.scope) || read() != before) {
					t.Errorf("%s: %s left %s", method, a.body, read())
				}
			}
			// Whoever holds the scopes may, and anybody may delete.
			if tt.name != "url beside a wrong member" {
				wantStatus(t, "privileged", w.do(t, "privileged", http.MethodPut, path, string(raw)), http.StatusOK)
			}
			wantStatus(t, "delete", w.do(t, "ordinary", http.MethodDelete, path, ""), http.StatusNoContent)
		})
	}
}

func TestWhoeverLacksTheScopeSwitchesAPrivilegedSubscriptionOffForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for scope, members := range map[string]string{
		hermod.ScopeGlobal: `,"isGlobalSubscription":true`, hermod.ScopeInternal: `,"includeInternalEvents":true`,
	} {
		path := subscriptionsPath + "/" + w.subscribe(t, "privileged", members)
		wantStatus(t, scope+" off", w.do(t, "ordinary", http.MethodPut, path, webhook(`,"active":false`)), http.StatusOK)
		wantStatus(t, scope+" on", w.do(t, "ordinary", http.MethodPut, path, webhook(`,"active":true`)), http.StatusForbidden)
		wantStatus(t, scope+" on by its holder", w.do(t, "privileged", http.MethodPut, path, webhook(`,"active":true`)), http.StatusOK)
	}
	path := subscriptionsPath + "/" + w.subscribe(t, "privileged", `,"includeInternalEvents":true`)
	wantStatus(t, "off", w.do(t, "ordinary", http.MethodPut, path, webhook(`,"includeInternalEvents":false`)), http.StatusOK)
	wantStatus(t, "on again", w.do(t, "ordinary", http.MethodPut, path, webhook(`,"includeInternalEvents":true`)), http.StatusForbidden)
}

func TestAGlobalSubscriptionIsAnAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "colleague", http.MethodPost, subscriptionsPath+"?signicat-organizationId="+organization, webhook(`,"isGlobalSubscription":true`))
	if got := a.wrong(t); !slices.Equal(got, []string{"isGlobalSubscription"}) {
		t.Errorf("%v", got)
	}
	a = w.do(t, "colleague", http.MethodPost, subscriptionsPath, webhook(`,"isGlobalSubscription":true`))
	wantStatus(t, "the account's own", a, http.StatusOK)
}

func TestTheLogShowsTheEventsOfOthersToHoldersOfTheScopeAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const account = "a-spge-Privileged"
	global := w.subscribe(t, "privileged", `,"isGlobalSubscription":true`)
	row := func(event, subscription, owner, account string) string {
		return w.attempt(t, event, subscription, func(a *hermod.Attempt) { a.Owner, a.Account = owner, account })
	}
	foreign := row(w.publish(t, "local", ""), global, account, local)
	own := row(w.publish(t, "ordinary", ""), global, account, account)
	// Two accounts of one organization: what names the organization is no other's.
	shared := w.do(t, "local", http.MethodPost, subscriptionsPath+"?signicat-organizationId="+organization, webhook("")).json(t, http.StatusOK)["id"].(string)
	named := row(w.publish(t, "colleague", `,"organizationId":"`+organization+`"`), shared, organization, "a-spge-Colleague")
	for _, tt := range []struct {
		client, query, id string
		shown             bool
	}{
		{"privileged", "?subscriptionId=" + global, foreign, true},
		{"privileged", "", own, true},
		{"ordinary", "?subscriptionId=" + global, foreign, false},
		{"ordinary", "", foreign, false},
		{"ordinary", "?success=true", foreign, false},
		{"ordinary", "?subscriptionId=" + global, own, true},
		{"local", "?signicat-organizationId=" + organization, named, true},
		{"colleague", "?signicat-organizationId=" + organization, named, true},
	} {
		page := w.do(t, tt.client, http.MethodGet, logsPath+tt.query, "").json(t, http.StatusOK)["data"].([]any)
		i := slices.IndexFunc(page, func(item any) bool { return item.(map[string]any)["id"] == tt.id })
		if i < 0 {
			t.Fatalf("%s %s: %v has no %s", tt.client, tt.query, page, tt.id)
		}
		read := w.do(t, tt.client, http.MethodGet, logsPath+"/"+tt.id, "").json(t, http.StatusOK)
		for _, item := range []map[string]any{page[i].(map[string]any), read} {
			answer := item["properties"].(map[string]any)["responseBody"]
			if (item["event"] != nil) != tt.shown || (answer != nil) != tt.shown || item["success"] != true {
				t.Errorf("%s %s %s: %v", tt.client, tt.query, tt.id, item)
			}
		}
	}
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
		event, err := w.DB.Event(t.Context(), map[string]string{"local": local, "other": other}[client], id)
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
