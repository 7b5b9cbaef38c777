package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// RunRedrive moves a dead letter back and sees it delivered in a run of its own. It
// wants a target to itself where a redrive moves all dead letters.
func RunRedrive(t *testing.T, target Target) {
	t.Helper()
	var mended atomic.Bool
	c, s := target.as(t, "local"), sender()
	r := target.receive(t, func(_ int, w http.ResponseWriter) {
		if !mended.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	subscription := c.subscribe(r, s+":*")
	id := c.publish(event(s, "a", 1))
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

	mended.Store(true)
	if err := target.Redrive(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	rows := c.waitForRows(subscription, len(Waits())+2)
	last := rows[0]
	if last.value("success") != true || last.number("attempt") != 1 || last.number("properties.run") != 1 ||
		last.text("properties.trigger") != "redrive" || last.text("event.id") != id {
		t.Errorf("the new run's row: %s", last.body)
	}
}
