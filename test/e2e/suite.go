package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Run runs the whole suite against a target.
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Target)
	}{
		{"a token is issued for credentials in the body and in a header", testToken},
		{"an event arrives signed and stands in the log", testArrival},
		{"a batch arrives whole", testBatch},
		{"CloudEvents are accepted once each", testCloudEvents},
		{"an idempotency key makes one event of many requests", testIdempotency},
		{"bad input is named member by member and nothing of it is stored", testBadInput},
		{"messages of the ingest queue are accepted, bad ones end in its dead letters", testIngestQueue},
		{"events on the bus are accepted", testBus},
		{"events go to the subscriptions that match and to no others", testMatching},
		{"a subscription is in force for the next event", testNoStaleWindow},
		{"a failure is tried again with the same bytes", testRetry},
		{"what never succeeds ends in the dead letters", testExhaustion},
		{"410 disables the subscription", testGone},
		{"a redirect is a failure and is not followed", testRedirect},
		{"no attempt is made after the event's end", testExpiry},
		{"Retry-After is honoured", testRetryAfter},
		{"subscriptions are created, read, listed, changed and deleted", testSubscriptions},
		{"another account sees and changes nothing", testIsolation},
		{"the delivery log is paged and filtered", testLog},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, target)
		})
	}
}

// sender makes a sender that no other test uses.
func sender() string { return "e2e-" + strings.ToLower(rand.Text()[:12]) }

func event(sender, name string, data any) map[string]any {
	return map[string]any{"sender": sender, "eventName": name, "eventData": data}
}

func testToken(t *testing.T, target Target) {
	c := target.as(t, "local")
	if n := strings.Count(c.token, "."); n != 2 {
		t.Errorf("the token has %d dots; a JWT has 2", n)
	}
	form := "grant_type=client_credentials&scope=signicat-api"
	link := target.BaseURL + "/auth/open/connect/token"
	request := func(user, password string) *answer {
		basic := &caller{t: t, target: target}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(user, password)
		return basic.do(http.MethodPost, link, "application/x-www-form-urlencoded", form, "Authorization", r.Header.Get("Authorization"))
	}
	got := request("local", "local-secret").want(http.StatusOK)
	if got.text("token_type") != "Bearer" || got.number("expires_in") != 600 || got.text("scope") != "signicat-api" {
		t.Errorf("token answer %s", got.body)
	}
	if code := request("local", "wrong").want(http.StatusUnauthorized).text("error"); code != "invalid_client" {
		t.Errorf("error %q, want invalid_client", code)
	}
	c.token = "no.such.token"
	if code := c.api(http.MethodGet, "/subscriptions", nil).want(http.StatusUnauthorized).text("code"); code != "invalid_token" {
		t.Errorf("code %q, want invalid_token", code)
	}
}

func testArrival(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	subscription := c.subscribe(r, s+":order.completed")
	accepted := c.api(http.MethodPost, "/events", `{"sender":"`+s+`","eventName":"order.completed",
		"eventData":{"orderId":"o-1","amount":12345678901234567890,"note":"<é>"},"tags":["a"]}`).want(http.StatusAccepted)
	id := accepted.text("data.0.id")
	got := r.wait(id)[0]

	got.checkSignature(t)
	for header, want := range map[string]string{"Content-Type": "application/json", "Webhook-Id": id} {
		if value := got.header.Get(header); value != want {
			t.Errorf("%s: %q, want %q", header, value, want)
		}
	}
	if !strings.HasPrefix(got.header.Get("Webhook-Signature"), "v1,") {
		t.Errorf("Webhook-Signature: %q", got.header.Get("Webhook-Signature"))
	}
	if !strings.Contains(string(got.body), `"eventData":{"orderId":"o-1","amount":12345678901234567890,"note":"<é>"}`) {
		t.Errorf("the data was changed: %s", got.body)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(got.body, &members); err != nil || len(members) != 9 {
		t.Errorf("a delivery has %d members, want 9 (%v): %s", len(members), err, got.body)
	}

	item := c.api(http.MethodGet, accepted.text("data.0.url"), nil).want(http.StatusOK)
	if item.text("id") != id || item.text("event.id") != id || item.text("event.accountId") != localAccount {
		t.Errorf("event %s", item.body)
	}
	row := c.waitForRows(subscription, 1)[0]
	one := c.api(http.MethodGet, "/delivery-logs/"+row.text("id"), nil).want(http.StatusOK)
	if one.value("success") != true || one.number("attempt") != 1 || one.text("event.id") != id ||
		one.number("properties.statusCode") != 200 || one.text("subscriptionName") != "End to end" {
		t.Errorf("log item %s", one.body)
	}
	if strings.Contains(string(one.body), "secret=1") {
		t.Errorf("the log shows the query of the target: %s", one.body)
	}
}

// waitForRows waits for so many rows in the log of a subscription and answers them,
// the newest event first and its last attempt first.
func (c *caller) waitForRows(subscription string, n int) []*answer {
	c.t.Helper()
	var rows []*answer
	c.target.eventually(c.t, func() string {
		rows = c.rows("subscriptionId=" + subscription)
		if len(rows) < n {
			return fmt.Sprintf("%d rows in the log, want %d", len(rows), n)
		}
		return ""
	})
	return rows
}

// rows reads a page of the log.
func (c *caller) rows(query string) []*answer {
	c.t.Helper()
	page := c.api(http.MethodGet, "/delivery-logs?"+query, nil).want(http.StatusOK)
	var rows []*answer
	for _, item := range page.list("data") {
		rows = append(rows, &answer{t: c.t, call: "log item", body: []byte(toJSON(c.t, item))})
	}
	return rows
}

func testBatch(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	events := make([]map[string]any, 100)
	for i := range events {
		events[i] = event(s, fmt.Sprintf("n%d", i), i)
	}
	got := c.api(http.MethodPost, "/events", map[string]any{"events": events}).want(http.StatusAccepted)
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = got.text(fmt.Sprintf("data.%d.id", i))
	}
	r.wait(ids...)
}

