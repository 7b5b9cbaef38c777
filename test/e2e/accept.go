package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

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

// testRepetition repeats a request while the first attempt waits for its answer.
func testRepetition(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r, answer := target.receiveHeld(t)
	c.subscribe(r, s+":*")
	key := []string{"Idempotency-Key", rand.Text()}
	first := c.publish(event(s, "made", 1), key...)
	r.wait(first)
	c.publish(event(s, "made", 1), key...)
	r.wait(c.publish(event(s, "made", 2)))
	answer()
	if n := r.ids()[first]; n != 1 {
		t.Errorf("the event arrived %d times", n)
	}
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
