package signicat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

const eventsPath = signicat.Base + "/events"

// ids are the ids that a 202 answers.
func ids(t *testing.T, a answer) []string {
	t.Helper()
	var list []string
	for _, item := range a.json(t, http.StatusAccepted)["data"].([]any) {
		m := item.(map[string]any)
		id := m["id"].(string)
		if want := "http://host" + eventsPath + "/" + id; m["url"] != want {
			t.Errorf("url %v, want %s", m["url"], want)
		}
		list = append(list, id)
	}
	return list
}

// count is how many events the owner has.
func (w *world) count(t *testing.T, owner string) int {
	t.Helper()
	page, err := w.DB.Events(t.Context(), hermod.EventQuery{Owner: owner, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Events)
}

func TestAnEventIsAcceptedAndReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.publish(t, "local", `,"tags":["<x>"],"timestamp":"2026-03-01T11:00:00.1234567Z","expiresAt":"2026-03-02T00:00:00Z"`)
	got := w.do(t, "local", http.MethodGet, eventsPath+"/"+id, "").json(t, http.StatusOK)
	inner := got["event"].(map[string]any)
	if got["id"] != id || inner["id"] != id || inner["accountId"] != local || inner["organizationId"] != nil ||
		inner["timestamp"] != "2026-03-01T11:00:00.1234567Z" || inner["expiresAt"] != "2026-03-02T00:00:00Z" || fmt.Sprint(inner["tags"]) != "[<x>]" {
		t.Errorf("read %v", got)
	}
}

func TestABatchIsAcceptedInItsOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []string
	for i := range hermod.MaxEventsPerRequest {
		events = append(events, event(fmt.Sprintf(`,"tags":["%d"]`, i)))
	}
	list := ids(t, w.do(t, "local", http.MethodPost, eventsPath, `{"events":[`+strings.Join(events, ",")+`]}`))
	if !slices.IsSorted(list) || len(slices.Compact(list)) != len(events) {
		t.Fatalf("ids %v", list)
	}
	last := w.do(t, "local", http.MethodGet, eventsPath+"/"+list[99], "").json(t, http.StatusOK)
	if tags := last["event"].(map[string]any)["tags"]; fmt.Sprint(tags) != "[99]" {
		t.Errorf("the last has tags %v", tags)
	}
}

