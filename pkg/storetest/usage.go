package storetest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func signature(level int) []hermod.Unit {
	return []hermod.Unit{{Kind: hermod.UnitSignature, Level: level, N: 1}}
}

func seals(n int) []hermod.Unit { return []hermod.Unit{{Kind: hermod.UnitSeal, N: n}} }

// used makes events of the units given in turn, at the moments given. Their ids are
// those of an account that has accepted them then.
func (f *fixture) used(account string, at []time.Time, units ...[]hermod.Unit) (events []*hermod.Event) {
	for i, moment := range at {
		e := f.event(account)
		e.ID = hermod.NewIDs(func() time.Time { return moment }, fillRandom).Next()
		e.Units = units[i%len(units)]
		events = append(events, e)
	}
	return events
}

// every gives n moments.
func every(first time.Time, step time.Duration, n int) (at []time.Time) {
	for i := range n {
		at = append(at, first.Add(time.Duration(i)*step))
	}
	return at
}

// naive is the sum that Usage is held against.
func naive(events []*hermod.Event, q hermod.UsageQuery) []hermod.Unit {
	sum := hermod.Usage{}
	for _, e := range events {
		after := q.Above.IsZero() || e.ID.Compare(q.Above) > 0
		before := q.Below.IsZero() || e.ID.Compare(q.Below) < 0
		retained := e.RetainUntil.IsZero() || time.Now().Before(e.RetainUntil)
		if e.AccountID == q.Account && after && before && retained {
			sum.Add(e.Units...)
		}
	}
	return sum.Units()
}

// wantUsage polls: an engine may sum up an index.
func (f *fixture) wantUsage(t *testing.T, events []*hermod.Event, q hermod.UsageQuery) {
	t.Helper()
	eventually(t, func() error {
		units, err := f.store.Usage(t.Context(), q)
		if err != nil {
			return err
		}
		return differ(units, naive(events, q))
	})
}

// pastHour is the start of an hour a day ago, which every engine takes for settled.
func pastHour() time.Time { return time.Now().Add(-24 * time.Hour).Truncate(time.Hour) }

func testUsage(t *testing.T, f *fixture) {
	f.run(t, "is the sum of kinds and levels", func(t *testing.T) {
		account := f.name("a")
		events := f.used(account, every(time.Now(), time.Millisecond, 12),
			signature(1), signature(2), seals(3), nil, []hermod.Unit{{Kind: hermod.UnitVisa, N: 2}, {Kind: hermod.UnitReview, Level: 4, N: 1}})
		must(t, f.store.PutEvents(t.Context(), events))
		f.wantUsage(t, events, hermod.UsageQuery{Account: account})
		wantEqual(t, got(f.store.Usage(t.Context(), hermod.UsageQuery{Account: account}))(t), []hermod.Unit{
			{Kind: hermod.UnitReview, Level: 4, N: 2}, {Kind: hermod.UnitSeal, N: 6},
			{Kind: hermod.UnitSignature, Level: 1, N: 3}, {Kind: hermod.UnitSignature, Level: 2, N: 3},
			{Kind: hermod.UnitVisa, N: 4},
		})
		for _, other := range []string{f.name("a"), "", account + "#"} {
			wantEqual(t, len(got(f.store.Usage(t.Context(), hermod.UsageQuery{Account: other}))(t)), 0)
		}
	})
	f.run(t, "counts an event once, however often it is put", func(t *testing.T) {
		account := f.name("a")
		events := f.used(account, every(pastHour(), 7*time.Minute, 40), signature(1), seals(2))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := f.store.PutEvents(t.Context(), events); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f.wantUsage(t, events, hermod.UsageQuery{Account: account})
		must(t, f.store.PutEvents(t.Context(), events)) // after it was summed up
		f.wantUsage(t, events, hermod.UsageQuery{Account: account})
	})
	f.run(t, "has bounds that are strict to the id", f.usageBounds)
	f.run(t, "counts what comes while it is asked", f.usageWhilePut)
	f.run(t, "forgets events with their retention", f.usageForgets)
	f.run(t, "agrees with a count of many hours", f.usageOfManyHours)
}

