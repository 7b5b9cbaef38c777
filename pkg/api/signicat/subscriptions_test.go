package signicat_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func TestASubscriptionIsValidatedMemberByMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	many := func(n int, element string) string { return "[" + strings.Repeat(element+",", n-1) + element + "]" }
	named := func(name string) string {
		return `{"name":"` + name + `","type":"Webhook","typeConfiguration":{"url":"https://receiver.example/"}}`
	}
	configured := func(c string) string { return `{"name":"abc","type":"Webhook","typeConfiguration":` + c + `}` }
	for name, tt := range map[string]struct {
		body  string
		wrong []string // nil: it is accepted
	}{
		"nothing":                     {`{}`, []string{"name", "type", "typeConfiguration"}},
		"all null":                    {`{"name":null,"type":null,"typeConfiguration":null,"eventNameFilter":null,"tagFilter":null,"messageAuthentication":null,"expiresAt":null,"ownerId":null,"includeInternalEvents":null,"isGlobalSubscription":null}`, []string{"name", "type", "typeConfiguration"}},
		"all of a wrong kind":         {`{"name":1,"type":2,"typeConfiguration":"x","eventNameFilter":"a:b","tagFilter":{},"messageAuthentication":"HmacSha256","expiresAt":1,"ownerId":5,"includeInternalEvents":"no","isGlobalSubscription":0}`, []string{"name", "type", "eventNameFilter", "tagFilter", "expiresAt", "includeInternalEvents", "isGlobalSubscription", "ownerId", "messageAuthentication"}},
		"the least":                   {webhook(""), nil},
		"optional members null":       {webhook(`,"eventNameFilter":null,"tagFilter":null,"messageAuthentication":null,"expiresAt":null,"ownerId":null,"includeInternalEvents":null,"isGlobalSubscription":null`), nil},
		"privileges not asked for":    {webhook(`,"includeInternalEvents":false,"isGlobalSubscription":false`), nil},
		"unknown members":             {webhook(`,"x":1,"x":2,"Name":"y"`), nil},
		"a member twice":              {webhook(`,"name":"Other"`), []string{"name"}},
		"a member in another case":    {strings.Replace(webhook(""), "name", "Name", 1), []string{"name"}},
		"a name of 2":                 {named("ab"), []string{"name"}},
		"a name of 3":                 {named("abc"), nil},
		"a name of 2 characters":      {named("éé"), []string{"name"}},
		"a name of 64 characters":     {named(strings.Repeat("é", 64)), nil},
		"a name of 65":                {named(strings.Repeat("a", 65)), []string{"name"}},
		"an empty type":               {`{"name":"abc","type":"","typeConfiguration":{"url":"https://receiver.example/"}}`, []string{"type"}},
		"an unknown type":             {`{"name":"abc","type":"webhook","typeConfiguration":{"url":"https://receiver.example/"}}`, []string{"type"}},
		"no url":                      {configured(`{}`), []string{"typeConfiguration.url"}},
		"no object":                   {configured(`[]`), []string{"typeConfiguration"}},
		"a url of another scheme":     {configured(`{"url":"ftp://receiver.example/"}`), []string{"typeConfiguration.url"}},
		"a private address":           {configured(`{"url":"http://10.0.0.1/"}`), []string{"typeConfiguration.url"}},
		"the metadata address":        {configured(`{"url":"http://169.254.169.254/latest/"}`), []string{"typeConfiguration.url"}},
		"a reserved header":           {configured(`{"url":"https://receiver.example/","headers":{"Host":"x","webhook-id":"y","Authorization":"z"}}`), []string{"typeConfiguration.headers.Host", "typeConfiguration.headers.webhook-id"}},
		"members nobody knows":        {configured(`{"url":"https://receiver.example/","x":1e999,"y":[[]]}`), nil},
		"16 KB":                       {configured(`{"url":"https://receiver.example/","x":"` + strings.Repeat("x", 16<<10-len(`{"url":"https://receiver.example/","x":""}`)) + `"}`), nil},
		"a byte more":                 {configured(`{"url":"https://receiver.example/","x":"` + strings.Repeat("x", 16<<10+1-len(`{"url":"https://receiver.example/","x":""}`)) + `"}`), []string{"typeConfiguration"}},
		"a mask of nothing":           {configured(`{"url":"https://receiver.example/","headers":{"X-A":"********"}}`), []string{"typeConfiguration"}},
		"stars that mask nothing":     {configured(`{"url":"https://receiver.example/********"}`), nil},
		"filters":                     {webhook(`,"eventNameFilter":["a:b","a:*","*","a:b"]`), nil},
		"no filters":                  {webhook(`,"eventNameFilter":[]`), nil},
		"filters of other forms":      {webhook(`,"eventNameFilter":["a:*b","a:b","*:*","","a","*:b","a:b.*",":*","a b:c","a:b:c"]`), []string{"eventNameFilter[0]", "eventNameFilter[2]", "eventNameFilter[3]", "eventNameFilter[4]", "eventNameFilter[5]", "eventNameFilter[6]", "eventNameFilter[7]", "eventNameFilter[8]", "eventNameFilter[9]"}},
		"a filter that is no text":    {webhook(`,"eventNameFilter":["a:b",1]`), []string{"eventNameFilter"}},
		"200 filters":                 {webhook(`,"eventNameFilter":` + many(200, `"a:b"`)), nil},
		"201 filters":                 {webhook(`,"eventNameFilter":` + many(201, `"a:b"`)), []string{"eventNameFilter"}},
		"tags":                        {webhook(`,"tagFilter":["a","` + strings.Repeat("é", 128) + `"]`), nil},
		"tags of a wrong length":      {webhook(`,"tagFilter":["","a","` + strings.Repeat("a", 129) + `",null]`), []string{"tagFilter[0]", "tagFilter[2]", "tagFilter[3]"}},
		"50 tags":                     {webhook(`,"tagFilter":` + many(50, `"a"`)), nil},
		"10000 empty tags":            {webhook(`,"tagFilter":` + many(10_000, `""`)), []string{"tagFilter"}},
		"an end":                      {webhook(`,"expiresAt":"2030-01-01T00:00:00+02:00"`), nil},
		"no end":                      {webhook(`,"expiresAt":"tomorrow"`), []string{"expiresAt"}},
		"an end nobody sees":          {webhook(`,"expiresAt":"2201-01-01T00:00:00Z"`), []string{"expiresAt"}},
		"its owner":                   {webhook(`,"ownerId":"` + local + `"`), nil},
		"another owner":               {webhook(`,"ownerId":"` + other + `"`), []string{"ownerId"}},
		"unsigned":                    {webhook(`,"messageAuthentication":{"authenticationType":"None"}`), nil},
		"an unknown signature":        {webhook(`,"messageAuthentication":{"authenticationType":"hmacSha256"}`), []string{"messageAuthentication.authenticationType"}},
		"no kind of signature":        {webhook(`,"messageAuthentication":{}`), []string{"messageAuthentication.authenticationType"}},
		"an HMAC without a secret":    {webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256"}`), []string{"messageAuthentication.hmacSha256.secret"}},
		"an HMAC with an empty one":   {webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":""}}`), []string{"messageAuthentication.hmacSha256.secret"}},
		"a secret of 1 KB":            {webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"` + strings.Repeat("s", 1024) + `"}}`), nil},
		"a byte more of secret":       {webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"` + strings.Repeat("s", 1025) + `"}}`), []string{"messageAuthentication.hmacSha256.secret"}},
		"Standard Webhooks, too long": {webhook(`,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":{"secret":"` + strings.Repeat("s", 1025) + `"}}`), []string{"messageAuthentication.standardWebhooks.secret"}},
	} {
		a := w.do(t, "local", http.MethodPost, subscriptionsPath, tt.body)
		if tt.wrong == nil {
			wantStatus(t, name, a, http.StatusOK)
		} else if a.status != http.StatusBadRequest || !slices.Equal(a.wrong(t), tt.wrong) {
			t.Errorf("%s: %d %s, want %v", name, a.status, a.body, tt.wrong)
		}
	}
}

