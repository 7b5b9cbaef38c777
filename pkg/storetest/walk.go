package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// While rows are walked, adders go on adding.
const adders = 3

// whileAdding runs walk while goroutines add rows, and returns when both are done.
func whileAdding(t *testing.T, add func(ctx context.Context) error, walk func()) {
	t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range adders {
		wg.Go(func() {
			for range 200 { // a bound for slow engines
				select {
				case <-stop:
					return
				default:
				}
				if err := add(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	walk()
}

// walk pages through a log and returns all it saw. page answers the rows past the
// last one seen, nil for the first page.
func walk[T any](t *testing.T, limit int, page func(last *T) ([]T, error)) []T {
	t.Helper()
	var all []T
	var last *T
	for {
		rows := got(page(last))(t)
		if len(rows) > limit {
			t.Fatalf("got a page of %d rows, want at most %d", len(rows), limit)
		}
		all = append(all, rows...)
		if len(rows) < limit {
			return all
		}
		last = &rows[len(rows)-1]
	}
}

// wantWalked checks that a walk was in strict order, which rules out doubles, and
// that it saw every row that was there before it began.
func wantWalked[T any](t *testing.T, seen, before []T, ascending bool, compare func(a, b T) int) {
	t.Helper()
	for i := 1; i < len(seen); i++ {
		c := compare(seen[i-1], seen[i])
		if ascending && c >= 0 || !ascending && c <= 0 {
			t.Fatalf("row %d (%v) does not come after row %d (%v)", i, seen[i], i-1, seen[i-1])
		}
	}
	for _, row := range before {
		if !slices.ContainsFunc(seen, func(s T) bool { return compare(s, row) == 0 }) {
			t.Fatalf("row %v was not seen among %d", row, len(seen))
		}
	}
}
