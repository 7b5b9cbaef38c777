package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// attempt makes a first-try success that is not stored yet.
func (f *fixture) attempt(s *hermod.Subscription, event hermod.ID) *hermod.Attempt {
	return &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: s.ID, EventID: event}, Number: 1},
		Owner:      s.Owner, Account: s.Owner, Trigger: hermod.TriggerMatch, At: instant(), Duration: 12345678,
		State: hermod.Succeeded, StatusCode: 204, RetainUntil: later(),
	}
}

func normalAttempt(a *hermod.Attempt) hermod.Attempt {
	c := *a
	utc(&c.Until, &c.At, &c.NextAt, &c.RetainUntil)
	return c
}

func testAttempts(t *testing.T, f *fixture) {
	f.run(t, "come back whole", f.attemptRoundTrip)
	f.run(t, "one of many putters wins", func(t *testing.T) {
		a := f.attempt(f.subscription(f.name("a")), f.ids.Next())
		wantOneWinner(t, race(func(int) error {
			c := *a
			return f.store.PutAttempt(t.Context(), &c)
		}), hermod.CodeConflict)
	})
	f.run(t, "the last of a run is the one with the highest number", func(t *testing.T) {
		s, event := f.subscription(f.name("a")), f.ids.Next()
		put := func(run, number int) {
			a := f.attempt(s, event)
			a.Run, a.Number = run, number
			must(t, f.store.PutAttempt(t.Context(), a))
		}
		run := hermod.RunKey{SubscriptionID: s.ID, EventID: event}
		if last := got(f.store.LastAttempt(t.Context(), run))(t); last != nil {
			t.Fatalf("got %v before any row, want nil", last)
		}
		for n := 1; n <= 11; n++ {
			put(0, n)
			wantEqual(t, got(f.store.LastAttempt(t.Context(), run))(t).Number, n)
		}
		put(1, hermod.MaxNumber)
		put(10, 1)
		wantEqual(t, got(f.store.LastAttempt(t.Context(), run))(t).Number, 11)
		run.Run = 1
		wantEqual(t, got(f.store.LastAttempt(t.Context(), run))(t).Number, hermod.MaxNumber)
		run.Run = 2
		if last := got(f.store.LastAttempt(t.Context(), run))(t); last != nil {
			t.Fatalf("got %v of a run without rows, want nil", last)
		}
	})
	f.run(t, "past their retention are not read", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		a := f.attempt(s, f.ids.Next())
		a.RetainUntil = instant().Add(-time.Second)
		must(t, f.store.PutAttempt(t.Context(), a))
		_, err := f.store.Attempt(t.Context(), a.AttemptKey)
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.Attempts(t.Context(), hermod.LogQuery{Owner: s.Owner, Limit: 10}))(t).Attempts), 0)
	})
}

func (f *fixture) attemptRoundTrip(t *testing.T) {
	s := f.subscription(f.name("a"))
	full := f.attempt(s, f.ids.Next())
	full.Account, full.Run, full.Number = f.name("a"), 12, hermod.MaxNumber
	full.Trigger, full.Replay, full.Until = hermod.TriggerReplay, f.ids.Next(), instant().Add(time.Hour)
	full.State, full.Reason = hermod.Dead, hermod.ReasonExhausted
	full.StatusCode, full.ErrorClass, full.ErrorMessage = 503, "status", odd
	full.Response, full.Target = odd, "https://example.com/x"
	full.SubscriptionType, full.SubscriptionName = hermod.Webhook, odd
	waiting := f.attempt(s, f.ids.Next())
	waiting.State, waiting.NextAt, waiting.Carrier = hermod.Waiting, instant().Add(time.Minute), "message-1"
	bare := &hermod.Attempt{
		AttemptKey: f.attempt(s, f.ids.Next()).AttemptKey, Owner: s.Owner, State: hermod.Dropped,
		Trigger: hermod.TriggerMatch, RetainUntil: later(),
	}
	for _, a := range []*hermod.Attempt{full, waiting, bare} {
		must(t, f.store.PutAttempt(t.Context(), a))
		wantEqual(t, normalAttempt(got(f.store.Attempt(t.Context(), a.AttemptKey))(t)), normalAttempt(a))
		wantEqual(t, normalAttempt(got(f.store.LastAttempt(t.Context(), a.RunKey))(t)), normalAttempt(a))
	}
	aged := f.attempt(s, f.ids.Next())
	aged.RetainUntil = time.Now().Add(-time.Hour)
	must(t, f.store.PutAttempt(t.Context(), aged))
	if last := got(f.store.LastAttempt(t.Context(), aged.RunKey))(t); last == nil || last.Number != aged.Number {
		t.Errorf("the last attempt is %v, want the row past its retention that put-if-absent meets", last)
	}
	absent := full.AttemptKey
	absent.Number = 1
	_, err := f.store.Attempt(t.Context(), absent)
	wantCode(t, err, hermod.CodeNotFound)
}

