package replay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
)

func TestCountIsWhatTheReplayThenDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change             func(w *world, r *hermod.Replay)
		events, deliveries int64
	}{
		"all":          {func(*world, *hermod.Replay) {}, 450, 750},
		"one type":     {func(_ *world, r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:n"} }, 150, 300},
		"a sender":     {func(_ *world, r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:*", "s:n"} }, 300, 600},
		"two types":    {func(_ *world, r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:n", "x:n"} }, 300, 450},
		"every type":   {func(_ *world, r *hermod.Replay) { r.Patterns = []hermod.Pattern{"s:n", "*"} }, 450, 750},
		"tags":         {func(_ *world, r *hermod.Replay) { r.Tags = []string{"blue", "b"} }, 150, 300},
		"subscription": {func(_ *world, r *hermod.Replay) { r.SubscriptionID = "sender" }, 450, 300},
		"a range": {func(w *world, r *hermod.Replay) { r.Above, r.Below = w.events[99].ID, w.events[160].ID },
			60, 110},
		"an empty range": {func(w *world, r *hermod.Replay) { r.Above = w.events[449].ID }, 0, 0},
		"a settled part": {func(w *world, _ *hermod.Replay) { w.settled = w.events[9].ID }, 10, 20},
		"nothing settled": {func(w *world, r *hermod.Replay) { r.Above, w.settled = w.events[20].ID, w.events[9].ID },
			0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.subscribe("all", func(s *hermod.Subscription) { s.Global = true })
				w.subscribe("another's", func(s *hermod.Subscription) { s.Owner, s.Global = "operator", true }) // gets nothing
				w.subscribe("sender", func(s *hermod.Subscription) { s.Filters = []hermod.Pattern{"s:*"} })
				w.publish(150)
				w.publish(150, func(e *hermod.Event) { e.Sender = "x" })
				w.publish(150, func(e *hermod.Event) { e.Name, e.Tags = "m", []string{"a", "b"} })
				w.publish(150, func(e *hermod.Event) { // they are never selected
					e.Mock, e.Tags, e.Matches = true, []string{"mock", "b"}, []hermod.Ref{{Owner: owner, ID: "sender"}}
				})
				r := whole(hermod.MaxReplayRate)
				c.change(w, r)
				if err := w.planner().Count(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				want(t, "count", r.Expected, hermod.ReplayCount{Events: c.events, Deliveries: c.deliveries, Complete: true})
				want(t, "replays", len(w.replays), 0)
				key := w.begin(r)
				w.run()
				w.wantCounts(key, hermod.ReplayDone, c.events, c.deliveries)
				w.wantOneRunEach(int(c.deliveries))
			})
		})
	}
}

// after is a read that takes so long.
func after(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestCountingIsBounded(t *testing.T) {
	t.Parallel()
	t.Run("in events", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.publish(10_050)
		r := whole(1)
		if err := w.planner().Count(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want(t, "count", r.Expected, hermod.ReplayCount{Events: 10_000})
	})
	t.Run("by its caller", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.slow = after(time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := w.planner().Count(ctx, whole(1)); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
		})
	})
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.publish(1000)
			w.slow = after(900 * time.Millisecond)
			start, r := time.Now(), whole(1)
			if err := w.planner().Count(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			want(t, "count", r.Expected, hermod.ReplayCount{Events: 300})
			want(t, "time", time.Since(start), 3*time.Second)
		})
	})
}

func TestReplaysAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe("off", func(s *hermod.Subscription) { s.Active = false })
	r := whole(1)
	r.SubscriptionID = "off"
	want(t, "to one that is off", hermod.CodeOf(w.planner().Create(t.Context(), r)), hermod.CodeConflict)
	for range hermod.MaxRunningReplays {
		w.begin(whole(1))
	}
	want(t, "one too many", hermod.CodeOf(w.planner().Create(t.Context(), whole(1))), hermod.CodeConflict)
	foreign := whole(1)
	foreign.Owner = "a-2"
	w.begin(foreign)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.begin(whole(1))
	others := 2
	w.fault = func(call string, done bool) error { // the runner writes in between
		if call == "Replay" && done && others > 0 {
			others--
			r := w.replays[key]
			r.Version++
			w.replays[key] = r
		}
		return nil
	}
	for range 2 {
		if err := w.planner().Cancel(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		w.wantCounts(key, hermod.ReplayCancelled, 0, 0)
	}
	done := w.begin(whole(1))
	w.run()
	want(t, "a done one", hermod.CodeOf(w.planner().Cancel(t.Context(), done)), hermod.CodeConflict)
	unknown := hermod.ReplayKey{Owner: "a-2", ID: done.ID}
	want(t, "another's", hermod.CodeOf(w.planner().Cancel(t.Context(), unknown)), hermod.CodeNotFound)
}
