package signicat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
	"hermod/pkg/schema"
)

const typesPath = signicat.Base + "/metadata/events"

// types lists the catalog as the client sees it.
func (w *world) types(t *testing.T, client, query string) []map[string]any {
	t.Helper()
	var types []map[string]any
	for _, row := range w.do(t, client, http.MethodGet, typesPath+query, "").json(t, http.StatusOK)["data"].([]any) {
		types = append(types, row.(map[string]any))
	}
	return types
}

func events(types []map[string]any) []string {
	names := make([]string, len(types))
	for i, row := range types {
		names[i] = row["event"].(string)
	}
	return names
}

func TestTheCatalogListsWhatIsPublishedAndWhatTheAccountRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	published := w.types(t, "local", "")
	if len(published) != 107 || !slices.IsSorted(events(published)) {
		t.Fatalf("%d types", len(published))
	}
	for _, row := range published {
		event := row["event"].(string)
		if row["sender"].(string)+":"+row["eventName"].(string) != event || row["description"] == "" || row["internal"] != false ||
			row["validation"] != "off" || row["example"] == nil || row["schema"] == nil || row["url"] != "http://host"+typesPath+"/"+event {
			t.Errorf("%v", row)
		}
		one := w.do(t, "local", http.MethodGet, typesPath+"/"+event, "").json(t, http.StatusOK)
		if fmt.Sprint(one) != fmt.Sprint(row) {
			t.Errorf("read %v, listed %v", one, row)
		}
	}
	custom := w.register(t, "local", `{"description":"ours"}`)
	w.do(t, "local", http.MethodPut, typesPath+"/account-api:account.created", `{"description":"changed"}`).json(t, http.StatusOK)
	mine := w.types(t, "local", "")
	if got := events(mine); len(got) != 108 || !slices.IsSorted(got) || !slices.Contains(got, custom) {
		t.Errorf("%d types: %v", len(got), got)
	}
	i := slices.IndexFunc(mine, func(row map[string]any) bool { return row["event"] == "account-api:account.created" })
	if mine[i]["description"] != "changed" || mine[i]["schema"] == nil || mine[i]["example"] == nil {
		t.Errorf("%v", mine[i])
	}
	for _, alias := range []string{"/metadata", "/metadata/event-types"} {
		if got := w.do(t, "local", http.MethodGet, signicat.Base+alias, "").json(t, http.StatusOK)["data"].([]any); len(got) != 108 {
			t.Errorf("%s lists %d types", alias, len(got))
		}
	}
	if got := w.types(t, "other", ""); len(got) != 107 {
		t.Errorf("another account sees %d types", len(got))
	}
	if got := events(w.types(t, "local", "?sender=custom")); !slices.Equal(got, []string{custom}) {
		t.Errorf("of a sender %v", got)
	}
	if got := len(w.types(t, "other", "?all=true")); got != len(catalog.All()) || got <= 107 {
		t.Errorf("of all dialects %d types", got)
	}
	if got := w.do(t, "local", http.MethodGet, typesPath+"?all=perhaps", "").wrong(t); !slices.Equal(got, []string{"all"}) {
		t.Errorf("refused %v", got)
	}
}

func TestATypeIsRegisteredReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = typesPath + "/shop:order.paid"
	wantStatus(t, "before", w.do(t, "local", http.MethodGet, path, ""), http.StatusNotFound)
	wantStatus(t, "removed before", w.do(t, "local", http.MethodDelete, path, ""), http.StatusNotFound)
	full := `{"description":"An order was paid.","internal":true,"example":{"id": 1},"validation":"enforce",
		"schema":{"type":"object","required":["id"], "properties":{"id":{"type":"integer"}}},"more":1}`
	put := w.do(t, "local", http.MethodPut, path, full)
	row := put.json(t, http.StatusOK)
	if fmt.Sprint(row) != `map[description:An order was paid. event:shop:order.paid eventName:order.paid example:map[id:1] internal:true `+
		`schema:map[properties:map[id:map[type:integer]] required:[id] type:object] sender:shop url:http://host`+path+` validation:enforce]` {
		t.Errorf("%v", row)
	}
	if got := w.do(t, "local", http.MethodGet, path, ""); string(got.body) != string(put.body) {
		t.Errorf("read %s, put %s", got.body, put.body)
	}
	row = w.do(t, "local", http.MethodPut, path, `{"description":null,"internal":null,"example":null,"schema":null,"validation":null}`).json(t, http.StatusOK)
	if row["description"] != "" || row["internal"] != false || row["example"] != nil || row["schema"] != nil || row["validation"] != "off" {
		t.Errorf("replaced by nothing it is %v", row)
	}
	// The organization is named, and the registration is the account's all the same.
	wantStatus(t, "as the organization", w.do(t, "local", http.MethodPut, path+"?signicat-organizationId="+organization, `{}`), http.StatusOK)
	if _, err := w.db.Definition(t.Context(), local, "shop:order.paid"); err != nil {
		t.Error(err)
	}
	gone := w.do(t, "local", http.MethodDelete, path, "")
	if gone.status != http.StatusNoContent || len(gone.body) != 0 {
		t.Errorf("%d %s", gone.status, gone.body)
	}
	wantStatus(t, "after", w.do(t, "local", http.MethodGet, path, ""), http.StatusNotFound)
}

