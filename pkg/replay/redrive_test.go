package replay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// die makes so many dead letters of the subscription, a millisecond apart.
func (w *world) die(sub string, n int, change ...func(*hermod.Attempt)) (last *hermod.Attempt) {
	w.t.Helper()
	for range n {
		w.mu.Lock()
		e := w.publish(1)
		last = &hermod.Attempt{
			AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub, EventID: e.ID}, Number: 3},
			Owner:      owner, Account: owner, State: hermod.Dead, Reason: hermod.ReasonExhausted, At: time.Now(),
		}
		for _, f := range change {
			f(last)
		}
		w.rows[sub+e.ID.String()] = append(w.rows[sub+e.ID.String()], last)
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	return last
}

// redrive is one of all dead letters of the owner.
func redrive(rate int) *hermod.Replay {
	r := whole(rate)
	r.Dead = &hermod.DeadFilter{}
	return r
}

func (w *world) letters() *replay.Letters { return &replay.Letters{Store: w, Now: time.Now} }

// wantLetters checks how many dead letters the owner has, by pages of a few.
func (w *world) wantLetters(n int) {
	w.t.Helper()
	q := hermod.LetterQuery{DeadQuery: hermod.DeadQuery{Owner: owner, Limit: 7}}
	for got := 0; ; {
		page, err := w.letters().Page(w.t.Context(), q)
		if err != nil {
			w.t.Fatal(err)
		}
		if got += len(page.Letters); page.Next == nil {
			want(w.t, "dead letters", got, n)
			return
		}
		q.Below = page.Next
	}
}

func TestARedriveStartsEachDeadLetterOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.subscribe("s-off", func(s *hermod.Subscription) { s.Active = false })
		w.die("s-1", 130) // more than a page
		w.die("s-off", 5)
		w.die("s-gone", 3) // no row of it is left
		w.die("s-1", 4, func(a *hermod.Attempt) { a.Cleared = true })
		w.wantLetters(138)
		key := w.begin(redrive(100))
		w.mu.Lock()
		want(t, "expected", w.replays[key].Expected, hermod.ReplayCount{Events: 138, Deliveries: 130, Complete: true})
		w.mu.Unlock()
		began := time.Now()
		w.run()
		w.wantCounts(key, hermod.ReplayDone, 138, 130)
		w.wantOneRunEach(130)
		w.wantLetters(8)
		if took := time.Since(began); took < 1200*time.Millisecond || took > 2*time.Second {
			t.Errorf("130 at 100/s took %s", took)
		}
		for _, m := range w.sent {
			if m.Run != 1 || m.Trigger != hermod.TriggerRedrive || m.Replay != key.ID || m.SubscriptionID != "s-1" {
				t.Fatalf("sent %+v", m)
			}
		}
	})
}

func TestARedriveGoesByItsFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.subscribe("s-2")
		time.Sleep(time.Minute)
		before := time.Now()
		w.die("s-1", 2)
		w.die("s-1", 3, func(a *hermod.Attempt) { a.Reason = hermod.ReasonGone })
		w.die("s-2", 4)
		after := time.Now()
		w.die("s-2", 5)
		w.events[len(w.events)-1].Name = "other"
		for name, tt := range map[string]struct {
			change func(*hermod.Replay)
			want   int64
		}{
			"reason":       {func(r *hermod.Replay) { r.Dead.Reasons = []hermod.Reason{hermod.ReasonGone} }, 3},
			"subscription": {func(r *hermod.Replay) { r.SubscriptionID = "s-2" }, 9},
			"after":        {func(r *hermod.Replay) { r.Above = hermod.LastIDAt(after.Add(-1)) }, 5},
			"before":       {func(r *hermod.Replay) { r.Below = hermod.FirstIDAt(after) }, 9},
			"between":      {func(r *hermod.Replay) { r.Above, r.Below = hermod.LastIDAt(before.Add(-1)), hermod.FirstIDAt(after) }, 9},
			"type":         {func(r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:other"} }, 1},
			"every type":   {func(r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:other", hermod.AnyType} }, 14},
		} {
			r := redrive(100)
			tt.change(r)
			if err := w.planner().Count(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if r.Expected.Deliveries != tt.want {
				t.Errorf("%s: %d, want %d", name, r.Expected.Deliveries, tt.want)
			}
		}
	})
}

// What dies while a redrive runs, also of its own runs, is left to the next one.
func TestARedriveEndsWithWhatWasDeadWhenItBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe("s-1")
		w.held = true
		w.die("s-1", 50)
		key := w.begin(redrive(10))
		go func() {
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				w.die("s-1", 1)
			}
		}()
		w.run()
		w.wantCounts(key, hermod.ReplayDone, 50, 50)
		w.wantLetters(20)
	})
}

