package sqlite_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

// A timer that was set for an hour does not see that the hour is over once the clock is
// set forward, or the machine has slept.
func TestAMessageWhoseTimeHasComeIsNotLeftToItsTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		q := open(t).Queue("q", sqlite.QueueOptions{Now: clock, Look: 10 * time.Second})
		c := consume(t, q, 1, func(_ context.Context, m hermod.Received) hermod.Outcome {
			if m.Receives == 1 {
				return hermod.Outcome{Action: hermod.Again, At: clock().Add(time.Hour)}
			}
			return hermod.Outcome{}
		})
		body := sendTo(t, q, "g", 1)
		time.Sleep(65 * time.Second)
		ahead.Store(int64(time.Hour))
		time.Sleep(time.Minute)
		wantReceipts(t, c, receipt{0, body, 1, 1}, receipt{70 * time.Second, body, 2, 1})
	})
}
