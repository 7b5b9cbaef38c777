package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// died puts a row that ended its delivery dead at the moment.
func (f *fixture) died(t *testing.T, s *hermod.Subscription, at time.Time) *hermod.Attempt {
	t.Helper()
	a := f.attempt(s, f.ids.Next())
	a.State, a.Reason, a.At, a.Number = hermod.Dead, hermod.ReasonExhausted, at, 10
	must(t, f.store.PutAttempt(t.Context(), a))
	return a
}

func deadKey(a *hermod.Attempt) hermod.DeadKey {
	return hermod.DeadKey{At: a.At.UTC(), AttemptKey: a.AttemptKey}
}

func deadKeys(rows ...*hermod.Attempt) (keys []hermod.DeadKey) {
	for _, a := range rows {
		keys = append(keys, deadKey(a))
	}
	return keys
}

func (f *fixture) dead(ctx context.Context, q hermod.DeadQuery) ([]hermod.DeadKey, error) {
	keys, err := f.store.Dead(ctx, q)
	for i := range keys {
		keys[i].At = keys[i].At.UTC()
	}
	return keys, err
}

// wantDead polls until the index is as wanted: it may lag behind.
func (f *fixture) wantDead(t *testing.T, q hermod.DeadQuery, want []hermod.DeadKey) {
	t.Helper()
	eventually(t, func() error {
		keys, err := f.dead(t.Context(), q)
		if err != nil {
			return err
		}
		return differ(orNil(keys), orNil(want))
	})
}

func testDeadIndex(t *testing.T, f *fixture) {
	f.run(t, "has what ended dead by when it did, and nothing else", f.deadInOrder)
	f.run(t, "bounds are exclusive and combine with the limit", f.deadBounds)
	f.run(t, "other owners see nothing", func(t *testing.T) {
		s, other := f.created(t, f.owner(t).ID), f.owner(t).ID
		row := f.died(t, s, instant())
		f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, SubscriptionID: s.ID, Limit: 10}, deadKeys(row))
		f.wantDead(t, hermod.DeadQuery{Owner: other, SubscriptionID: s.ID, Limit: 10}, nil)
		f.wantDead(t, hermod.DeadQuery{Owner: other, Limit: 10}, nil)
	})
	f.run(t, "keeps the rows of a deleted subscription", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		row := f.died(t, s, instant())
		s.DeletedAt = instant()
		must(t, f.store.UpdateSubscription(t.Context(), s))
		f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, Limit: 10}, deadKeys(row))
		f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, SubscriptionID: s.ID, Limit: 10}, deadKeys(row))
	})
	f.run(t, "a cleared row leaves the index and stays in the log, which says so", f.deadCleared)
	f.run(t, "clearing an absent row makes none, and clearing another changes none", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		success := f.attempt(s, f.ids.Next())
		must(t, f.store.PutAttempt(t.Context(), success))
		absent := f.attempt(s, f.ids.Next()).AttemptKey
		must(t, f.store.ClearDead(t.Context(), []hermod.AttemptKey{absent, success.AttemptKey}))
		must(t, f.store.ClearDead(t.Context(), nil))
		_, err := f.store.Attempt(t.Context(), absent)
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, normalAttempt(got(f.store.Attempt(t.Context(), success.AttemptKey))(t)), normalAttempt(success))
	})
	for _, ascending := range []bool{true, false} {
		f.run(t, fmt.Sprintf("a walk sees every row once/ascending %t", ascending), func(t *testing.T) { f.walkDead(t, ascending) })
	}
}

func (f *fixture) deadInOrder(t *testing.T) {
	owner := f.owner(t).ID
	first, second, now := f.created(t, owner), f.created(t, owner), instant()
	must(t, f.store.PutAttempt(t.Context(), f.attempt(first, f.ids.Next())))
	for _, state := range []hermod.State{hermod.Waiting, hermod.Dropped} {
		a := f.attempt(second, f.ids.Next())
		a.State, a.NextAt, a.Carrier = state, now.Add(time.Hour), "message-1"
		must(t, f.store.PutAttempt(t.Context(), a))
	}
	late, early := f.died(t, first, now), f.died(t, second, now.Add(-time.Hour))
	middle := f.died(t, first, now.Add(-1))
	all := deadKeys(early, middle, late)
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Ascending: true, Limit: 10}, all)
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Ascending: true, Limit: 2}, all[:2])
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Limit: 10}, deadKeys(late, middle, early))
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Limit: 1}, deadKeys(late))
	f.wantDead(t, hermod.DeadQuery{Owner: owner, SubscriptionID: first.ID, Limit: 10}, deadKeys(late, middle))
	f.wantDead(t, hermod.DeadQuery{Owner: owner, SubscriptionID: second.ID, Limit: 10}, deadKeys(early))
}

