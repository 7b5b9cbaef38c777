package replay_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
)

func TestRunnerKeepsToTheRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, events, subscriptions int }{
		{1, 20, 1}, {1, 4, 5}, {7, 100, 1}, {50, 250, 3}, {hermod.MaxReplayRate, 3000, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.publish(c.events)
			for i := range c.subscriptions {
				w.subscribe(string(rune('a' + i)))
			}
			w.fault = func(call string, done bool) error { // reads take their time
				if call == "Events" && !done {
					time.Sleep(20 * time.Millisecond)
				}
				return nil
			}
			start, deliveries := time.Now(), c.events*c.subscriptions
			key := w.begin(whole(c.rate))
			w.run()
			w.wantCounts(key, hermod.ReplayDone, int64(c.events), int64(deliveries))
			w.wantOneRunEach(deliveries)
			for i, m := range w.sent {
				if i >= c.rate {
					if since := m.at.Sub(w.sent[i-c.rate].at); since < time.Second {
						t.Fatalf("rate %d: message %d came %s after message %d", c.rate, i, since, i-c.rate)
					}
				}
				if gap := 200*time.Millisecond + time.Second/time.Duration(c.rate); i > 0 && m.at.Sub(w.sent[i-1].at) > gap {
					t.Fatalf("rate %d: nothing for %s before message %d", c.rate, m.at.Sub(w.sent[i-1].at), i)
				}
			}
			least := time.Duration(deliveries) * time.Second / time.Duration(c.rate)
			if took := time.Since(start); took > least+least/4+2*time.Second {
				t.Fatalf("rate %d: %d deliveries took %s, want about %s", c.rate, deliveries, took, least)
			}
		})
	}
}

func TestRunnerStopsBeforeItsTimeIsUpAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.publish(1000)
		key := w.begin(whole(10))
		for round := int64(1); round <= 2; round++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start := time.Now()
			if err := w.runner().Run(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			if took := time.Since(start); took < 49*time.Second || took > 51*time.Second {
				t.Fatalf("a round took %s, want 50s", took)
			}
			want(t, "sent", int64(len(w.sent)), w.replays[key].Done.Deliveries)
			if n := len(w.sent); n < 490*int(round) || n > 501*int(round) {
				t.Fatalf("%d sent after %d rounds", n, round)
			}
		}
		w.run()
		w.wantCounts(key, hermod.ReplayDone, 1000, 1000)
		w.wantOneRunEach(1000)
		want(t, "messages", len(w.sent), 1000)
	})
}

func TestRunnerWritesWhatItDidWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.publish(100)
		key := w.begin(whole(10))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(5*time.Second, cancel)
		if err := w.runner().Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.wantCounts(key, hermod.ReplayRunning, int64(len(w.sent)), int64(len(w.sent)))
		if len(w.sent) == 0 || len(w.sent) == 100 {
			t.Fatalf("%d sent, want some", len(w.sent))
		}
	})
}

func TestReplaysShareTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.publish(200)
		ended := map[hermod.ReplayKey]time.Time{}
		w.fault = func(call string, done bool) error {
			if call == "UpdateReplay" && done {
				for key, r := range w.replays {
					if !r.Running() && ended[key].IsZero() {
						ended[key] = time.Now()
					}
				}
			}
			return nil
		}
		start := time.Now()
		keys := map[hermod.ReplayKey]int{}
		for _, rate := range []int{1, 10, 100} {
			keys[w.begin(whole(rate))] = rate
		}
		time.AfterFunc(5*time.Second, func() { keys[w.begin(whole(20))] = 20 }) // it is taken up in the same round
		w.run()
		want(t, "ended", len(ended), 4)
		for key, rate := range keys {
			w.wantCounts(key, hermod.ReplayDone, 200, 200)
			least := 200 * time.Second / time.Duration(rate)
			if took := ended[key].Sub(start); took > least+least/4+8*time.Second {
				t.Errorf("the replay at %d a second took %s", rate, took)
			}
		}
	})
}

func TestOneBadReplayLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, bad hermod.ReplayKey){
		"its log cannot be read": func(w *world, bad hermod.ReplayKey) { w.broken = bad.Owner },
		"its row cannot be read": func(w *world, _ hermod.ReplayKey) {
			first := true
			w.fault = func(call string, _ bool) error {
				if call == "Replay" && first {
					first = false
					return errBroken
				}
				return nil
			}
		},
		"it panics": func(w *world, bad hermod.ReplayKey) { w.subs[bad.Owner] = []*hermod.Subscription{nil} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.subscribe("s-1")
				w.publish(30)
				foreign := whole(10)
				foreign.Owner, foreign.Owners = "b-1", []string{"b-1"}
				bad := w.begin(foreign)
				good := w.begin(whole(10))
				spoil(w, bad)
				w.run()
				w.wantCounts(good, hermod.ReplayDone, 30, 30)
				want(t, "the bad one", w.replays[bad].State, hermod.ReplayRunning)
			})
		})
	}
}

func TestCancelledReplayCountsWhatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.publish(1000)
		key := w.begin(whole(20))
		var at time.Time
		time.AfterFunc(11*time.Second+30*time.Millisecond, func() {
			at = time.Now()
			if err := w.planner().Cancel(t.Context(), key); err != nil {
				t.Error(err)
			}
		})
		w.run()
		w.wantCounts(key, hermod.ReplayCancelled, int64(len(w.sent)), int64(len(w.sent)))
		if late := w.sent[len(w.sent)-1].at.Sub(at); late > 2*time.Second {
			t.Errorf("a message was sent %s after the cancel", late)
		}
		want(t, "reason", w.replays[key].Reason, "")
	})
}

func TestReplayEndsWithItsSubscription(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*hermod.Subscription)
		reason hermod.Reason
	}{
		"deleted":  {func(s *hermod.Subscription) { s.DeletedAt, s.Active = time.Now(), false }, hermod.ReasonSubDeleted},
		"disabled": {func(s *hermod.Subscription) { s.Active = false }, hermod.ReasonSubDisabled},
		"expired":  {func(s *hermod.Subscription) { s.ExpiresAt = time.Now() }, hermod.ReasonSubExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.subscribe("other")
				sub := w.subscribe("s-1")
				w.publish(1000)
				r := whole(10)
				r.SubscriptionID = sub.ID
				key := w.begin(r)
				time.AfterFunc(5*time.Second, func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					c.change(sub)
				})
				w.run()
				w.wantCounts(key, hermod.ReplayCancelled, int64(len(w.sent)), int64(len(w.sent)))
				want(t, "reason", w.replays[key].Reason, c.reason)
				if n := len(w.sent); n < 40 || n > 80 {
					t.Errorf("%d were sent at 10 a second until 5 s", n)
				}
			})
		})
	}
}