func TestABodyOfASubscriptionIsJSONOf256KilobytesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		path := subscriptionsPath
		if method != http.MethodPost {
			path += "/" + id
		}
		for name, tt := range map[string]struct {
			body, media string
			want        int
		}{
			"nothing":         {"", "", 400},
			"null":            {"null", "", 400},
			"an array":        {"[]", "", 400},
			"a text":          {`"x"`, "", 400},
			"something after": {webhook("") + "x", "", 400},
			"no UTF-8":        {"{\"name\":\"\xff\xff\xff\"}", "", 400},
			"a form":          {webhook(""), "application/x-www-form-urlencoded", 415},
			"a charset":       {webhook(""), "application/json; charset=utf-8", 200},
			"256 KB":          {webhook("") + strings.Repeat(" ", 256<<10-len(webhook(""))), "", 200},
			"a byte more":     {webhook("") + strings.Repeat(" ", 256<<10+1-len(webhook(""))), "", 413},
		} {
			wantStatus(t, method+" of "+name, w.do(t, "local", method, path, tt.body, "Content-Type", tt.media), tt.want)
		}
	}
}

func TestAnUpdateKeepsNameAndStateAndRemovesTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		for _, least := range []string{
			`{"type":"Webhook","typeConfiguration":{"url":"https://other.example/"}}`,
			`{"type":"Webhook","typeConfiguration":{"url":"https://other.example/"},"name":null,"active":null,"eventNameFilter":null,"tagFilter":null,"messageAuthentication":null,"expiresAt":null,"includeInternalEvents":null}`,
		} {
			id := w.subscribe(t, "local", `,"eventNameFilter":["a:b"],"tagFilter":["t"],"expiresAt":"2030-01-01T00:00:00Z",
				"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"s"}}`)
			got := w.do(t, "local", method, subscriptionsPath+"/"+id, least).json(t, http.StatusOK)
			if got["name"] != "My Subscription" || got["active"] != true || fmt.Sprint(got["eventNameFilter"], got["tagFilter"]) != "[] []" ||
				got["messageAuthentication"] != nil || got["expiresAt"] != nil || got["id"] != id ||
				fmt.Sprint(got["typeConfiguration"]) != "map[url:https://other.example/]" {
				t.Errorf("%s %s: %v", method, least, got)
			}
		}
	}
}