// A deliveryLog is an owner with three subscriptions, one of them deleted, and
// their attempts in the order of the log.
type deliveryLog struct {
	owner    string
	subs     []*hermod.Subscription
	attempts []*hermod.Attempt
}

func (f *fixture) deliveryLog(t *testing.T, events int) *deliveryLog {
	t.Helper()
	l := &deliveryLog{owner: f.owner(t).ID}
	for range 3 {
		l.subs = append(l.subs, f.created(t, l.owner))
	}
	for range events {
		event := f.ids.Next()
		for i, s := range l.subs {
			l.attempts = append(l.attempts, f.tries(s, event, i)...)
		}
	}
	for _, a := range l.attempts {
		must(t, f.store.PutAttempt(t.Context(), a))
	}
	l.subs[1].DeletedAt = instant()
	must(t, f.store.UpdateSubscription(t.Context(), l.subs[1]))
	slices.SortFunc(l.attempts, compareAttempts)
	return l
}

// tries are a failure and a success in run 0, or a success, and a failure in run 1.
func (f *fixture) tries(s *hermod.Subscription, event hermod.ID, i int) []*hermod.Attempt {
	first, second := f.attempt(s, event), f.attempt(s, event)
	if i%2 == 0 {
		first.State, first.NextAt, first.Carrier = hermod.Waiting, instant().Add(time.Hour), "message-1"
		second.Number = 2
		return []*hermod.Attempt{first, second}
	}
	second.Run, second.Trigger, second.State, second.Reason = 1, hermod.TriggerReplay, hermod.Dead, hermod.ReasonExhausted
	return []*hermod.Attempt{first, second}
}

func compareAttempts(a, b *hermod.Attempt) int { return a.Compare(b.AttemptKey) }

func compareKeys(a, b hermod.AttemptKey) int { return a.Compare(b) }

func attemptKeys(attempts []*hermod.Attempt, keep func(*hermod.Attempt) bool) (keys []hermod.AttemptKey) {
	for _, a := range attempts {
		if keep(a) {
			keys = append(keys, a.AttemptKey)
		}
	}
	return keys
}

func (f *fixture) pageKeys(ctx context.Context, q hermod.LogQuery) ([]hermod.AttemptKey, error) {
	page, err := f.store.Attempts(ctx, q)
	return attemptKeys(page.Attempts, func(*hermod.Attempt) bool { return true }), err
}

// wantDeliveries polls: failures are read from an index.
func (f *fixture) wantDeliveries(t *testing.T, q hermod.LogQuery, want []hermod.AttemptKey) {
	t.Helper()
	eventually(t, func() error {
		keys, err := f.pageKeys(t.Context(), q)
		if err != nil {
			return err
		}
		return differ(keys, want)
	})
}

