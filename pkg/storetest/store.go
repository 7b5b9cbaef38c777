package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// TestStore runs the conformance suite on the store that open gives. Sub-tests use
// owners and ids of their own, so a store may be shared and need not be empty.
func TestStore(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	f := &fixture{store: open(t), ids: hermod.NewIDs(time.Now, fillRandom)}
	for _, area := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"Owners", testOwners},
		{"Subscriptions", testSubscriptions},
		{"GlobalSubscriptions", testGlobalSubscriptions},
		{"Definitions", testDefinitions},
		{"Types", testTypes},
		{"Credentials", testCredentials},
		{"SigningKeys", testSigningKeys},
		{"Claims", testClaims},
		{"Events", testEvents},
		{"EventLog", testEventLog},
		{"Tail", testTail},
		{"Subjects", testSubjects},
		{"Usage", testUsage},
		{"Attempts", testAttempts},
		{"DeliveryLog", testDeliveryLog},
		{"DueIndex", testDueIndex},
		{"DeadIndex", testDeadIndex},
		{"Health", testHealth},
		{"Paces", testPaces},
		{"Parked", testParked},
		{"LastOf", testLastOf},
		{"Examined", testExamined},
		{"Replays", testReplays},
		{"Audit", testAudit},
		{"Tombstones", testTombstones},
	} {
		t.Run(area.name, func(t *testing.T) {
			t.Parallel()
			area.test(t, f)
		})
	}
}

// A fixture is the store under test and a source of names nobody else uses.
type fixture struct {
	store Store
	ids   *hermod.IDs
}

func fillRandom(b []byte) { _, _ = rand.Read(b) } // never fails, see crypto/rand

// run runs a sub-test beside its siblings.
func (f *fixture) run(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t)
	})
}

// name makes a fresh name of a kind.
func (f *fixture) name(kind string) string { return kind + "-" + f.ids.Next().String() }

// owner creates a fresh owner.
func (f *fixture) owner(t *testing.T) hermod.Owner {
	t.Helper()
	o := hermod.Owner{ID: f.name("a"), CreatedAt: instant()}
	must(t, f.store.CreateOwner(t.Context(), o))
	return o
}

// instant is a moment with nanoseconds, which stores must keep.
func instant() time.Time { return time.Now().UTC().Truncate(time.Microsecond).Add(789) }

// later is a RetainUntil that no test outlives.
func later() time.Time { return instant().Add(time.Hour) }

// odd is text that must come back as it is.
const odd = "Ærø 🦭 \u2028 'q' \"d\" \\ \x00 end"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantCode(t *testing.T, err error, code hermod.Code) {
	t.Helper()
	if hermod.CodeOf(err) != code {
		t.Fatalf("got error %v of code %q, want code %q", err, hermod.CodeOf(err), code)
	}
}

func wantEqual[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got:\n%+v\nwant:\n%+v", got, want)
	}
}

// eventually polls until check answers nil: indexes may lag behind.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	eventuallyWithin(t, Deadline, check)
}

func eventuallyWithin(t *testing.T, deadline time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still after %s: %v", deadline, err)
		}
	}
}

func differ[T any](got, want T) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("got:\n%+v\nwant:\n%+v", got, want)
}

// racers is how many goroutines race for one row.
const racers = 32

// race runs fn racers times at once and counts the answers by code, "" for success.
func race(fn func(i int) error) map[hermod.Code]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	codes := map[hermod.Code]int{}
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			code := hermod.CodeOf(fn(i))
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	close(start)
	wg.Wait()
	return codes
}

// wantOneWinner checks that one racer won and all others were told the code.
func wantOneWinner(t *testing.T, codes map[hermod.Code]int, loser hermod.Code) {
	t.Helper()
	wantEqual(t, codes, map[hermod.Code]int{"": 1, loser: racers - 1})
}

// utc makes times of one instant equal.
func utc(times ...*time.Time) {
	for _, t := range times {
		if t.IsZero() {
			*t = time.Time{}
		} else {
			*t = t.UTC()
		}
	}
}

// orNil makes empty lists equal, where nil and empty mean the same.
func orNil[S ~[]T, T any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return s
}
