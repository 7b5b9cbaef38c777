package storetest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func testPaces(t *testing.T, f *fixture) {
	admit := func(t *testing.T, ref hermod.Ref, rate int, at time.Time) bool {
		t.Helper()
		return got(f.store.Admit(t.Context(), ref, f.ids.Next(), rate, at))(t)
	}
	f.run(t, "there are the tokens of a second, and then one after the other", func(t *testing.T) {
		s, at := f.created(t, f.owner(t).ID), instant()
		for n := range 4 {
			wantEqual(t, admit(t, s.Ref(), 4, at), true)
			at = at.Add(time.Duration(n)) // hardly any time
		}
		for range 3 {
			wantEqual(t, admit(t, s.Ref(), 4, at), false)
			wantEqual(t, admit(t, s.Ref(), 4, at.Add(200*time.Millisecond)), false)
			at = at.Add(250 * time.Millisecond)
			wantEqual(t, admit(t, s.Ref(), 4, at), true)
		}
		at = at.Add(time.Hour)
		for range 4 {
			wantEqual(t, admit(t, s.Ref(), 4, at), true)
		}
		wantEqual(t, admit(t, s.Ref(), 4, at), false)
	})
	f.run(t, "subscriptions have buckets of their own", func(t *testing.T) {
		owner, at := f.owner(t).ID, instant()
		for range 3 {
			s := f.created(t, owner)
			wantEqual(t, admit(t, s.Ref(), 1, at), true)
			wantEqual(t, admit(t, s.Ref(), 1, at), false)
		}
	})
	f.run(t, "many at once take no more than there are", func(t *testing.T) {
		s, at, limit := f.created(t, f.owner(t).ID), instant(), racers/2
		admitted := make([]bool, racers)
		codes := race(func(i int) (err error) {
			admitted[i], err = f.store.Admit(t.Context(), s.Ref(), f.ids.Next(), limit, at)
			return err
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		n := len(slices.DeleteFunc(admitted, func(ok bool) bool { return !ok }))
		if n > limit || n == 0 {
			t.Fatalf("%d of %d were admitted", n, limit)
		}
		wantEqual(t, admit(t, s.Ref(), limit, at.Add(time.Second)), true)
	})
	f.run(t, "a high rate is one in whatever parts it is kept", func(t *testing.T) {
		const rate, many = 300, 340
		s, at := f.created(t, f.owner(t).ID), instant()
		var n atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range many / 20 {
					ok, err := f.store.Admit(t.Context(), s.Ref(), f.ids.Next(), rate, at)
					if err != nil {
						t.Error(err)
					}
					if ok {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := n.Load(); n > rate || n < rate*3/4 {
			t.Fatalf("%d of %d were admitted at once", n, rate)
		}
	})
	f.run(t, "a clock that is set back holds nothing up", func(t *testing.T) {
		s, at := f.created(t, f.owner(t).ID), instant()
		wantEqual(t, admit(t, s.Ref(), 1, at.Add(24*time.Hour)), true)
		wantEqual(t, admit(t, s.Ref(), 1, at), true)
		wantEqual(t, admit(t, s.Ref(), 1, at), false)
	})
	f.run(t, "another rate is in force at once", func(t *testing.T) {
		s, at := f.created(t, f.owner(t).ID), instant()
		wantEqual(t, admit(t, s.Ref(), 1, at), true)
		wantEqual(t, admit(t, s.Ref(), 1, at), false)
		at = at.Add(time.Second)
		for range 10 {
			wantEqual(t, admit(t, s.Ref(), 10, at), true)
		}
		wantEqual(t, admit(t, s.Ref(), 10, at), false)
	})
}
