package sqlite_test

import (
	"context"
	"testing"
	"testing/synctest"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

func TestAGroupHoldsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{GroupLimit: 2})
		hold := make(chan struct{})
		c := consume(t, q, 8, func(context.Context, hermod.Received) hermod.Outcome { <-hold; return hermod.Outcome{} })
		for n := range 5 {
			sendTo(t, q, "hangs", n)
		}
		sendTo(t, q, "other", 0)
		sendTo(t, q, "other", 1)
		synctest.Wait()
		if got := len(c.receipts()); got != 4 {
			t.Fatalf("%d messages are in hand, want 2 of each group", got)
		}
		close(hold)
		synctest.Wait()
		for _, r := range c.receipts() {
			if r.receives != 1 {
				t.Errorf("%s was received %d times", r.body, r.receives)
			}
		}
		if got := len(c.receipts()); got != 7 {
			t.Fatalf("got %d messages, want all 7", got)
		}
	})
}