// usageBounds asks for every pair of bounds about the edges of two hours.
func (f *fixture) usageBounds(t *testing.T) {
	account, hour := f.name("a"), pastHour()
	var at []time.Time
	for _, edge := range []time.Duration{0, 10 * time.Second, time.Hour, time.Hour + 10*time.Second, 2 * time.Hour} {
		for _, beside := range []time.Duration{-time.Millisecond, -1, 0, 1, time.Millisecond} {
			at = append(at, hour.Add(edge+beside))
		}
	}
	at = append(at, every(hour.Add(5*time.Second), 3*time.Second, 30)...) // more than a page
	events := f.used(account, at, signature(1), seals(2), signature(2))
	slices.SortFunc(events, func(a, b *hermod.Event) int { return a.ID.Compare(b.ID) })
	must(t, f.store.PutEvents(t.Context(), events))
	f.wantUsage(t, events, hermod.UsageQuery{Account: account})
	bounds := []hermod.ID{{}, hermod.FirstIDAt(hour), hermod.LastIDAt(hour), hermod.FirstIDAt(hour.Add(time.Hour)), hermod.LastIDAt(hour.Add(2 * time.Hour))}
	for i := 0; i < len(events); i += 3 {
		bounds = append(bounds, events[i].ID)
	}
	for _, above := range bounds {
		for _, below := range bounds {
			f.wantUsage(t, events, hermod.UsageQuery{Account: account, Above: above, Below: below})
		}
	}
}

func (f *fixture) usageWhilePut(t *testing.T) {
	account := f.name("a")
	var mu sync.Mutex
	var all []*hermod.Event
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				events := f.used(account, every(time.Now(), time.Microsecond, 5), signature(1), seals(1))
				mu.Lock()
				all = append(all, events...)
				mu.Unlock()
				if err := f.store.PutEvents(t.Context(), events); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for last := 0; last < 150 && !t.Failed(); { // sums only rise, and never past what was put
		n := 0
		units := got(f.store.Usage(t.Context(), hermod.UsageQuery{Account: account}))(t)
		for _, u := range units {
			n += u.N
		}
		mu.Lock()
		begun := len(all)
		mu.Unlock()
		if n < last || n > begun {
			t.Fatalf("%d units after %d, of %d", n, last, begun)
		}
		last = n
	}
	wg.Wait()
	f.wantUsage(t, all, hermod.UsageQuery{Account: account})
}

func (f *fixture) usageForgets(t *testing.T) {
	account := f.name("a")
	events := f.used(account, every(pastHour(), 3*time.Minute, 60), signature(1), seals(2))
	soon := time.Now().Add(2 * time.Second)
	for i, e := range events {
		switch i % 4 {
		case 0:
			e.RetainUntil = time.Now().Add(-time.Second)
		case 1:
			e.RetainUntil = soon
		case 2:
			e.RetainUntil = time.Time{}
		}
	}
	must(t, f.store.PutEvents(t.Context(), events))
	q := hermod.UsageQuery{Account: account, Above: events[7].ID}
	f.wantUsage(t, events, q)
	eventually(t, func() error { // until the moment has passed
		f.wantUsage(t, events, q)
		return differ(time.Now().After(soon), true)
	})
	f.wantUsage(t, events, q)
}

func (f *fixture) usageOfManyHours(t *testing.T) {
	account, first := f.name("a"), pastHour().Add(-40*time.Hour)
	random := rand.New(rand.NewPCG(1, 2))
	var at []time.Time
	for range 300 {
		at = append(at, first.Add(time.Duration(random.Int64N(int64(64*time.Hour)))))
	}
	at = append(at, every(time.Now().Add(-time.Hour), time.Minute, 60)...) // up to the present
	events := f.used(account, at, signature(1), signature(2), nil, seals(3), signature(2))
	for chunk := range slices.Chunk(events, 100) {
		must(t, f.store.PutEvents(t.Context(), chunk))
	}
	f.wantUsage(t, events, hermod.UsageQuery{Account: account})
	for range 40 {
		q := hermod.UsageQuery{Account: account}
		if random.IntN(4) > 0 {
			q.Above = hermod.FirstIDAt(first.Add(time.Duration(random.Int64N(int64(64 * time.Hour)))))
		}
		if random.IntN(4) > 0 {
			q.Below = hermod.FirstIDAt(first.Add(time.Duration(random.Int64N(int64(70 * time.Hour)))))
		}
		f.wantUsage(t, events, q)
	}
}
