package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// health reads how the subscription's endpoint does.
func (f *fixture) health(t *testing.T, ref hermod.Ref) *hermod.Health {
	t.Helper()
	s := got(f.store.SubscriptionsByRef(t.Context(), []hermod.Ref{ref}))(t)[ref]
	if s == nil {
		t.Fatalf("no subscription %v", ref)
	}
	alone := got(f.store.Health(t.Context(), ref))(t)
	wantEqual(t, alone, s.Health)
	return s.Health
}

func normalHealth(h *hermod.Health) hermod.Health {
	c := *h
	utc(&c.Since, &c.LastAt, &c.OpenedAt, &c.NextProbeAt, &c.Exhausted)
	return c
}

// wantAttended checks whether the subscription is among those that are attended.
func (f *fixture) wantAttended(t *testing.T, ref hermod.Ref, want bool) {
	t.Helper()
	wantEqual(t, slices.Contains(got(f.store.Attended(t.Context()))(t), ref), want)
}

func testHealth(t *testing.T, f *fixture) {
	f.run(t, "nobody is unwell at first", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		wantEqual(t, f.health(t, s.Ref()), nil)
		f.wantAttended(t, s.Ref(), false)
	})
	f.run(t, "failures are counted", func(t *testing.T) {
		s, first := f.created(t, f.owner(t).ID), instant()
		must(t, failures(f, t, s, first, 1))
		h := got(f.store.Fail(t.Context(), s.Ref(), first.Add(time.Minute), "connect"))(t)
		want := hermod.Health{
			Owner: s.Owner, SubscriptionID: s.ID, Version: h.Version,
			Failures: 2, Since: first, LastAt: first.Add(time.Minute), Class: "connect",
		}
		wantEqual(t, normalHealth(h), want)
		wantEqual(t, normalHealth(f.health(t, s.Ref())), want)
		f.wantAttended(t, s.Ref(), false)
	})
	f.run(t, "failures of long ago are forgotten", func(t *testing.T) {
		s, first := f.created(t, f.owner(t).ID), instant()
		must(t, failures(f, t, s, first, 3))
		again := first.Add(hermod.FailuresForgotten + time.Hour)
		h := got(f.store.Fail(t.Context(), s.Ref(), again, "dns"))(t)
		wantEqual(t, h.Failures, 1)
		utc(&h.Since)
		wantEqual(t, h.Since, again)
	})
	f.run(t, "no failure of many at once is lost", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		codes := race(func(int) error {
			_, err := f.store.Fail(t.Context(), s.Ref(), instant(), "timeout")
			return err
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, f.health(t, s.Ref()).Failures, racers)
	})
	f.run(t, "a health comes back whole", f.healthRoundTrip)
	f.run(t, "an owner has its attended ones", f.unwell)
	f.run(t, "one of many that change it wins", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		h := got(f.store.Fail(t.Context(), s.Ref(), instant(), "timeout"))(t)
		wantOneWinner(t, race(func(int) error {
			c := *h
			c.Circuit = hermod.Open
			return f.store.PutHealth(t.Context(), &c)
		}), hermod.CodePreconditionFailed)
		wantCode(t, f.store.DeleteHealth(t.Context(), h), hermod.CodePreconditionFailed)
		wantEqual(t, f.health(t, s.Ref()).Circuit, hermod.Open)
	})
	f.run(t, "an open circuit counts on", func(t *testing.T) {
		s, at := f.created(t, f.owner(t).ID), instant()
		h := got(f.store.Fail(t.Context(), s.Ref(), at, "timeout"))(t)
		h.Circuit, h.OpenedAt = hermod.Open, at
		must(t, f.store.PutHealth(t.Context(), h))
		after := got(f.store.Fail(t.Context(), s.Ref(), at.Add(hermod.FailuresForgotten+time.Hour), "timeout"))(t)
		wantEqual(t, after.Failures, 2)
		wantEqual(t, after.Circuit, hermod.Open)
		wantEqual(t, after.Version, h.Version)
	})
	f.run(t, "an unwritten version cannot be replaced or deleted", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		h := &hermod.Health{Owner: s.Owner, SubscriptionID: s.ID, Version: 3, Failures: 1}
		wantCode(t, f.store.PutHealth(t.Context(), h), hermod.CodePreconditionFailed)
		wantCode(t, f.store.DeleteHealth(t.Context(), h), hermod.CodePreconditionFailed)
		wantEqual(t, f.health(t, s.Ref()), nil)
	})
}

