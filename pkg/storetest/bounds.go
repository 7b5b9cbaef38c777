package storetest

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// TestSubscriptionLimit holds a store in which an owner may have limit subscriptions, a
// few, against that.
func TestSubscriptionLimit(t *testing.T, store Store, limit int) {
	t.Helper()
	f := &fixture{store: store, ids: hermod.NewIDs(time.Now, fillRandom)}
	f.run(t, "holds, and a deletion makes room", func(t *testing.T) {
		owner := f.owner(t).ID
		for range limit {
			must(t, f.store.CreateSubscription(t.Context(), f.subscription(owner)))
		}
		one := f.subscription(owner)
		f.wantFull(t, f.store.CreateSubscription(t.Context(), one))
		must(t, f.store.CreateSubscription(t.Context(), f.subscription(f.owner(t).ID))) // another's
		wantCode(t, f.store.CreateSubscription(t.Context(), f.subscription(f.name("a"))), hermod.CodeNotFound)

		all := got(f.store.Subscriptions(t.Context(), owner))(t)
		wantEqual(t, len(all), limit)
		s := all[0]
		must(t, f.store.UpdateSubscription(t.Context(), s)) // no change of how many there are
		f.wantFull(t, f.store.CreateSubscription(t.Context(), one))
		s.DeletedAt = instant()
		must(t, f.store.UpdateSubscription(t.Context(), s))
		must(t, f.store.UpdateSubscription(t.Context(), s)) // once more makes no more room
		must(t, f.store.CreateSubscription(t.Context(), one))
		f.wantFull(t, f.store.CreateSubscription(t.Context(), f.subscription(owner)))
	})
	f.run(t, "holds for many at once", func(t *testing.T) {
		owner := f.owner(t).ID
		codes := race(func(int) error { return f.store.CreateSubscription(t.Context(), f.subscription(owner)) })
		wantEqual(t, codes, map[hermod.Code]int{"": limit, hermod.CodeConflict: racers - limit})
	})
}

func (f *fixture) wantFull(t *testing.T, err error) {
	t.Helper()
	wantCode(t, err, hermod.CodeConflict)
	wantEqual(t, hermod.IsSubscriptionLimit(err), true)
}

func testTombstones(t *testing.T, f *fixture) {
	for name, tt := range map[string]struct {
		retention time.Duration
		age       time.Duration
		kept      bool
	}{
		"of late":                       {0, time.Hour, true},
		"while its log may have rows":   {0, 59 * 24 * time.Hour, true},
		"past that":                     {0, 61 * 24 * time.Hour, false},
		"of an owner who keeps longer":  {90 * 24 * time.Hour, 61 * 24 * time.Hour, true},
		"of an owner who keeps shorter": {24 * time.Hour, 32 * 24 * time.Hour, false},
	} {
		f.run(t, name, func(t *testing.T) {
			o := hermod.Owner{ID: f.name("a"), Retention: tt.retention, CreatedAt: instant()}
			must(t, f.store.CreateOwner(t.Context(), o))
			s, live := f.subscription(o.ID), f.subscription(o.ID)
			must(t, f.store.CreateSubscription(t.Context(), s))
			must(t, f.store.CreateSubscription(t.Context(), live))
			s.Active, s.DeletedAt = false, instant().Add(-tt.age)
			must(t, f.store.UpdateSubscription(t.Context(), s))

			want, code := 1, hermod.CodeNotFound
			if tt.kept {
				want, code = 2, ""
			}
			_, err := f.store.Subscription(t.Context(), s.Ref())
			wantCode(t, err, code)
			wantEqual(t, len(got(f.store.Subscriptions(t.Context(), o.ID))(t)), want)
			wantEqual(t, len(got(f.store.SubscriptionsByRef(t.Context(), []hermod.Ref{s.Ref(), live.Ref()}))(t)), want)
		})
	}
}
