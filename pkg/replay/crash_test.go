package replay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
)

var errCrash = errors.New("the process is gone")

// crash makes the n-th question about a call the process's last moment: before the
// call takes effect, or after, as the questions come. It reports whether it came to
// that.
func (w *world) crash(n int, kill func()) (crashed func() bool) {
	asked := 0
	w.fault = func(string, bool) error {
		if asked++; asked < n {
			return nil
		}
		kill()
		return errCrash
	}
	return func() bool { return asked >= n }
}

// A crash between any two steps starts no delivery in two runs and leaves none out,
// whether what was sent has been attempted by then or not.
func TestCrashAtAnyStepLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %t", held), func(t *testing.T) {
			t.Parallel()
			steps, again := 0, 0
			for crashed := true; crashed; {
				steps++
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.held = held
					w.subscribe("s-1")
					w.subscribe("s-2")
					w.publish(120) // more than a page
					key := w.begin(whole(100))
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					died := w.crash(steps, kill)
					_ = w.runner().Run(ctx)
					crashed = died()

					w.fault = func(string, bool) error { return nil }
					w.run()
					w.wantCounts(key, hermod.ReplayDone, 120, 240)
					w.wantOneRunEach(240)
					again += len(w.sent) - 240
					// What was sent again is what was in flight between two writes, at most.
					if n := len(w.sent) - 240; n > 210 || !held && n > 0 {
						t.Fatalf("crash %d: %d messages were sent again", steps, n)
					}
				})
			}
			t.Logf("%d crashes, %d messages sent again in all", steps-1, again)
		})
	}
}

// A fault that passes is one of that round alone.
func TestFaultAtAnyStepIsMadeGoodByTheNextRound(t *testing.T) {
	t.Parallel()
	steps := 0
	for faulted := true; faulted; {
		steps++
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.subscribe("s-1")
			w.publish(120)
			key := w.begin(whole(100))
			asked := 0
			w.fault = func(string, bool) error {
				if asked++; asked == steps {
					return errCrash
				}
				return nil
			}
			_ = w.runner().Run(t.Context())
			faulted = asked >= steps
			w.fault = func(string, bool) error { return nil }
			w.run()
			w.wantCounts(key, hermod.ReplayDone, 120, 120)
			w.wantOneRunEach(120)
			want(t, "messages", len(w.sent), 120)
		})
	}
}

func TestOfTwoRunnersOneStops(t *testing.T) {
	t.Parallel()
	for _, apart := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, time.Second, 3 * time.Second} {
		t.Run(apart.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.subscribe("s-1")
				w.publish(1000)
				key := w.begin(whole(50))
				var running sync.WaitGroup
				for i := range 2 {
					running.Go(func() {
						time.Sleep(time.Duration(i) * apart)
						if err := w.runner().Run(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				running.Wait()
				w.run() // the one that stopped may have been ahead
				w.wantCounts(key, hermod.ReplayDone, 1000, 1000)
				w.wantOneRunEach(1000)
				if n := len(w.sent) - 1000; n > 110 {
					t.Errorf("%d messages were sent twice; the loser was to stop within two seconds", n)
				}
			})
		})
	}
}
