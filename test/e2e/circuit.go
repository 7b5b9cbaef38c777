package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// publishMany publishes n events of the sender and answers their ids.
func (c *caller) publishMany(s string, n int) (ids []string) {
	c.t.Helper()
	for i := range n {
		ids = append(ids, c.publish(event(s, "a", i)))
	}
	return ids
}

func testPause(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	r, beside := target.receive(t, nil), target.receive(t, nil)
	subscription := c.subscribe(r, s+":*")
	c.subscribe(beside, s+":*")
	act := func(what string) *answer {
		return c.api(http.MethodPost, "/subscriptions/"+subscription+"/"+what, nil).want(http.StatusOK)
	}
	if act("pause").value("paused") != true {
		t.Error("it does not show that it is paused")
	}
	ids := c.publishMany(s, 5)
	beside.wait(ids...)
	if got := r.got(); len(got) > 0 {
		t.Errorf("%d deliveries while it is paused: %s", len(got), got[0].body)
	}
	if act("resume").value("paused") != nil {
		t.Error("it still shows that it is paused")
	}
	r.wait(ids...)
	for id, n := range r.ids() {
		if n != 1 {
			t.Errorf("event %s arrived %d times", id, n)
		}
	}
}

func testCircuit(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	var well atomic.Bool
	r := target.receive(t, func(_ int, w http.ResponseWriter) {
		if !well.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	told := target.receive(t, nil)
	subscription := c.subscribe(r, s+":*")
	c.subscribe(told, "hermod:*")
	ids := c.publishMany(s, 10) // enough failures to open the circuit
	target.eventually(t, func() string {
		if len(r.got()) < len(ids) {
			return "not each was tried"
		}
		return ""
	})
	const more = 20
	ids = append(ids, c.publishMany(s, more)...)
	well.Store(true)
	r.wait(ids...)
	if n := len(r.got()); n > 3*10+more+10 {
		t.Errorf("%d attempts for %d deliveries", n, len(ids))
	}
	for _, name := range []string{"subscription.failing", "subscription.recovered"} {
		target.eventually(t, func() string {
			for _, d := range told.got() {
				if d.event.text("eventName") == name && strings.Contains(string(d.body), subscription) {
					return ""
				}
			}
			return "its owner was not told of " + name
		})
	}
}

// testLimit publishes more at once than the limit lets through. Whatever the machine does
// meanwhile, so many cannot begin within the time.
func testLimit(t *testing.T, target Target) {
	const rate, n = 3, 15
	c, s := target.as(t, "local"), sender()
	r, beside := target.receive(t, nil), target.receive(t, nil)
	subscription := c.subscribe(r, s+":*", func(body map[string]any) { body["rateLimit"] = rate })
	c.subscribe(beside, s+":*")
	events := make([]map[string]any, n)
	for i := range events {
		events[i] = event(s, "a", i)
	}
	var ids []string
	accepted := c.api(http.MethodPost, "/events", map[string]any{"events": events}).want(http.StatusAccepted)
	for i := range events {
		ids = append(ids, accepted.text(fmt.Sprintf("data.%d.id", i)))
	}
	target.eventually(t, func() string {
		if shown := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK); shown.value("health") == nil {
			return "it does not show that it is limited"
		} else if state := shown.text("health.state"); state != "limited" {
			t.Fatalf("its state is %s", state)
		}
		return ""
	})
	beside.wait(ids...)
	got := r.wait(ids...)
	if took, least := got[len(got)-1].at.Sub(got[0].at), (n-rate)*time.Second/rate; took < least-time.Second {
		t.Errorf("%d arrived within %s at a rate of %d a second", len(got), took, rate)
	}
	for id, n := range r.ids() {
		if n != 1 {
			t.Errorf("event %s arrived %d times", id, n)
		}
	}
	target.eventually(t, func() string {
		if shown := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK); shown.value("health") != nil {
			return "it still shows that it is limited: " + string(shown.body)
		}
		return ""
	})
}