// A crash between any two steps starts no dead letter in two runs, leaves none out and
// counts each once, whether what was sent has been attempted by then or not.
func TestARedriveSurvivesACrashAtAnyStep(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %t", held), func(t *testing.T) {
			t.Parallel()
			steps := 0
			for crashed := true; crashed; {
				steps++
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.held = held
					w.subscribe("s-1")
					w.subscribe("s-off", func(s *hermod.Subscription) { s.Active = false })
					w.die("s-1", 30)
					w.die("s-off", 3)
					w.die("s-1", 30)
					key := w.begin(redrive(20))
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					died := w.crash(steps, kill)
					_ = w.runner().Run(ctx)
					crashed = died()

					w.fault = func(string, bool) error { return nil }
					w.run()
					w.wantCounts(key, hermod.ReplayDone, 63, 60)
					w.wantOneRunEach(60)
					w.wantLetters(3 + left(w, held))
				})
			}
			t.Logf("%d crashes", steps-1)
		})
	}
}

// left is how many letters may still be listed after a crash: where no attempt was made
// yet, those that were counted and not cleared.
func left(w *world, held bool) (n int) {
	if !held {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, rows := range w.rows {
		if a := rows[len(rows)-1]; a.SubscriptionID == "s-1" && !a.Cleared {
			n++
		}
	}
	if n > 60 {
		w.t.Errorf("%d letters are listed still", n)
	}
	return n
}

func TestOfTwoRedrivesOfOneDeliveryComesOneRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sub := w.subscribe("s-1")
		letter := w.die("s-1", 1)
		e := w.events[0]
		w.held = true
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := w.starter().Redrive(t.Context(), letter, e, sub); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := w.starter().Retry(t.Context(), e, sub); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.wantOneRunEach(1)
		w.wantLetters(0)
	})
}

// A redrive and a replay of the same deliveries at once start each in one run where
// neither was attempted in between, and both come to their end.
func TestARedriveRunsBesideAReplayAndAnotherRedrive(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.held = held
			w.subscribe("s-1")
			w.die("s-1", 60)
			keys := []hermod.ReplayKey{w.begin(redrive(50)), w.begin(redrive(50)), w.begin(whole(50))}
			w.run()
			if held {
				w.wantOneRunEach(60)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, key := range keys {
				want(t, "state", w.replays[key].State, hermod.ReplayDone)
			}
			for delivery, rows := range w.rows {
				if last := rows[len(rows)-1]; last.State == hermod.Dead && !last.Cleared {
					t.Errorf("%s is a dead letter still", delivery)
				}
			}
		})
	}
}

func TestReplaysTakeWhatTheyStartOutOfTheDeadLetters(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(w *world, e *hermod.Event, s *hermod.Subscription) error{
		"to one": func(w *world, e *hermod.Event, s *hermod.Subscription) error {
			return w.starter().To(w.t.Context(), e, s)
		},
		"to all": func(w *world, e *hermod.Event, _ *hermod.Subscription) error {
			return w.starter().ToMatching(w.t.Context(), e, []string{owner})
		},
		"by filter": func(w *world, _ *hermod.Event, _ *hermod.Subscription) error {
			w.begin(whole(100))
			return w.runner().Run(w.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.held = true
				sub := w.subscribe("s-1")
				w.die("s-1", 1)
				if err := start(w, w.events[0], sub); err != nil {
					t.Fatal(err)
				}
				want(t, "messages", len(w.sent), 1)
				w.wantLetters(0)
			})
		})
	}
}

func TestALetterStaysWhereItsMessageCannotBeSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sub := w.subscribe("s-1")
		letter := w.die("s-1", 1)
		w.fault = func(call string, _ bool) error {
			if call == "Send" {
				return errBroken
			}
			return nil
		}
		if _, err := w.starter().Redrive(t.Context(), letter, w.events[0], sub); err == nil {
			t.Error("the redrive did not fail")
		}
		w.wantLetters(1)
	})
}