func failures(f *fixture, t *testing.T, s *hermod.Subscription, at time.Time, n int) error {
	t.Helper()
	for range n {
		if _, err := f.store.Fail(t.Context(), s.Ref(), at, "timeout"); err != nil {
			return err
		}
	}
	return nil
}

func (f *fixture) healthRoundTrip(t *testing.T) {
	owner := f.owner(t)
	s, at := f.created(t, owner.ID), instant()
	version := f.ownerVersion(t, owner.ID)
	h := &hermod.Health{
		Owner: s.Owner, SubscriptionID: s.ID, Circuit: hermod.Open, Paused: true,
		Failures: 12, Since: at, LastAt: at.Add(time.Second), Class: "http_5xx",
		OpenedAt: at.Add(2 * time.Second), Probes: 3, NextProbeAt: at.Add(time.Hour), ProbeEvent: f.ids.Next(), ProbeRun: 2, Told: hermod.NoticeFailing,
		Exhausted: at.Add(3 * time.Second),
	}
	must(t, f.store.PutHealth(t.Context(), h))
	wantEqual(t, h.Version, int64(1))
	wantEqual(t, normalHealth(f.health(t, s.Ref())), *h)
	f.wantAttended(t, s.Ref(), true)

	h.Circuit, h.Paused, h.Exhausted = hermod.Closed, false, time.Time{}
	must(t, f.store.PutHealth(t.Context(), h))
	wantEqual(t, h.Version, int64(2))
	wantEqual(t, normalHealth(f.health(t, s.Ref())), *h)
	f.wantAttended(t, s.Ref(), false)

	must(t, f.store.DeleteHealth(t.Context(), h))
	wantEqual(t, f.health(t, s.Ref()), nil)
	wantEqual(t, f.ownerVersion(t, owner.ID), version)
	wantEqual(t, got(f.store.Subscription(t.Context(), s.Ref()))(t).Version, s.Version)
}

func (f *fixture) unwell(t *testing.T) {
	owner, other, at := f.owner(t).ID, f.owner(t).ID, instant()
	wantEqual(t, len(got(f.store.Unwell(t.Context(), owner))(t)), 0)
	want := map[hermod.Ref]hermod.Health{}
	put := func(owner string, change func(*hermod.Health)) *hermod.Health {
		s := f.created(t, owner)
		h := &hermod.Health{Owner: owner, SubscriptionID: s.ID, Failures: 12, Since: at, LastAt: at, Class: "timeout"}
		change(h)
		must(t, f.store.PutHealth(t.Context(), h))
		return h
	}
	for _, change := range []func(*hermod.Health){
		func(h *hermod.Health) { h.Paused = true },
		func(h *hermod.Health) { h.Circuit, h.OpenedAt, h.NextProbeAt = hermod.Open, at, at.Add(time.Hour) },
		func(h *hermod.Health) { h.Circuit, h.Exhausted = hermod.Limited, at },
		func(h *hermod.Health) { h.Exhausted = at },
	} {
		h := put(owner, change)
		want[h.Ref()] = *h
		f.wantAttended(t, h.Ref(), true)
	}
	put(other, func(h *hermod.Health) { h.Paused = true })
	put(owner, func(*hermod.Health) {}) // fails, and is not attended
	gone := put(owner, func(h *hermod.Health) { h.Paused = true })
	must(t, f.store.DeleteHealth(t.Context(), gone))
	resumed := put(owner, func(h *hermod.Health) { h.Paused = true })
	resumed.Paused = false
	must(t, f.store.PutHealth(t.Context(), resumed))
	all := map[hermod.Ref]hermod.Health{}
	for _, h := range got(f.store.Unwell(t.Context(), owner))(t) {
		all[h.Ref()] = normalHealth(h)
	}
	wantEqual(t, all, want)
}

