package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// dueLimit is more than the rows of all sub-tests and of runs before them.
const dueLimit = 1000

// waiting makes a waiting row and has it leave the index when the test ends.
func (f *fixture) waiting(t *testing.T, s *hermod.Subscription, nextAt time.Time, carrier string) *hermod.Attempt {
	t.Helper()
	a := f.attempt(s, f.ids.Next())
	a.State, a.NextAt, a.Carrier = hermod.Waiting, nextAt, carrier
	must(t, f.store.PutAttempt(t.Context(), a))
	t.Cleanup(func() {
		if err := f.store.ClearDue(t.Context(), []hermod.AttemptKey{a.AttemptKey}); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return a
}

// wantDue polls until the subscription's rows in the index are the wanted ones.
func (f *fixture) wantDue(t *testing.T, s *hermod.Subscription, until time.Time, want ...*hermod.Attempt) {
	t.Helper()
	eventually(t, func() error {
		due, err := f.store.Due(t.Context(), until, dueLimit)
		if err != nil {
			return err
		}
		if !slices.IsSortedFunc(due, func(a, b *hermod.Attempt) int { return a.NextAt.Compare(b.NextAt) }) {
			return fmt.Errorf("the earliest do not come first")
		}
		mine := slices.DeleteFunc(due, func(a *hermod.Attempt) bool { return a.SubscriptionID != s.ID })
		all := func(*hermod.Attempt) bool { return true }
		if err := differ(attemptKeys(mine, all), attemptKeys(want, all)); err != nil {
			return err
		}
		for i := range mine {
			if err := differ(normalAttempt(mine[i]), normalAttempt(want[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

func testDueIndex(t *testing.T, f *fixture) {
	now := instant()
	f.run(t, "has what is due, the earliest first", func(t *testing.T) {
		s := f.subscription(f.name("a"))
		second := f.waiting(t, s, now.Add(-2*time.Second), hermod.CarrierDue)
		third := f.waiting(t, s, now.Add(-1*time.Second), hermod.CarrierDue)
		first := f.waiting(t, s, now.Add(-3*time.Second), hermod.CarrierDue)
		f.wantDue(t, s, now, first, second, third)
		few := got(f.store.Due(t.Context(), now, 2))(t)
		wantEqual(t, len(few), 2)
	})
	f.run(t, "has what is due at the very moment, and nothing later", func(t *testing.T) {
		s := f.subscription(f.name("a"))
		exact := f.waiting(t, s, now, hermod.CarrierDue)
		future := f.waiting(t, s, now.Add(time.Hour), hermod.CarrierDue)
		f.wantDue(t, s, now, exact)
		f.wantDue(t, s, now.Add(time.Hour), exact, future)
		f.wantDue(t, s, now.Add(time.Hour-time.Second), exact)
	})
	f.run(t, "has no row that a message carries, and none that ended", func(t *testing.T) {
		s := f.subscription(f.name("a"))
		f.waiting(t, s, now.Add(-time.Minute), "message-1")
		must(t, f.store.PutAttempt(t.Context(), f.attempt(s, f.ids.Next())))
		due := f.waiting(t, s, now.Add(-time.Second), hermod.CarrierDue)
		f.wantDue(t, s, now, due)
	})
	f.run(t, "a cleared row leaves the index and stays in the log", func(t *testing.T) {
		s := f.subscription(f.name("a"))
		first := f.waiting(t, s, now.Add(-2*time.Second), hermod.CarrierDue)
		second := f.waiting(t, s, now.Add(-time.Second), hermod.CarrierDue)
		f.wantDue(t, s, now, first, second)
		must(t, f.store.ClearDue(t.Context(), []hermod.AttemptKey{first.AttemptKey}))
		must(t, f.store.ClearDue(t.Context(), []hermod.AttemptKey{first.AttemptKey}))
		f.wantDue(t, s, now, second)
		row := got(f.store.Attempt(t.Context(), first.AttemptKey))(t)
		wantEqual(t, normalAttempt(row), normalAttempt(first))
	})
	f.run(t, "clearing an absent row makes none", func(t *testing.T) {
		key := f.attempt(f.subscription(f.name("a")), f.ids.Next()).AttemptKey
		must(t, f.store.ClearDue(t.Context(), []hermod.AttemptKey{key}))
		_, err := f.store.Attempt(t.Context(), key)
		wantCode(t, err, hermod.CodeNotFound)
	})
}