func TestAnUpdateSwitchesOnAndOffOnlyWhereItSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	for _, tt := range []struct {
		members string
		want    bool
	}{{"", true}, {`,"active":false`, false}, {"", false}, {`,"active":null`, false}, {`,"active":true`, true}, {`,"active":null`, true}} {
		got := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(tt.members)).json(t, http.StatusOK)
		if got["active"] != tt.want {
			t.Errorf("after %q it is active: %v", tt.members, got["active"])
		}
	}
}

func TestAnUpdateIsValidatedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	before := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "")
	for name, tt := range map[string]struct {
		body  string
		wrong []string
	}{
		"nothing":            {`{}`, []string{"type", "typeConfiguration"}},
		"another type":       {`{"type":"Mint","typeConfiguration":{"url":"https://receiver.example/"}}`, []string{"type"}},
		"the type's case":    {`{"type":"WEBHOOK","typeConfiguration":{"url":"https://receiver.example/"}}`, []string{"type"}},
		"another owner":      {webhook(`,"ownerId":"` + organization + `"`), []string{"ownerId"}},
		"a state of text":    {webhook(`,"active":"yes"`), []string{"active"}},
		"a bad url and name": {`{"type":"Webhook","name":"x","typeConfiguration":{"url":"x"}}`, []string{"name", "typeConfiguration.url"}},
	} {
		if a := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, tt.body); a.status != http.StatusBadRequest || !slices.Equal(a.wrong(t), tt.wrong) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if after := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, ""); !bytes.Equal(after.body, before.body) {
		t.Errorf("a refused update changed it:\n%s\n%s", before.body, after.body)
	}
}