func testCloudEvents(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	one := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"%s","type":"order.created","data":{"n":1},"tags":"x, y"}`, s)
	link := target.BaseURL + "/events-management/events"
	first := c.do(http.MethodPost, link, "application/cloudevents+json", one).want(http.StatusAccepted).text("data.0.id")
	again := c.do(http.MethodPost, link, "application/cloudevents+json", one).want(http.StatusAccepted).text("data.0.id")
	if first != again {
		t.Errorf("the same CloudEvent was accepted as %s and as %s", first, again)
	}
	batch := fmt.Sprintf(`[%s,{"specversion":"1.0","id":"2","source":"/elsewhere","type":"%s:order.deleted","data":null}]`, one, s)
	got := c.do(http.MethodPost, link, "application/cloudevents-batch+json; charset=utf-8", batch).want(http.StatusAccepted)
	if got.text("data.0.id") != first {
		t.Errorf("the batch made another event of the same CloudEvent")
	}
	r.wait(first, got.text("data.1.id"))
	for _, d := range r.got() {
		if d.event.text("id") == first && (d.event.text("eventName") != "order.created" || d.event.text("tags.1") != "y") {
			t.Errorf("delivered %s", d.body)
		}
	}
}

func testIdempotency(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	key := []string{"Idempotency-Key", rand.Text()}
	first := c.publish(event(s, "made", 1), key...)
	if again := c.publish(event(s, "made", 1), key...); again != first {
		t.Errorf("the same request was accepted as %s and as %s", first, again)
	}
	c.api(http.MethodPost, "/events", event(s, "made", 2), key...).want(http.StatusConflict)
	if free := c.publish(event(s, "made", 1)); free == first {
		t.Errorf("a request without a key was taken for one with a key")
	}
	other := target.as(t, "other")
	if foreign := other.publish(event(s, "made", 3), key...); foreign == first {
		t.Errorf("a key of one account was that of another")
	}
	r.wait(first)
}

func testBadInput(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	good := toJSON(t, event(s, "good", 1))
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	large := fmt.Sprintf(`{"sender":"%s","eventName":"large","eventData":"%s"}`, s, strings.Repeat("x", 256<<10))
	for _, test := range []struct {
		name, body string
		status     int
		params     []string
	}{
		{"no JSON", `{"sender":`, http.StatusBadRequest, nil},
		{"no object", `[1]`, http.StatusBadRequest, nil},
		{"nothing in it", `{}`, http.StatusBadRequest, []string{"sender", "eventName", "eventData"}},
		{"every member wrong", `{"sender":"a b","eventName":7,"eventData":` + deep + `,"tags":"x","timestamp":"soon","expiresAt":1}`,
			http.StatusBadRequest, []string{"sender", "eventName", "eventData", "tags", "timestamp", "expiresAt"}},
		{"one of two", `{"events":[` + good + `,{"sender":"s","eventName":"n"}]}`, http.StatusBadRequest, []string{"events[1].eventData"}},
		{"no events", `{"events":[]}`, http.StatusBadRequest, []string{"events"}},
		{"too many", `{"events":[` + strings.Repeat(good+",", 100) + good + `]}`, http.StatusBadRequest, []string{"events"}},
		{"too large", large, http.StatusRequestEntityTooLarge, nil},
		{"another's account", `{"sender":"` + s + `","eventName":"n","eventData":1,"accountId":"` + otherAccount + `"}`, http.StatusForbidden, nil},
	} {
		got := c.api(http.MethodPost, "/events", test.body)
		if got.status != test.status {
			t.Errorf("%s: status %d, want %d: %s", test.name, got.status, test.status, got.body)
			continue
		}
		if media := got.header.Get("Content-Type"); media != "application/problem+json" {
			t.Errorf("%s: content type %q", test.name, media)
		}
		for i, name := range test.params {
			if named, _ := got.value(fmt.Sprintf("invalidParams.%d.name", i)).(string); named != name {
				t.Errorf("%s: parameter %d is %q, want %q: %s", test.name, i, named, name, got.body)
			}
		}
	}
	last := c.publish(event(s, "last", 1))
	if got := r.wait(last); len(got) != 1 {
		t.Errorf("%d events were delivered; the last one alone was good", len(got))
	}
}

func testIngestQueue(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	bad := `{"sender":"` + s + `","eventName":"bad","accountId":"` + localAccount + `"}`
	for _, body := range []string{
		`{"sender":"` + s + `","eventName":"native","eventData":1,"accountId":"` + localAccount + `"}`,
		bad,
		`{"specversion":"1.0","id":"1","source":"` + s + `","type":"cloud","accountid":"` + localAccount + `","data":2}`,
		`{"version":"0","id":"` + rand.Text() + `","detail-type":"bridge","source":"` + s + `","account":"000000000000",
		  "time":"2026-01-31T09:30:00Z","region":"us-east-1","resources":[],"detail":{"accountId":"` + localAccount + `","eventData":3}}`,
	} {
		if err := target.SendIngest(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	r.waitForNames("native", "cloud", "bridge")
	target.eventually(t, func() string {
		bodies, err := target.IngestDeadLetters(t.Context())
		if err != nil {
			return err.Error()
		}
		for _, body := range bodies {
			if string(body) == bad {
				return ""
			}
		}
		return "the bad message is not among the dead letters"
	})
}

// waitForNames waits until events of the names have arrived.
func (r *receiver) waitForNames(names ...string) {
	r.t.Helper()
	r.target.eventually(r.t, func() string {
		arrived := map[string]bool{}
		for _, d := range r.got() {
			arrived[d.event.text("eventName")] = true
		}
		for _, name := range names {
			if !arrived[name] {
				return "no event " + name + " has arrived"
			}
		}
		return ""
	})
}

func testBus(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	detail := `{"accountId":"` + localAccount + `","tags":["bus"],"eventData":{"n":1}}`
	if err := target.PutBusEvent(t.Context(), s, "order.signed", []byte(detail)); err != nil {
		t.Fatal(err)
	}
	r.waitForNames("order.signed")
	got := r.got()[0]
	if got.event.text("sender") != s || got.event.text("tags.0") != "bus" || got.event.number("eventData.n") != 1 {
		t.Errorf("delivered %s", got.body)
	}
}

func testMatching(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	owned := func(body map[string]any) { body["owner"] = localOrganization }
	tagged := func(body map[string]any) { body["tagFilter"] = []string{"blue", "green"} }
	exact, all, tags, organization := target.receive(t, nil), target.receive(t, nil), target.receive(t, nil), target.receive(t, nil)
	foreign := target.receive(t, nil)
	c.subscribe(exact, s+":a")
	c.subscribe(all, s+":*")
	c.subscribe(tags, s+":*", tagged)
	c.subscribe(organization, s+":*", owned)
	target.as(t, "other").subscribe(foreign, s+":*")

	a := c.publish(event(s, "a", 1))
	b := event(s, "b", 1)
	b["tags"], b["organizationId"] = []string{"red", "green"}, localOrganization
	bID := c.publish(b)
	last := event(s, "a", 2)
	last["tags"], last["organizationId"] = []string{"blue"}, localOrganization
	lastID := c.publish(last)

	for name, want := range map[string]struct {
		at  *receiver
		ids []string
	}{
		"exact": {exact, []string{a, lastID}}, "all": {all, []string{a, bID, lastID}},
		"tags": {tags, []string{bID, lastID}}, "organization": {organization, []string{bID, lastID}}, "foreign": {foreign, nil},
	} {
		want.at.wait(want.ids...)
		if got := want.at.ids(); len(got) != len(want.ids) {
			t.Errorf("%s got %d events, want %d", name, len(got), len(want.ids))
		}
	}
}

func testNoStaleWindow(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	for range 5 {
		r := target.receive(t, nil)
		id := c.subscribe(r, s+":*")
		r.wait(c.publish(event(s, "now", 1)))
		c.api(http.MethodDelete, "/subscriptions/"+id, nil).want(http.StatusNoContent)
		c.publish(event(s, "after", 1))
		for _, d := range r.got() {
			if d.event.text("eventName") == "after" {
				t.Error("a deleted subscription received")
			}
		}
	}
}

func testRetry(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n < 3 {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	subscription := c.subscribe(r, s+":*")
	id := c.publish(event(s, "a", 1))
	rows := c.waitForRows(subscription, 3)
	for i, row := range rows { // the last attempt first
		attempt := int64(3 - i)
		success := attempt == 3
		if row.number("attempt") != attempt || row.value("success") != success || row.text("event.id") != id {
			t.Errorf("row %d: %s", i, row.body)
		}
		if waiting := row.value("properties.nextAttemptAt") != nil; waiting == success {
			t.Errorf("row %d: next attempt %v", i, row.value("properties.nextAttemptAt"))
		}
		if !success && (row.text("properties.errorClass") != "http_5xx" || row.text("properties.responseBody") != "not now\n") {
			t.Errorf("row %d: %s", i, row.body)
		}
	}
	got := r.got()
	for _, d := range got {
		d.checkSignature(t)
		if string(d.body) != string(got[0].body) {
			t.Errorf("a retry sent other bytes: %s", d.body)
		}
	}
	if gap := got[1].at.Sub(got[0].at); gap < 900*time.Millisecond {
		t.Errorf("tried again after %s, want 900ms or more", gap)
	}
}

func testExhaustion(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	subscription := c.subscribe(r, s+":*")
	id := c.publish(event(s, "a", 1))
	rows := c.waitForRows(subscription, 4)
	if rows[0].text("properties.state") != "dead" || rows[0].text("properties.reason") != "exhausted" {
		t.Errorf("last row %s", rows[0].body)
	}
	target.eventually(t, func() string {
		bodies, err := target.DeadLetters(t.Context())
		if err != nil {
			return err.Error()
		}
		for _, body := range bodies {
			if strings.Contains(string(body), id) {
				return ""
			}
		}
		return "the delivery is not among the dead letters"
	})
	if n := len(r.got()); n != 4 {
		t.Errorf("%d attempts, want 4", n)
	}
}

func testGone(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGone) })
	subscription := c.subscribe(r, s+":*")
	c.publish(event(s, "a", 1))
	if row := c.waitForRows(subscription, 1)[0]; row.text("properties.reason") != "gone" {
		t.Errorf("row %s", row.body)
	}
	target.eventually(t, func() string {
		got := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK)
		if got.value("active") != false {
			return "the subscription is still active"
		}
		return ""
	})
}

func testRedirect(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	elsewhere := target.receive(t, nil)
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Location", elsewhere.server.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	subscription := c.subscribe(r, s+":*")
	c.publish(event(s, "a", 1))
	rows := c.waitForRows(subscription, 2)
	if first := rows[len(rows)-1]; first.text("properties.errorClass") != "redirect" {
		t.Errorf("row %s", first.body)
	}
	if n := len(elsewhere.got()); n != 0 {
		t.Error("the redirect was followed")
	}
}

func testExpiry(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	subscription := c.subscribe(r, s+":*")
	short := event(s, "a", 1)
	end := time.Now().Add(1500 * time.Millisecond)
	short["expiresAt"] = end.UTC().Format(time.RFC3339Nano)
	c.publish(short)
	target.eventually(t, func() string {
		rows := c.rows("subscriptionId=" + subscription)
		if len(rows) == 0 || rows[0].value("properties.reason") != "event_expired" {
			return "no row says that the event expired"
		}
		return ""
	})
	for _, d := range r.got() {
		if d.at.After(end) {
			t.Errorf("an attempt was made %s after the event's end", d.at.Sub(end))
		}
	}
}

func testRetryAfter(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	subscription := c.subscribe(r, s+":*")
	c.publish(event(s, "a", 1))
	c.waitForRows(subscription, 2)
	got := r.got()
	if gap := got[1].at.Sub(got[0].at); gap < 3*time.Second {
		t.Errorf("tried again after %s; it was asked to wait 3s", gap)
	}
}

func testSubscriptions(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	id := c.subscribe(r, s+":*")
	if !strings.HasPrefix(id, "s-"+localAccount+"-") {
		t.Errorf("id %q", id)
	}
	got := c.api(http.MethodGet, "/subscriptions/"+id, nil).want(http.StatusOK)
	if got.text("messageAuthentication.hmacSha256.secret") != secret || got.value("active") != true || got.text("eventNameFilter.0") != s+":*" {
		t.Errorf("subscription %s", got.body)
	}
	found := false
	for link := "/subscriptions?limit=100"; link != ""; {
		page := c.api(http.MethodGet, link, nil).want(http.StatusOK)
		for _, item := range page.list("data") {
			found = found || dig(item, "id") == id
		}
		link, _ = page.value("next").(string)
	}
	if !found {
		t.Error("the list lacks the subscription")
	}
	change := map[string]any{
		"name": "Renamed", "type": "Webhook", "typeConfiguration": map[string]any{"url": r.server.URL}, "eventNameFilter": []string{s + ":b"},
	}
	changed := c.api(http.MethodPut, "/subscriptions/"+id, change).want(http.StatusOK)
	if changed.text("name") != "Renamed" || changed.value("messageAuthentication") != nil {
		t.Errorf("changed %s", changed.body)
	}
	c.publish(event(s, "a", 1))
	b := c.publish(event(s, "b", 1))
	if d := r.wait(b); len(d) != 1 || d[0].header.Get("X-Signicat-Signature") != "" {
		t.Errorf("%d deliveries, want one unsigned", len(d))
	}
	change["type"] = "Mint"
	c.api(http.MethodPut, "/subscriptions/"+id, change).want(http.StatusBadRequest)
	c.api(http.MethodDelete, "/subscriptions/"+id, nil).want(http.StatusNoContent)
	c.api(http.MethodGet, "/subscriptions/"+id, nil).want(http.StatusNotFound)
	if rows := c.waitForRows(id, 1); rows[0].text("subscriptionName") != "Renamed" {
		t.Errorf("the log of a deleted subscription: %s", rows[0].body)
	}
}

func testIsolation(t *testing.T, target Target) {
	c, other, r, s := target.as(t, "local"), target.as(t, "other"), target.receive(t, nil), sender()
	subscription := c.subscribe(r, s+":*")
	id := c.publish(event(s, "a", 1))
	row := c.waitForRows(subscription, 1)[0].text("id")
	for _, call := range []struct{ method, path string }{
		{http.MethodGet, "/events/" + id},
		{http.MethodGet, "/subscriptions/" + subscription},
		{http.MethodPut, "/subscriptions/" + subscription},
		{http.MethodDelete, "/subscriptions/" + subscription},
		{http.MethodGet, "/delivery-logs/" + row},
		{http.MethodGet, "/delivery-logs?subscriptionId=" + url.QueryEscape(subscription)},
	} {
		other.api(call.method, call.path, `{"type":"Webhook","typeConfiguration":{"url":"`+r.server.URL+`"}}`).want(http.StatusNotFound)
	}
	other.api(http.MethodGet, "/subscriptions?signicat-accountId="+localAccount, nil).want(http.StatusForbidden)
	other.api(http.MethodGet, "/subscriptions", nil, "Signicat-OrganizationId", localOrganization).want(http.StatusForbidden)
	c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK)
}

func testLog(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	subscription := c.subscribe(r, s+":*")
	events := make([]map[string]any, 100)
	for i := range events {
		events[i] = event(s, "n", i)
	}
	for range 2 {
		c.api(http.MethodPost, "/events", map[string]any{"events": events}).want(http.StatusAccepted)
	}
	target.eventually(t, func() string {
		seen := map[string]bool{}
		last := "~"
		for link := "/delivery-logs?success=true&subscriptionId=" + subscription; link != ""; {
			page := c.api(http.MethodGet, link, nil).want(http.StatusOK)
			for _, item := range page.list("data") {
				id := dig(item, "event.id").(string) //nolint:forcetypeassert // the contract
				if id > last {
					t.Fatalf("event %s is listed after %s", id, last)
				}
				last, seen[id] = id, true
			}
			link, _ = page.value("next").(string)
		}
		if len(seen) != 200 {
			return fmt.Sprintf("%d deliveries succeeded, want 200", len(seen))
		}
		return ""
	})
	target.eventually(t, func() string {
		if failed := c.rows("success=false&subscriptionId=" + subscription); len(failed) != 1 {
			return fmt.Sprintf("%d failures, want 1", len(failed))
		}
		return ""
	})
	c.api(http.MethodGet, "/delivery-logs?cursor=AAAA", nil).want(http.StatusBadRequest)
	c.api(http.MethodGet, "/delivery-logs?success=maybe", nil).want(http.StatusBadRequest)
}