func TestAPublishedTypeIsWhatItWasOnceItsRegistrationIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = typesPath + "/account-api:account.created"
	before := w.do(t, "local", http.MethodGet, path, "")
	wantStatus(t, "a published type", w.do(t, "local", http.MethodDelete, path, ""), http.StatusNotFound)
	kept := w.do(t, "local", http.MethodPut, path, `{"validation":"warn"}`).json(t, http.StatusOK)
	if was := before.json(t, http.StatusOK); fmt.Sprint(kept["schema"], kept["example"], kept["description"]) != fmt.Sprint(was["schema"], was["example"], was["description"]) {
		t.Errorf("of what is not said nothing stays: %v", kept)
	}
	if own := w.do(t, "local", http.MethodPut, path, `{"schema":{"type":"array"}}`).json(t, http.StatusOK); own["example"] != nil {
		t.Errorf("the published example stays beside another schema: %v", own)
	}
	wantStatus(t, "its registration", w.do(t, "local", http.MethodDelete, path, ""), http.StatusNoContent)
	if after := w.do(t, "local", http.MethodGet, path, ""); string(after.body) != string(before.body) {
		t.Errorf("it is\n%s, was\n%s", after.body, before.body)
	}
}

func TestARegistrationIsValidated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 64<<10)
	for name, tt := range map[string]struct {
		body  string
		wrong []string
	}{
		"nothing":                     {`{}`, nil},
		"512 characters":              {`{"description":"` + strings.Repeat("é", 512) + `"}`, nil},
		"a character more":            {`{"description":"` + strings.Repeat("é", 513) + `"}`, []string{"description"}},
		"wrong kinds":                 {`{"description":1,"internal":"yes","validation":2}`, []string{"description", "internal", "validation"}},
		"another validation":          {`{"validation":"strict"}`, []string{"validation"}},
		"validation without a schema": {`{"validation":"enforce"}`, []string{"validation"}},
		"a warning without a schema":  {`{"validation":"warn","schema":null}`, []string{"validation"}},
		"no schema":                   {`{"schema":1}`, []string{"schema"}},
		"a wrong schema":              {`{"schema":{"properties":{"a":{"type":"x"},"b":{"minLength":-1}}}}`, []string{"schema/properties/a/type", "schema/properties/b/minLength"}},
		"a schema from elsewhere":     {`{"schema":{"items":{"$ref":"https://elsewhere.example/x"}}}`, []string{"schema/items/$ref"}},
		"a schema that goes round":    {`{"schema":{"allOf":[{"$ref":"#"}]}}`, []string{"schema/allOf/0"}},
		"another draft":               {`{"schema":{"$schema":"http://json-schema.org/draft-07/schema#"}}`, []string{"schema/$schema"}},
		"64 KB of schema":             {`{"schema":{"title":"` + long[len(`{"title":""}`):] + `"}}`, nil},
		"a byte more of schema":       {`{"schema":{"title":"` + long[len(`{"title":""}`)-1:] + `"}}`, []string{"schema"}},
		"64 KB of example":            {`{"example":"` + long[2:] + `"}`, nil},
		"a byte more of example":      {`{"example":"` + long[1:] + `"}`, []string{"example"}},
		"a deep example":              {`{"example":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, []string{"example"}},
		"an example that fits":        {`{"example":{"a":1},"schema":{"required":["a"]}}`, nil},
		"one that does not":           {`{"example":{"b":{"c":"s3cr3t"}},"schema":{"required":["a"],"properties":{"b":{"properties":{"c":{"type":"integer"}}}}}}`, []string{"example/a", "example/b/c"}},
	} {
		a := w.do(t, "local", http.MethodPut, typesPath+"/shop:n", tt.body)
		if tt.wrong == nil {
			wantStatus(t, name, a, http.StatusOK)
		} else if a.status != http.StatusBadRequest || !slices.Equal(a.wrong(t), tt.wrong) {
			t.Errorf("%s: %d %.300s, want %v", name, a.status, a.body, tt.wrong)
		}
		if strings.Contains(string(a.body), "s3cr3t") {
			t.Errorf("a value is told: %s", a.body)
		}
	}
	for _, event := range []string{"shop", "shop:", ":n", "shop:*", "*", "shop:a:b", "shop:a%20b", strings.Repeat("x", 129) + ":n"} {
		if a := w.do(t, "local", http.MethodPut, typesPath+"/"+event, `{}`); a.status != http.StatusBadRequest || !slices.Equal(a.wrong(t), []string{"type"}) {
			t.Errorf("%s: %d %s", event, a.status, a.body)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			wantStatus(t, method+" "+event, w.do(t, "local", method, typesPath+"/"+event, ""), http.StatusNotFound)
		}
	}
	for name, tt := range map[string]struct {
		body, media string
		want        int
	}{
		"nothing": {"", "", 400}, "null": {"null", "", 400}, "an array": {"[]", "", 400}, "twice": {`{"internal":true,"internal":false}`, "", 400},
		"a form": {"{}", "application/x-www-form-urlencoded", 415}, "a charset": {"{}", "application/json; charset=utf-8", 200},
		"256 KB and a byte": {"{}" + strings.Repeat(" ", 256<<10-1), "", 413},
	} {
		wantStatus(t, name, w.do(t, "local", http.MethodPut, typesPath+"/shop:n", tt.body, "Content-Type", tt.media), tt.want)
	}
}

func TestAnAccountRegistersTwoMegabytesOfTypesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := `{"example":"` + strings.Repeat("x", 60<<10) + `","schema":{"title":"` + strings.Repeat("x", 60<<10) + `"}}`
	for i := range 17 {
		wantStatus(t, "within", w.do(t, "local", http.MethodPut, fmt.Sprintf("%s/shop:n%d", typesPath, i), body), http.StatusOK)
	}
	wantStatus(t, "beyond", w.do(t, "local", http.MethodPut, typesPath+"/shop:more", body), http.StatusConflict)
	wantStatus(t, "replaced", w.do(t, "local", http.MethodPut, typesPath+"/shop:n0", body), http.StatusOK)
	wantStatus(t, "by another", w.do(t, "other", http.MethodPut, typesPath+"/shop:more", body), http.StatusOK)
}

func TestWhatIsPublishedIsCheckedAsTheAccountSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = typesPath + "/sign:done"
	publish := func(client string) answer {
		return w.do(t, client, http.MethodPost, eventsPath, `{"events":[`+event("")+`,`+event(`,"accountId":null`)+`]}`)
	}
	const definition = `{"schema":{"properties":{"a":{"type":"string"}}},"validation":"%s"}`
	w.do(t, "local", http.MethodPut, path, fmt.Sprintf(definition, "enforce")).json(t, http.StatusOK)
	refused := publish("local")
	if got := refused.wrong(t); !slices.Equal(got, []string{"events[0].eventData/a", "events[1].eventData/a"}) ||
		!strings.Contains(string(refused.body), "must be string, says its schema at #/properties/a/type") {
		t.Errorf("%s", refused.body)
	}
	wantStatus(t, "another account's event", publish("other"), http.StatusAccepted)
	w.do(t, "local", http.MethodPut, path, fmt.Sprintf(definition, "warn")).json(t, http.StatusOK)
	for i, row := range publish("local").json(t, http.StatusAccepted)["data"].([]any) {
		want := fmt.Sprintf("[events[%d].eventData/a must be string, says its schema at #/properties/a/type]", i)
		if got := fmt.Sprint(row.(map[string]any)["warnings"]); got != want {
			t.Errorf("warned of %s, want %s", got, want)
		}
	}
	w.do(t, "local", http.MethodPut, path, fmt.Sprintf(definition, "off")).json(t, http.StatusOK)
	for _, row := range publish("local").json(t, http.StatusAccepted)["data"].([]any) {
		if warnings, given := row.(map[string]any)["warnings"]; given {
			t.Errorf("warned of %v", warnings)
		}
	}
}

// typeSchema is the schema of a type's configuration.
func typeSchema(t *testing.T, w *world, kind string) (*schema.Schema, bool) {
	t.Helper()
	for _, row := range w.do(t, "local", http.MethodGet, signicat.Base+"/metadata/subscription-types", "").json(t, http.StatusOK)["data"].([]any) {
		row := row.(map[string]any)
		if row["type"] != kind {
			continue
		}
		text, err := json.Marshal(row["schema"])
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Compile(text)
		if err != nil || row["description"] == "" {
			t.Fatalf("%s: %v", kind, err)
		}
		return s, row["supported"].(bool)
	}
	t.Fatalf("no type %s", kind)
	return nil, false
}

func TestTheSchemaOfAWebhookIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	s, supported := typeSchema(t, newWorld(t), "Webhook")
	if !supported {
		t.Error("not supported")
	}
	pushers := push.New(push.Options{Policy: push.Local()})
	headers := func(h string) string { return `{"url":"https://receiver.example/","headers":` + h + `}` }
	for configuration, takes := range map[string]bool{
		`{"url":"https://receiver.example/hook?a=b@c"}`:                     true,
		`{"url":"HTTP://receiver.example:8080"}`:                            true,
		`{"url":"https://receiver.example?x"}`:                              true,
		`{"url":"https://receiver.example/","more":[1e999],"timeout":"5s"}`: true,
		`{"url":"https://receiver.example/","timeout":2.5}`:                 true,
		`{}`:                                     false,
		`[]`:                                     false,
		`null`:                                   false,
		`"https://receiver.example/"`:            false,
		`{"url":null}`:                           false,
		`{"url":7}`:                              false,
		`{"url":""}`:                             false,
		`{"url":"receiver.example"}`:             false,
		`{"url":"/hook"}`:                        false,
		`{"url":"ftp://receiver.example/"}`:      false,
		`{"url":"https:///hook"}`:                false,
		`{"url":"https://receiver.example/#x"}`:  false,
		`{"url":"https://receiver.example/a b"}`: false,
		`{"url":"https://receiver.example\\@x/"}`: false,
		`{"url":"https://user@receiver.example"}`: false,
		`{"url":"https://receiver.example/` + strings.Repeat("x", 2048-len("https://receiver.example/")) + `"}`: true,
		`{"url":"https://receiver.example/` + strings.Repeat("x", 2049-len("https://receiver.example/")) + `"}`: false,
		headers(`null`): true,
		headers(`{}`):   true,
		headers(`{"Authorization":"Bearer x","X-A":"","User-Agent":"tab\tand é","X-B":null}`): true,
		headers(`[]`):                                          false,
		headers(`{"X-A":1}`):                                   false,
		headers(`{"":"x"}`):                                    false,
		headers(`{"X A":"x"}`):                                 false,
		headers(`{"X-Ä":"x"}`):                                 false,
		headers(`{"X-A":"a\r\nb"}`):                            false,
		headers(`{"X-A":"\u0000"}`):                            false,
		headers(`{"X-A":"\u007f"}`):                            false,
		headers(`{"Host":"x"}`):                                false,
		headers(`{"hOST":"x"}`):                                false,
		headers(`{"Hosts":"x"}`):                               true,
		headers(`{"TE":"x"}`):                                  false,
		headers(`{"X-Te":"x"}`):                                true,
		headers(`{"Keep-Alive":"x"}`):                          false,
		headers(`{"Content-Type":"x"}`):                        false,
		headers(`{"WEBHOOK-ID":"x"}`):                          false,
		headers(`{"X-Amz-Date":"x"}`):                          false,
		headers(`{"Proxy-X":"x"}`):                             false,
		headers(`{"X-A":"` + strings.Repeat("x", 1025) + `"}`): false,
		headers(`{` + numbered(10) + `}`):                      true,
		headers(`{` + numbered(11) + `}`):                      false,
	} {
		if err := pushers.Check("Webhook", json.RawMessage(configuration)); (err == nil) != takes {
			t.Errorf("push says of %.100s: %v", configuration, err)
		}
		if got := s.Check([]byte(configuration)); (len(got) == 0) != takes {
			t.Errorf("the schema says of %.100s: %v", configuration, got)
		}
	}
}

func numbered(n int) string {
	var headers []string
	for i := range n {
		headers = append(headers, fmt.Sprintf(`"X-%d":"x"`, i))
	}
	return strings.Join(headers, ",")
}

func TestTheOtherTypesOfSubscriptionsAreDescribedAndNotServedYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for kind, configuration := range map[string]string{
		"AzureServiceBus": `{"connectionString":"Endpoint=sb://ns.servicebus.windows.net/;EntityPath=queue"}`,
		"GooglePubSub":    `{"credential":{"type":"service_account"},"topicId":"t","projectId":"p"}`,
		"Mint":            `{"flowId":"f"}`,
	} {
		s, supported := typeSchema(t, w, kind)
		if supported || len(s.Check([]byte(configuration))) != 0 || len(s.Check([]byte(`{}`))) == 0 {
			t.Errorf("%s: supported %v, %v", kind, supported, s.Check([]byte(configuration)))
		}
		body := `{"name":"abc","type":"` + kind + `","typeConfiguration":` + configuration + `}`
		wantStatus(t, kind, w.do(t, "local", http.MethodPost, subscriptionsPath, body), http.StatusBadRequest)
	}
}

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