func TestCloudEventsAreTakenInBothModes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cloud := func(id, data string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"src","type":"sign:done","data":` + data + `}`
	}
	post := func(media, body string) answer {
		return w.do(t, "local", http.MethodPost, eventsPath, body, "Content-Type", media, "Idempotency-Key", "not for CloudEvents")
	}
	one := ids(t, post("application/cloudevents+json; charset=utf-8", cloud("1", "1")))
	again := ids(t, post("application/cloudevents+json", cloud("1", "1")))
	batch := ids(t, post("application/cloudevents-batch+json", `[`+cloud("2", "2")+`,`+cloud("1", "1")+`]`))
	if one[0] != again[0] || batch[1] != one[0] || w.count(t, local) != 2 {
		t.Errorf("one %v, again %v, batch %v, %d events", one, again, batch, w.count(t, local))
	}
	wantStatus(t, "the id with other data", post("application/cloudevents+json", cloud("1", "3")), http.StatusConflict)
	long := w.do(t, "local", http.MethodPost, eventsPath, cloud("4", "4"),
		"Content-Type", "application/cloudevents+json", "Idempotency-Key", strings.Repeat("k", 257))
	wantStatus(t, "a header that is no key", long, http.StatusBadRequest)
}

func TestOtherContentTypesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for media, want := range map[string]int{
		"": 202, "application/json": 202, "APPLICATION/JSON;charset=utf-8": 202, "application/json; charset": 415, "text/plain": 415,
		"application/x-www-form-urlencoded": 415, "application/xml": 415, "application/problem+json": 415, "application/jsonx": 415,
	} {
		wantStatus(t, media, w.do(t, "local", http.MethodPost, eventsPath, event(""), "Content-Type", media), want)
	}
}

func TestOneBadEventRefusesTheRequestAndStoresNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		body   string
		status int
		wrong  []string
	}{
		"a member wrong":     {`{"events":[` + event("") + `,{"sender":"s","eventName":"n"}]}`, 400, []string{"events[1].eventData"}},
		"an empty batch":     {`{"events":[]}`, 400, []string{"events"}},
		"one too many":       {`{"events":[` + strings.Repeat(event("")+",", 100) + event("") + `]}`, 400, []string{"events"}},
		"no JSON":            {`{"sender":`, 400, []string{}},
		"no body":            {``, 400, []string{}},
		"null":               {`null`, 400, []string{}},
		"one too large":      {`{"events":[` + event("") + `,` + event(`,"x":"`+strings.Repeat("x", hermod.MaxEventBytes)+`"`) + `]}`, 413, nil},
		"all too large":      {strings.Repeat(" ", hermod.MaxRequestBytes+1), 413, nil},
		"a foreign account":  {`{"events":[` + event("") + `,` + event(`,"accountId":"`+other+`"`) + `]}`, 403, nil},
		"nobody's account":   {event(`,"accountId":"a-spge-Nobody"`), 403, nil},
		"a foreign org":      {event(`,"organizationId":"o-p-Foreign"`), 403, nil},
		"the org as account": {event(`,"accountId":"` + organization + `"`), 403, nil},
	} {
		a := w.do(t, "local", http.MethodPost, eventsPath, tt.body)
		wantStatus(t, name, a, tt.status)
		if tt.wrong != nil && !slices.Equal(a.wrong(t), tt.wrong) {
			t.Errorf("%s: %v, want %v", name, a.wrong(t), tt.wrong)
		}
	}
	if n := w.count(t, local) + w.count(t, other); n != 0 {
		t.Errorf("%d events were stored", n)
	}
}

func TestMalformedJSONHasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{eventsPath, subscriptionsPath} {
		for body, code := range map[string]string{`{`: "invalid_json", "{\"a\":\"\xff\"}": "invalid_json", `[]`: "invalid_request_parameter", `{}`: "invalid_request_parameter"} {
			p := w.do(t, "local", http.MethodPost, path, body).json(t, http.StatusBadRequest)
			if p["code"] != code {
				t.Errorf("%s %q: %v", path, body, p)
			}
		}
	}
}

func TestAPublisherNamesItselfUnlessItMayPublishForAnyone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func(client, target, body string) answer {
		return w.do(t, client, http.MethodPost, eventsPath+target, body)
	}
	wantStatus(t, "its account", post("local", "", event(`,"accountId":"`+local+`"`)), 202)
	wantStatus(t, "its organization", post("local", "", event(`,"organizationId":"`+organization+`"`)), 202)
	wantStatus(t, "its owners in the query", post("local", "?signicat-accountId="+local+"&signicat-organizationId="+organization, event("")), 202)
	wantStatus(t, "a foreign one in the query", post("local", "?signicat-accountId="+other, event("")), 403)
	wantStatus(t, "no organization of its own", post("other", "", event(`,"organizationId":"`+organization+`"`)), 403)
	wantStatus(t, "anyone for others", post("anyone", "?signicat-accountId="+local, event(`,"accountId":"`+local+`","organizationId":"`+organization+`"`)), 202)
	nobody := post("anyone", "", event(`,"accountId":"a-spge-Nobody"`))
	if got := nobody.wrong(t); !slices.Equal(got, []string{"accountId"}) {
		t.Errorf("anyone for nobody: %v", got)
	}
	if n := w.count(t, local); n != 4 {
		t.Errorf("local has %d events", n)
	}
}

func TestAnEventIsSeenByItsAccountAndItsOrganizationAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both, mine, theirs := w.publish(t, "local", `,"organizationId":"`+organization+`"`), w.publish(t, "local", ""), w.publish(t, "other", "")
	get := func(client, id, query string) answer {
		return w.do(t, client, http.MethodGet, eventsPath+"/"+id+query, "")
	}
	for _, tt := range []struct {
		client, id, query string
		want              int
	}{
		{"local", both, "", 200},
		{"local", both, "?signicat-organizationId=" + organization, 200},
		{"local", both, "?signicat-accountId=" + local, 200},
		{"local", mine, "", 200},
		{"local", mine, "?signicat-organizationId=" + organization, 404},
		{"local", theirs, "", 404},
		{"other", theirs, "", 200},
		{"other", both, "", 404},
		{"other", both, "?signicat-organizationId=" + organization, 403},
		{"local", strings.ToUpper(mine), "", 404},
		{"local", strings.Repeat("0", 32), "", 404},
		{"local", "x", "", 404},
		{"local", "%00", "", 404},
	} {
		wantStatus(t, fmt.Sprint(tt), get(tt.client, tt.id, tt.query), tt.want)
	}
}

func TestAnIdempotencyKeyStandsForTheWholeBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func(client, key, body string) answer {
		return w.do(t, client, http.MethodPost, eventsPath, body, "Idempotency-Key", key)
	}
	two := `{"events":[` + event("") + `,` + event("") + `]}`
	first, batch := ids(t, post("local", "one", event(""))), ids(t, post("local", "two", two))
	if again := ids(t, post("local", "one", event(""))); again[0] != first[0] {
		t.Errorf("again: %v, was %v", again, first)
	}
	if again := ids(t, post("local", "two", two)); !slices.Equal(again, batch) || batch[0] == batch[1] {
		t.Errorf("again: %v, was %v", again, batch)
	}
	for name, tt := range map[string][2]string{
		"another body":                  {"one", event(`,"tags":["x"]`)},
		"the event in a batch":          {"one", `{"events":[` + event("") + `]}`},
		"the batch with less":           {"two", `{"events":[` + event("") + `]}`},
		"the batch with more":           {"two", `{"events":[` + event("") + `,` + event("") + `,` + event("") + `]}`},
		"the batch's event alone":       {"two", event("")},
		"the same, written another way": {"one", event("") + " "},
	} {
		wantStatus(t, name, post("local", tt[0], tt[1]), http.StatusConflict)
	}
	theirs := ids(t, post("other", "one", event("")))
	if theirs[0] == first[0] || w.count(t, local) != 3 || w.count(t, other) != 1 {
		t.Errorf("another account's key: %v, %d and %d events", theirs, w.count(t, local), w.count(t, other))
	}
}

func TestAnIdempotencyKeyIsOneShortValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		header []string
		want   int
	}{
		"none":           {nil, 202},
		"empty":          {[]string{"Idempotency-Key", ""}, 400},
		"256 bytes":      {[]string{"idempotency-key", strings.Repeat("k", 256)}, 202},
		"257 bytes":      {[]string{"Idempotency-Key", strings.Repeat("k", 257)}, 400},
		"two":            {[]string{"Idempotency-Key", "a", "Idempotency-Key", "a"}, 400},
		"any characters": {[]string{"Idempotency-Key", "\"a\n\xff:0:,é"}, 202},
	} {
		a := w.do(t, "local", http.MethodPost, eventsPath, event(""), tt.header...)
		wantStatus(t, name, a, tt.want)
		if tt.want == 400 && !slices.Equal(a.wrong(t), []string{"Idempotency-Key"}) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestRequestsUnderOneKeyAtOnceAreToldTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.token(t, "local")
	told := make([]string, 16)
	var wg sync.WaitGroup
	for i := range told {
		wg.Go(func() {
			a := w.do(t, "local", http.MethodPost, eventsPath, event(""), "Idempotency-Key", "k")
			told[i] = string(a.body)
		})
	}
	wg.Wait()
	if slices.Sort(told); told[0] != told[len(told)-1] || w.count(t, local) != 1 {
		t.Errorf("told %v, %d events", told, w.count(t, local))
	}
}

func TestASubscriptionIsInForceForTheEventAfterItsAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	matches := func(id string) int {
		parsed, err := hermod.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		e, err := w.DB.Event(t.Context(), local, parsed)
		if err != nil {
			t.Fatal(err)
		}
		return len(e.Matches)
	}
	put := func(id, members string) {
		wantStatus(t, "update", w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(members)), http.StatusOK)
	}
	if n := matches(w.publish(t, "local", "")); n != 0 {
		t.Fatalf("before, %d matches", n)
	}
	id := w.subscribe(t, "local", `,"eventNameFilter":["sign:*"],"tagFilter":["a","b"]`)
	for _, tt := range []struct {
		tags string
		want int
	}{{`["b","c"]`, 1}, {`["c"]`, 0}, {`[]`, 0}} {
		if n := matches(w.publish(t, "local", `,"tags":`+tt.tags)); n != tt.want {
			t.Errorf("tags %s: %d matches", tt.tags, n)
		}
	}
	put(id, `,"eventNameFilter":["sign:done"]`)
	if n := matches(w.publish(t, "local", "")); n != 1 {
		t.Errorf("without a tag filter %d matches", n)
	}
	put(id, `,"active":false`)
	if n := matches(w.publish(t, "local", "")); n != 0 {
		t.Errorf("switched off, %d matches", n)
	}
	put(id, `,"active":true,"expiresAt":"`+start.Add(time.Hour).Format(time.RFC3339)+`"`)
	if n := matches(w.publish(t, "local", "")); n != 1 {
		t.Errorf("switched on, %d matches", n)
	}
	w.advance(time.Hour)
	if n := matches(w.publish(t, "local", "")); n != 0 {
		t.Errorf("ended, %d matches", n)
	}
	put(id, "")
	wantStatus(t, "delete", w.do(t, "local", http.MethodDelete, subscriptionsPath+"/"+id, ""), http.StatusNoContent)
	if n := matches(w.publish(t, "local", "")); n != 0 {
		t.Errorf("deleted, %d matches", n)
	}
}

func TestDataComesBackAsItWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, data := range []string{`1e400`, `-0.10`, `"<\/&\u2028\ud800\u0000"`, `{"b":1,"a":[null,true,12345678901234567890],"b":2}`, `""`, `null`} {
		id := ids(t, w.do(t, "local", http.MethodPost, eventsPath, `{"sender":"s","eventName":"n","eventData":`+data+`}`))[0]
		var got struct {
			Event struct {
				Data json.RawMessage `json:"eventData"`
			} `json:"event"`
		}
		a := w.do(t, "local", http.MethodGet, eventsPath+"/"+id, "")
		if err := json.Unmarshal(a.body, &got); err != nil || (string(got.Event.Data) != data && data != "null") {
			t.Errorf("%s came back as %s: %v", data, a.body, err)
		}
	}
}
