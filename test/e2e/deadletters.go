package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// mendable is a receiver that fails until it is mended.
func (target Target) mendable(t *testing.T) (r *receiver, mended *atomic.Bool) {
	t.Helper()
	mended = &atomic.Bool{}
	return target.receive(t, func(_ int, w http.ResponseWriter) {
		if !mended.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), mended
}

// waitForLetters waits until the subscription has so many dead letters and gives the
// page of them.
func (c *caller) waitForLetters(subscription string, n int) (letters *answer) {
	c.t.Helper()
	c.target.eventually(c.t, func() string {
		letters = c.api(http.MethodGet, "/dead-letters?subscriptionId="+url.QueryEscape(subscription), nil).want(http.StatusOK)
		if got := len(letters.list("data")); got != n {
			return fmt.Sprintf("%d dead letters are listed, want %d: %s", got, n, letters.body)
		}
		return ""
	})
	return letters
}

// waitForAttempt waits until the attempt stands in the log.
func (c *caller) waitForAttempt(link string) (item *answer) {
	c.t.Helper()
	c.target.eventually(c.t, func() string {
		item = c.api(http.MethodGet, link, nil)
		if item.status == http.StatusNotFound {
			return "the attempt has not been made"
		}
		item.want(http.StatusOK)
		return ""
	})
	return item
}

// testDeadLetter sees a delivery end dead, has it redriven once the endpoint is mended,
// and tries it a last time.
func testDeadLetter(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r, mended := target.mendable(t)
	subscription := c.subscribe(r, s+":*")
	id := c.publish(event(s, "a", 1))
	letters := c.waitForLetters(subscription, 1)
	if letters.text("data.0.reason") != "exhausted" || letters.text("data.0.event.id") != id || letters.value("next") != nil ||
		letters.number("data.0.lastAttempt.attempt") != int64(len(Waits())+1) || letters.number("data.0.lastAttempt.statusCode") != 500 {
		t.Errorf("the dead letter: %s", letters.body)
	}
	last := c.api(http.MethodGet, letters.text("data.0.lastAttempt.url"), nil).want(http.StatusOK)
	if last.text("properties.reason") != "exhausted" || last.text("id") != letters.text("data.0.id") {
		t.Errorf("its last attempt: %s", last.body)
	}
	link := letters.text("data.0.url")
	c.api(http.MethodGet, link, nil).want(http.StatusOK)

	mended.Store(true)
	begun := c.api(http.MethodPost, letters.text("data.0.redriveUrl"), nil).want(http.StatusAccepted)
	row := c.waitForAttempt(begun.text("url"))
	if row.value("success") != true || row.text("properties.trigger") != "redrive" || row.number("properties.run") != 1 {
		t.Errorf("the redriven attempt: %s", row.body)
	}
	c.waitForLetters(subscription, 0)
	c.api(http.MethodGet, link, nil).want(http.StatusNotFound)
	c.api(http.MethodPost, link+"/redrive", nil).want(http.StatusNotFound)

	again := c.api(http.MethodPost, "/delivery-logs/"+url.PathEscape(row.text("id"))+"/retry", nil).want(http.StatusAccepted)
	if row := c.waitForAttempt(again.text("url")); row.text("properties.trigger") != "retry" || row.number("properties.run") != 2 {
		t.Errorf("the attempt of the retry: %s", row.body)
	}
	c.api(http.MethodDelete, "/subscriptions/"+subscription, nil).want(http.StatusNoContent)
	c.api(http.MethodPost, again.text("url")+"/retry", nil).want(http.StatusConflict)
}

// testDeadLetters purges some dead letters and redrives the others by a filter.
func testDeadLetters(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r, mended := target.mendable(t)
	subscription := c.subscribe(r, s+":*")
	const n = 6 // half of them of each type
	events := batch(s, n)
	for _, e := range events["events"].([]map[string]any) { // what is left of them when the circuit opens dies soon, too
		e["expiresAt"] = time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339Nano)
	}
	c.api(http.MethodPost, "/events", events).want(http.StatusAccepted)
	letters := c.waitForLetters(subscription, n)

	c.api(http.MethodDelete, letters.text("data.0.url"), nil).want(http.StatusNoContent)
	c.waitForLetters(subscription, n-1)
	c.api(http.MethodPost, "/dead-letters/purge", map[string]any{"subscriptionId": subscription, "reasons": []string{"gone"}}).want(http.StatusOK)
	c.waitForLetters(subscription, n-1)
	purged := c.api(http.MethodPost, "/dead-letters/purge", map[string]any{"subscriptionId": subscription, "events": []string{s + ":b"}}).want(http.StatusOK)
	left := n - 1 - int(purged.number("purged"))
	if purged.value("complete") != true || left < n/2-1 || left > n/2 {
		t.Errorf("purged %s", purged.body)
	}
	c.waitForLetters(subscription, left)

	mended.Store(true)
	failed := len(r.got())
	filter := map[string]any{"subscriptionId": subscription, "events": []string{s + ":*"}, "preview": true}
	preview := c.api(http.MethodPost, "/dead-letters/redrive", filter).want(http.StatusOK)
	if preview.number("deliveries") != int64(left) || len(r.got()) != failed {
		t.Errorf("the preview is %s", preview.body)
	}
	delete(filter, "preview")
	filter["rate"] = 100
	begun := c.api(http.MethodPost, "/dead-letters/redrive", filter).want(http.StatusAccepted)
	ended := c.waitForReplay(begun.text("url"), "done", int64(left))
	if ended.number("progress") != 100 || ended.number("done.deliveries") != int64(left) || ended.text("trigger") != "redrive" {
		t.Errorf("a redrive ends as %s", ended.body)
	}
	target.eventually(t, func() string {
		if got := len(r.got()) - failed; got != left {
			return fmt.Sprintf("%d deliveries have arrived, want %d", got, left)
		}
		return ""
	})
	c.waitForLetters(subscription, 0)
}
