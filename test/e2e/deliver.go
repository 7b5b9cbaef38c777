package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
