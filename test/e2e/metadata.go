package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// order is the schema that the types of these tests have.
func order() map[string]any {
	return map[string]any{
		"type": "object", "required": []string{"orderId"}, "properties": map[string]any{"orderId": map[string]any{"type": "string"}},
	}
}

// register registers a type of the caller's account.
func (c *caller) register(event string, members map[string]any) *answer {
	c.t.Helper()
	return c.api(http.MethodPut, "/metadata/events/"+event, members).want(http.StatusOK)
}

func testCatalog(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	path := "/metadata/events/" + s + ":paid"
	c.api(http.MethodGet, path, nil).want(http.StatusNotFound)
	registered := c.register(s+":paid", map[string]any{
		"description": "An order was paid.", "example": map[string]any{"orderId": "o-1"}, "schema": order(), "validation": "off",
	})
	if read := c.api(http.MethodGet, registered.text("url"), nil).want(http.StatusOK); string(read.body) != string(registered.body) {
		t.Errorf("read %s, registered %s", read.body, registered.body)
	}
	c.api(http.MethodPut, path, `{"schema":{"type":"objekt"}}`).want(http.StatusBadRequest)

	published, own, last := 0, 0, ""
	for _, row := range c.api(http.MethodGet, "/metadata/events", nil).want(http.StatusOK).list("data") {
		event, _ := dig(row, "event").(string)
		if event <= last {
			t.Errorf("%s is listed after %s", event, last)
		}
		last = event
		switch {
		case event == s+":paid":
			own++
		case strings.HasPrefix(event, "e2e-"): // which other tests register
		default:
			published++
			if dig(row, "description") == "" || dig(row, "schema") == nil || dig(row, "validation") != "off" {
				t.Errorf("row %v", row)
			}
		}
	}
	if published != 107 || own != 1 {
		t.Errorf("%d published types and %d of this test, want 107 and 1", published, own)
	}
	if all := c.api(http.MethodGet, "/metadata?all=true", nil).want(http.StatusOK).list("data"); len(all) < 107+24+4 {
		t.Errorf("all dialects have %d types", len(all))
	}
	other := target.as(t, "other")
	other.api(http.MethodGet, path, nil).want(http.StatusNotFound)
	other.api(http.MethodDelete, path, nil).want(http.StatusNotFound)
	c.api(http.MethodDelete, path, nil).want(http.StatusNoContent)
	c.api(http.MethodGet, path, nil).want(http.StatusNotFound)

	kinds := c.api(http.MethodGet, "/metadata/subscription-types", nil).want(http.StatusOK)
	if kinds.text("data.0.type") != "Webhook" || kinds.value("data.0.supported") != true || kinds.text("data.0.schema.type") != "object" || len(kinds.list("data")) != 8 {
		t.Errorf("subscription types %s", kinds.body)
	}
}

func testValidation(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	c.subscribe(r, s+":*")
	misfit := event(s, "paid", map[string]any{"orderId": 1})
	before := c.publish(misfit)

	c.register(s+":paid", map[string]any{"schema": order(), "validation": "warn"})
	warned := c.api(http.MethodPost, "/events", misfit).want(http.StatusAccepted)
	if got := warned.text("data.0.warnings.0"); got != "eventData/orderId must be string, says its schema at #/properties/orderId/type" {
		t.Errorf("warned of %q", got)
	}

	c.register(s+":paid", map[string]any{"schema": order(), "validation": "enforce"})
	refused := c.api(http.MethodPost, "/events", map[string]any{"events": []map[string]any{event(s, "other", 1), misfit}}).want(http.StatusBadRequest)
	if refused.text("invalidParams.0.name") != "events[1].eventData/orderId" || !strings.Contains(refused.text("invalidParams.0.reason"), "#/properties/orderId/type") {
		t.Errorf("refused with %s", refused.body)
	}
	good := c.publish(event(s, "paid", map[string]any{"orderId": "o-1"}))

	bad := fmt.Sprintf(`{"sender":"%s","eventName":"paid","eventData":{"orderId":2},"accountId":"%s"}`, s, localAccount)
	if err := target.SendIngest(t.Context(), []byte(bad)); err != nil {
		t.Fatal(err)
	}
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
		return "the message that does not fit is not among the dead letters"
	})

	c.api(http.MethodDelete, "/metadata/events/"+s+":paid", nil).want(http.StatusNoContent)
	after := c.publish(misfit)
	if got := r.wait(before, warned.text("data.0.id"), good, after); len(got) != 4 {
		t.Errorf("%d events were delivered, want the 4 that were accepted", len(got))
	}
}

func testInternal(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	subscription := c.subscribe(r, s+":*")
	c.register(s+":hidden", map[string]any{"internal": true})
	hidden := c.publish(event(s, "hidden", 1))
	shown := c.publish(event(s, "shown", 2))
	c.api(http.MethodGet, "/events/"+hidden, nil).want(http.StatusOK)
	c.api(http.MethodPut, "/metadata/events/"+s+":hidden", map[string]any{"internal": false}).want(http.StatusForbidden)
	c.api(http.MethodDelete, "/metadata/events/"+s+":hidden", nil).want(http.StatusForbidden)
	c.api(http.MethodPost, "/events/"+hidden+"/replay?subscriptionId="+subscription, nil).want(http.StatusConflict)
	c.publish(event(s, "hidden", 3))
	again := c.publish(event(s, "shown", 4))
	if got := r.wait(shown, again); len(got) != 2 {
		t.Errorf("%d events were delivered, want 2: that of an internal type is not", len(got))
	}
	for _, member := range []string{"includeInternalEvents", "isGlobalSubscription"} {
		c.api(http.MethodPost, "/subscriptions", map[string]any{
			"name": "Privileged", "type": "Webhook", "typeConfiguration": map[string]any{"url": r.server.URL}, member: true,
		}).want(http.StatusForbidden)
	}
}