// parked makes a parked delivery, stores it and has it removed when the test ends.
func (f *fixture) parked(t *testing.T, s *hermod.Subscription, event hermod.ID, after int, wakeAt time.Time) *hermod.Parked {
	t.Helper()
	p := &hermod.Parked{
		Message: hermod.Message{
			EventID: event, Account: f.name("a"), Owner: s.Owner, SubscriptionID: s.ID, Run: 1, After: after,
			Trigger: hermod.TriggerReplay, Replay: f.ids.Next(), Until: instant().Add(time.Hour),
		},
		Token: f.name("token"), WakeAt: wakeAt,
	}
	must(t, f.store.Park(t.Context(), p))
	t.Cleanup(func() {
		if err := f.store.Unpark(t.Context(), []*hermod.Parked{p}); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return p
}

func normalParked(all []*hermod.Parked) (parked []hermod.Parked) {
	for _, p := range all {
		c := *p
		utc(&c.WakeAt, &c.Until)
		parked = append(parked, c)
	}
	return parked
}

func (f *fixture) wantParked(t *testing.T, s *hermod.Subscription, want ...*hermod.Parked) {
	t.Helper()
	wantEqual(t, normalParked(got(f.store.ParkedOf(t.Context(), s.ID, 100))(t)), normalParked(want))
}

func testParked(t *testing.T, f *fixture) {
	f.run(t, "come back whole, the oldest event first", func(t *testing.T) {
		s, late := f.subscription(f.name("a")), instant().Add(time.Hour)
		events := []hermod.ID{f.ids.Next(), f.ids.Next(), f.ids.Next()}
		third := f.parked(t, s, events[2], 0, late)
		first := f.parked(t, s, events[0], 12, late)
		second := f.parked(t, s, events[1], 0, late)
		f.parked(t, f.subscription(s.Owner), events[0], 0, late)
		f.wantParked(t, s, first, second, third)
		few := got(f.store.ParkedOf(t.Context(), s.ID, 2))(t)
		wantEqual(t, normalParked(few), normalParked([]*hermod.Parked{first, second}))
	})
	f.run(t, "the same delivery is parked once after a row", func(t *testing.T) {
		s, event, late := f.subscription(f.name("a")), f.ids.Next(), instant().Add(time.Hour)
		f.parked(t, s, event, 1, late)
		again := f.parked(t, s, event, 1, late.Add(time.Second))
		other := f.parked(t, s, event, 2, late)
		f.wantParked(t, s, again, other)
	})
	f.run(t, "what was parked again is not removed", func(t *testing.T) {
		s, event, late := f.subscription(f.name("a")), f.ids.Next(), instant().Add(time.Hour)
		first := f.parked(t, s, event, 1, late)
		again := f.parked(t, s, event, 1, late)
		must(t, f.store.Unpark(t.Context(), []*hermod.Parked{first}))
		f.wantParked(t, s, again)
		must(t, f.store.Unpark(t.Context(), []*hermod.Parked{first, again}))
		f.wantParked(t, s)
		must(t, f.store.Unpark(t.Context(), []*hermod.Parked{again}))
	})
	f.run(t, "is due at its time, the earliest first", func(t *testing.T) {
		s, now := f.subscription(f.name("a")), instant()
		second := f.parked(t, s, f.ids.Next(), 0, now)
		first := f.parked(t, s, f.ids.Next(), 3, now.Add(-time.Second))
		future := f.parked(t, s, f.ids.Next(), 0, now.Add(time.Hour))
		f.wantParkedDue(t, s, now, first, second)
		f.wantParkedDue(t, s, now.Add(time.Hour), first, second, future)
		must(t, f.store.Unpark(t.Context(), []*hermod.Parked{first}))
		f.wantParkedDue(t, s, now, second)
		f.wantDue(t, s, now)
	})
	f.run(t, "is in no delivery log", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		p := f.parked(t, s, f.ids.Next(), 0, instant())
		wantEqual(t, len(got(f.store.Attempts(t.Context(), hermod.LogQuery{Owner: s.Owner, Limit: 10}))(t).Attempts), 0)
		if last := got(f.store.LastAttempt(t.Context(), p.RunKey()))(t); last != nil {
			t.Fatalf("got the row %+v", last)
		}
	})
}

// wantParkedDue polls until those of the subscription that are due are the wanted ones.
func (f *fixture) wantParkedDue(t *testing.T, s *hermod.Subscription, until time.Time, want ...*hermod.Parked) {
	t.Helper()
	eventually(t, func() error {
		due, err := f.store.ParkedDue(t.Context(), until, dueLimit)
		if err != nil {
			return err
		}
		if !slices.IsSortedFunc(due, func(a, b *hermod.Parked) int { return a.WakeAt.Compare(b.WakeAt) }) {
			return fmt.Errorf("the earliest do not come first")
		}
		due = slices.DeleteFunc(due, func(p *hermod.Parked) bool { return p.SubscriptionID != s.ID })
		return differ(normalParked(due), normalParked(want))
	})
}