// selections are the ways to narrow a log, with what they keep.
func (l *deliveryLog) selections() map[string]struct {
	query hermod.LogQuery
	keep  func(*hermod.Attempt) bool
} {
	all := map[string]struct {
		query hermod.LogQuery
		keep  func(*hermod.Attempt) bool
	}{}
	yes, no := true, false
	for _, sub := range []string{"", l.subs[0].ID, l.subs[1].ID} {
		for _, success := range []*bool{nil, &yes, &no} {
			name := fmt.Sprintf("sub %q success %v", sub, success != nil && *success)
			if success == nil {
				name = fmt.Sprintf("sub %q", sub)
			}
			c := all[name]
			c.query = hermod.LogQuery{Owner: l.owner, SubscriptionID: sub, Success: success}
			c.keep = func(a *hermod.Attempt) bool {
				return (sub == "" || a.SubscriptionID == sub) && (success == nil || a.Success() == *success)
			}
			all[name] = c
		}
	}
	return all
}

func testDeliveryLog(t *testing.T, f *fixture) {
	f.run(t, "selects by subscription and success, in both orders", func(t *testing.T) {
		l := f.deliveryLog(t, 5)
		for _, c := range l.selections() {
			want := attemptKeys(l.attempts, c.keep)
			q := c.query
			q.Ascending, q.Limit = true, 100
			f.wantDeliveries(t, q, want)
			slices.Reverse(want)
			q.Ascending = false
			f.wantDeliveries(t, q, want)
		}
	})
	f.run(t, "bounds are exclusive and combine with the limit", func(t *testing.T) {
		l := f.deliveryLog(t, 6)
		above, below := l.attempts[5].AttemptKey, l.attempts[len(l.attempts)-4].AttemptKey
		for _, c := range l.selections() {
			want := attemptKeys(l.attempts[6:len(l.attempts)-4], c.keep)
			q := c.query
			q.Above, q.Below, q.Ascending, q.Limit = &above, &below, true, 100
			f.wantDeliveries(t, q, want)
			q.Limit = 2
			f.wantDeliveries(t, q, want[:2])
			q.Ascending = false
			f.wantDeliveries(t, q, []hermod.AttemptKey{want[len(want)-1], want[len(want)-2]})
		}
	})
	f.run(t, "other owners see nothing", func(t *testing.T) {
		l, other := f.deliveryLog(t, 1), f.owner(t).ID
		f.wantDeliveries(t, hermod.LogQuery{Owner: other, Limit: 10}, nil)
		f.wantDeliveries(t, hermod.LogQuery{Owner: other, SubscriptionID: l.subs[0].ID, Limit: 10}, nil)
	})
	for _, whole := range []bool{true, false} {
		for _, ascending := range []bool{true, false} {
			f.run(t, fmt.Sprintf("a walk sees every row once while rows are added/owner %t/ascending %t", whole, ascending),
				func(t *testing.T) { f.walkDeliveries(t, whole, ascending) })
		}
	}
}

func (f *fixture) walkDeliveries(t *testing.T, whole, ascending bool) {
	l, limit := f.deliveryLog(t, 10), 7
	q := hermod.LogQuery{Owner: l.owner, Ascending: ascending, Limit: limit}
	if !whole {
		q.SubscriptionID = l.subs[0].ID
	}
	want := attemptKeys(l.attempts, func(a *hermod.Attempt) bool { return whole || a.SubscriptionID == q.SubscriptionID })
	add := func(ctx context.Context) error {
		event := f.ids.Next()
		for i, s := range l.subs {
			for _, a := range f.tries(s, event, i) {
				if err := f.store.PutAttempt(ctx, a); err != nil {
					return err
				}
			}
		}
		return nil
	}
	whileAdding(t, add, func() {
		seen := walk(t, limit, func(last *hermod.AttemptKey) ([]hermod.AttemptKey, error) {
			q := q
			if ascending {
				q.Above = last
			} else {
				q.Below = last
			}
			return f.pageKeys(t.Context(), q)
		})
		wantWalked(t, seen, want, ascending, compareKeys)
	})
}
