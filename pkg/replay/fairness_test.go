package replay_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
)

// neighbour is a replay of another owner, which has a subscription and so many events.
func (w *world) neighbour(events, rate int) *hermod.Replay {
	w.subscribe("neighbour", func(s *hermod.Subscription) { s.Owner = "b-1" })
	w.publish(events, func(e *hermod.Event) { e.AccountID = "b-1" })
	r := whole(rate)
	r.Owner, r.Owners = "b-1", []string{"b-1"}
	return r
}

func TestOwnersShareTheTimeHoweverManyReplaysTheyHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.publish(5000)
		var keys []hermod.ReplayKey
		for range hermod.MaxRunningReplays {
			keys = append(keys, w.begin(whole(hermod.MaxReplayRate)))
		}
		key := w.begin(w.neighbour(100, 10))
		var took time.Duration
		start := time.Now()
		w.fault = func(call string, done bool) error {
			switch {
			case call == "Send" && !done:
				time.Sleep(50 * time.Millisecond)
			case call == "UpdateReplay" && done && took == 0:
				if r := w.replays[key]; !r.Running() {
					took = time.Since(start)
				}
			}
			return nil
		}
		w.run()
		w.wantCounts(key, hermod.ReplayDone, 100, 100)
		for _, key := range keys {
			w.wantCounts(key, hermod.ReplayDone, 5000, 5000)
		}
		if took > 20*time.Second {
			t.Errorf("100 deliveries at 10 a second took %s", took)
		}
	})
}

func TestAStepThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		good := w.begin(w.neighbour(100, 10))
		w.publish(1)
		bad := w.begin(whole(1))
		w.slow = func(ctx context.Context, of string) error {
			if of == owner {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.runner().Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.wantCounts(good, hermod.ReplayDone, 100, 100)
		want(t, "the one that hangs", w.replays[bad].State, hermod.ReplayRunning)
	})
}
