package e2e

import (
	"net/http"
	"testing"
)

// tagged restricts a subscription to the events of one test, since published types are
// everybody's.
func tagged(tag string, members ...string) func(map[string]any) {
	return func(body map[string]any) {
		body["tagFilter"] = []string{tag}
		for _, member := range members {
			body[member] = true
		}
	}
}

// testTranslation publishes in the form of one API and receives in that of another. The
// events are another account's than those of the tests of the other APIs.
func testTranslation(t *testing.T, target Target) {
	c, r, tag := target.as(t, "other"), target.receive(t, nil), sender()
	plain := target.receive(t, nil)
	subscription := c.subscribe(r, "signature-api:order.completed", tagged(tag, "translate"))
	c.subscribe(plain, "signature-api:order.completed", tagged(tag))
	completed := func(data map[string]any) map[string]any {
		e := event("universign", "transaction.lifecycle.completed", data)
		e["tags"] = []string{tag}
		return e
	}
	id := c.publish(completed(map[string]any{
		"object": "transaction", "id": "tx_1", "state": "completed", "name": "Loan", "completed_at": "2026-03-02T09:15:30Z",
	}))
	got := r.wait(id)[0]
	got.checkSignature(t)
	if got.event.text("sender") != "signature-api" || got.event.text("eventName") != "order.completed" || got.event.text("tags.0") != tag ||
		got.event.text("accountId") != otherAccount || toJSON(t, got.event.value("eventData")) != `{"completedAt":"2026-03-02T09:15:30Z","orderId":"tx_1"}` {
		t.Errorf("delivered %s", got.body)
	}
	if stored := c.api(http.MethodGet, "/events/"+id, nil).want(http.StatusOK); stored.text("event.sender") != "universign" || stored.text("event.eventData.name") != "Loan" {
		t.Errorf("the log has %s", stored.body)
	}

	lacking := c.publish(completed(map[string]any{"object": "transaction", "state": "completed"}))
	row := c.waitForRows(subscription, 2)[0]
	if row.text("event.id") != lacking || row.value("success") != false || row.text("properties.state") != "dropped" ||
		row.text("properties.reason") != "no_equivalent" || row.text("errorMessage") == "" {
		t.Errorf("log item %s", row.body)
	}
	last := c.publish(func() map[string]any {
		e := event("signature-api", "order.completed", map[string]any{"orderId": "ord-1"})
		e["tags"] = []string{tag}
		return e
	}())
	r.wait(last)
	plain.wait(last)
	if n, m := len(r.got()), len(plain.got()); n != 2 || m != 1 {
		t.Errorf("%d deliveries to who translates, want 2; %d to who does not, want 1", n, m)
	}

	mocked := c.api(http.MethodPost, "/subscriptions/"+subscription+"/mock", map[string]any{"event": "universign:transaction.lifecycle.completed"}).
		want(http.StatusOK).text("eventId")
	r.wait(mocked)
	for _, d := range r.got() {
		if d.event.text("id") == mocked && d.event.text("sender") != "universign" {
			t.Errorf("a mock was translated: %s", d.body)
		}
	}
	facts := c.api(http.MethodGet, "/metadata/equivalents?type=signature-api:order.completed", nil).want(http.StatusOK)
	if len(facts.list("data")) != 1 || len(facts.list("data.0.types")) != 4 || facts.text("data.0.types.3.event") != "signly:PROCESS_COMPLETED" {
		t.Errorf("equivalents %s", facts.body)
	}
}
