package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

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
