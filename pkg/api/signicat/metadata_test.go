package signicat_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog"
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
	wantStatus(t, "before", w.do(t, "colleague", http.MethodGet, path, ""), http.StatusNotFound)
	wantStatus(t, "removed before", w.do(t, "colleague", http.MethodDelete, path, ""), http.StatusNotFound)
	full := `{"description":"An order was paid.","internal":true,"example":{"id": 1},"validation":"enforce",
		"schema":{"type":"object","required":["id"], "properties":{"id":{"type":"integer"}}},"more":1}`
	put := w.do(t, "colleague", http.MethodPut, path, full)
	row := put.json(t, http.StatusOK)
	if fmt.Sprint(row) != `map[description:An order was paid. event:shop:order.paid eventName:order.paid example:map[id:1] internal:true `+
		`schema:map[properties:map[id:map[type:integer]] required:[id] type:object] sender:shop url:http://host`+path+` validation:enforce]` {
		t.Errorf("%v", row)
	}
	if got := w.do(t, "colleague", http.MethodGet, path, ""); string(got.body) != string(put.body) {
		t.Errorf("read %s, put %s", got.body, put.body)
	}
	row = w.do(t, "colleague", http.MethodPut, path, `{"description":null,"internal":null,"example":null,"schema":null,"validation":null}`).json(t, http.StatusOK)
	if row["description"] != "" || row["internal"] != false || row["example"] != nil || row["schema"] != nil || row["validation"] != "off" {
		t.Errorf("replaced by nothing it is %v", row)
	}
	// The organization is named, and the registration is the account's all the same.
	wantStatus(t, "as the organization", w.do(t, "colleague", http.MethodPut, path+"?signicat-organizationId="+organization, `{}`), http.StatusOK)
	if _, err := w.DB.Definition(t.Context(), "a-spge-Colleague", "shop:order.paid"); err != nil {
		t.Error(err)
	}
	gone := w.do(t, "colleague", http.MethodDelete, path, "")
	if gone.status != http.StatusNoContent || len(gone.body) != 0 {
		t.Errorf("%d %s", gone.status, gone.body)
	}
	wantStatus(t, "after", w.do(t, "colleague", http.MethodGet, path, ""), http.StatusNotFound)
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

func TestWhatIsInternalIsOpenedByHoldersOfTheScopeAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	event := w.register(t, "ordinary", `{"internal":false}`)
	path := typesPath + "/" + event
	for _, step := range []struct {
		client, method, body string
		want                 int
	}{
		{"ordinary", http.MethodPut, `{"internal":true}`, 200},
		{"ordinary", http.MethodPut, `{"internal":true,"description":"ours"}`, 200},
		{"ordinary", http.MethodPut, `{"internal":false}`, 403},
		{"ordinary", http.MethodPut, `{"internal":null}`, 403},
		{"ordinary", http.MethodPut, `{"description":"opened"}`, 403},
		{"ordinary", http.MethodDelete, "", 403},
		{"privileged", http.MethodPut, `{"description":"opened"}`, 200},
		{"ordinary", http.MethodPut, `{"description":"ours"}`, 200},
		{"ordinary", http.MethodPut, `{"internal":true}`, 200},
		{"privileged", http.MethodDelete, "", 204},
		{"ordinary", http.MethodPut, `{}`, 200},
		{"ordinary", http.MethodDelete, "", 204},
		{"ordinary", http.MethodDelete, "", 404},
	} {
		before := string(w.do(t, "ordinary", http.MethodGet, path, "").body)
		a := w.do(t, step.client, step.method, path, step.body)
		wantStatus(t, step.client+" "+step.method+" "+step.body, a, step.want)
		if step.want != http.StatusForbidden {
			continue
		}
		if after := string(w.do(t, "ordinary", http.MethodGet, path, "").body); after != before || !strings.Contains(string(a.body), "events.internal") {
			t.Errorf("%s %s left %s", step.method, a.body, after)
		}
	}
}

func TestWhoeverMayNotPublishCannotHaveEventsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := signicat.Base + "/metadata/events/sign:done"
	put := func(client, validation string) answer {
		return w.do(t, client, http.MethodPut, path, `{"schema":{"type":"object"},"validation":"`+validation+`"}`)
	}
	wantStatus(t, "enforce", put("manager", "enforce"), http.StatusForbidden)
	wantStatus(t, "nothing was registered", w.do(t, "manager", http.MethodGet, path, ""), http.StatusNotFound)
	wantStatus(t, "warn", put("manager", "warn"), http.StatusOK)
	wantStatus(t, "enforce, by one who publishes", put("ordinary", "enforce"), http.StatusOK)
	wantStatus(t, "off", put("manager", "off"), http.StatusOK)
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