func TestADeletedSubscriptionIsGoneAndItsSecretsWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", `,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"s"}}`)
	gone := w.do(t, "local", http.MethodDelete, subscriptionsPath+"/"+id, "")
	if gone.status != http.StatusNoContent || len(gone.body) != 0 {
		t.Fatalf("%d %s", gone.status, gone.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		wantStatus(t, method, w.do(t, "local", method, subscriptionsPath+"/"+id, webhook("")), http.StatusNotFound)
	}
	if list := w.do(t, "local", http.MethodGet, subscriptionsPath, "").json(t, http.StatusOK); len(list["data"].([]any)) != 0 {
		t.Errorf("listed: %v", list)
	}
	tombstone, err := w.DB.Subscription(t.Context(), hermod.Ref{Owner: local, ID: id})
	if err != nil || !tombstone.Deleted() || len(tombstone.Sealed) != 0 {
		t.Errorf("tombstone %+v, %v", tombstone, err)
	}
}

func TestAnEndedSubscriptionIsShownAsNotActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", `,"expiresAt":"`+start.Add(time.Hour).Format(time.RFC3339)+`"`)
	for _, want := range []bool{true, false} {
		read := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "").json(t, http.StatusOK)
		item := w.do(t, "local", http.MethodGet, subscriptionsPath, "").json(t, http.StatusOK)["data"].([]any)[0].(map[string]any)
		if read["active"] != want || item["active"] != want {
			t.Errorf("at %v: read %v, listed %v", w.Now(), read["active"], item["active"])
		}
		w.advance(time.Hour)
	}
}

func TestSubscriptionsAreListedOldestFirstPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for range 7 {
		want = append(want, w.subscribe(t, "local", ""))
		w.advance(time.Second)
	}
	w.subscribe(t, "other", "")
	for limit := 1; limit <= 8; limit++ {
		var got []string
		next := fmt.Sprintf("%s?Limit=%d&x=y%%20z", subscriptionsPath, limit)
		for next != "" {
			page := w.do(t, "local", http.MethodGet, next, "").json(t, http.StatusOK)
			for _, item := range page["data"].([]any) {
				m := item.(map[string]any)
				got = append(got, m["id"].(string))
				if m["url"] != "http://host"+subscriptionsPath+"/"+m["id"].(string) {
					t.Errorf("url %v", m["url"])
				}
			}
			url, _ := page["next"].(string)
			next = strings.TrimPrefix(url, "http://host")
			if next != "" && !strings.Contains(next, fmt.Sprintf("Limit=%d", limit)) {
				t.Errorf("next %s loses the limit", next)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	for _, bad := range []string{"0", "101", "-1", "x", "1.5", "99999999999999999999"} {
		if a := w.do(t, "local", http.MethodGet, subscriptionsPath+"?limit="+bad, ""); a.status != 400 || !slices.Equal(a.wrong(t), []string{"limit"}) {
			t.Errorf("limit %s: %d %s", bad, a.status, a.body)
		}
	}
}

func TestASubscriptionOfAnotherDialectIsNotThisOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := "s-" + local + "-other"
	err := w.Store.CreateSubscription(t.Context(), &hermod.Subscription{
		ID: id, Owner: local, Dialect: "telia", Name: "abc", Type: hermod.Webhook, Active: true, CreatedAt: start, Version: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		wantStatus(t, method, w.do(t, "local", method, subscriptionsPath+"/"+id, webhook("")), http.StatusNotFound)
	}
	if list := w.do(t, "local", http.MethodGet, subscriptionsPath, "").json(t, http.StatusOK); len(list["data"].([]any)) != 0 {
		t.Errorf("listed: %v", list)
	}
}

func TestIDsThatNoStoreHoldsAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"x", "s-", "s--", "s--abcde", "s-" + local, "s-" + local + "-", "s-" + local + "-%00", "s-" + local + "-" + strings.Repeat("x", 5000), "s-" + strings.ToUpper(local) + "-abcde", local} {
		wantStatus(t, id, w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, ""), http.StatusNotFound)
	}
}