// deadLog is an owner's three subscriptions with rows of shared events and moments,
// ascending.
func (f *fixture) deadLog(t *testing.T, events int) (owner string, keys []hermod.DeadKey) {
	t.Helper()
	owner = f.owner(t).ID
	subs := []*hermod.Subscription{f.created(t, owner), f.created(t, owner), f.created(t, owner)}
	now := instant()
	for i := range events {
		event := f.ids.Next()
		for _, s := range subs {
			a := f.attempt(s, event)
			a.State, a.Reason, a.At = hermod.Dead, hermod.ReasonExhausted, now.Add(time.Duration(i/2)*time.Second)
			must(t, f.store.PutAttempt(t.Context(), a))
			keys = append(keys, deadKey(a))
		}
	}
	slices.SortFunc(keys, hermod.DeadKey.Compare)
	return owner, keys
}

func (f *fixture) deadBounds(t *testing.T) {
	owner, keys := f.deadLog(t, 6)
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Ascending: true, Limit: 100}, keys)
	for i := range keys {
		above, below := keys[i], keys[len(keys)-1-i]
		f.wantDead(t, hermod.DeadQuery{Owner: owner, Above: &above, Ascending: true, Limit: 100}, keys[i+1:])
		f.wantDead(t, hermod.DeadQuery{Owner: owner, Below: &below, Ascending: true, Limit: 100}, keys[:len(keys)-1-i])
	}
	above, below := keys[2], keys[15]
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Above: &above, Below: &below, Ascending: true, Limit: 3}, keys[3:6])
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Above: &below, Below: &above, Limit: 3}, nil)
	// A bound without a key lies before every row of its moment.
	moment := hermod.DeadKey{At: keys[6].At}
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Above: &moment, Ascending: true, Limit: 100}, keys[6:])
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Below: &moment, Ascending: true, Limit: 100}, keys[:6])
	for _, far := range []time.Time{{}, time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		bound, later := hermod.DeadKey{At: far}, keys
		if far.Year() < 9999 {
			later = nil
		}
		f.wantDead(t, hermod.DeadQuery{Owner: owner, Below: &bound, Ascending: true, Limit: 100}, later)
		f.wantDead(t, hermod.DeadQuery{Owner: owner, Above: &bound, Ascending: true, Limit: 100}, keys[len(later):])
	}
}

func (f *fixture) deadCleared(t *testing.T) {
	s, now := f.created(t, f.owner(t).ID), instant()
	first, second := f.died(t, s, now), f.died(t, s, now.Add(time.Second))
	f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, Limit: 10}, deadKeys(second, first))
	for range 2 {
		must(t, f.store.ClearDead(t.Context(), []hermod.AttemptKey{second.AttemptKey}))
	}
	f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, Limit: 10}, deadKeys(first))
	second.Cleared = true
	for _, want := range []*hermod.Attempt{first, second} {
		wantEqual(t, normalAttempt(got(f.store.Attempt(t.Context(), want.AttemptKey))(t)), normalAttempt(want))
		wantEqual(t, normalAttempt(got(f.store.LastOf(t.Context(), s.ID, want.EventID))(t)), normalAttempt(want))
	}
	c := *second
	wantCode(t, f.store.PutAttempt(t.Context(), &c), hermod.CodeConflict)
	f.wantDead(t, hermod.DeadQuery{Owner: s.Owner, Limit: 10}, deadKeys(first))
}

func (f *fixture) walkDead(t *testing.T, ascending bool) {
	owner, want := f.deadLog(t, 9)
	if !ascending {
		slices.Reverse(want)
	}
	f.wantDead(t, hermod.DeadQuery{Owner: owner, Ascending: ascending, Limit: 100}, want)
	const limit = 4
	seen := walk(t, limit, func(last *hermod.DeadKey) ([]hermod.DeadKey, error) {
		q := hermod.DeadQuery{Owner: owner, Ascending: ascending, Limit: limit}
		if ascending {
			q.Above = last
		} else {
			q.Below = last
		}
		return f.dead(t.Context(), q)
	})
	wantEqual(t, seen, want)
}
