package storetest

import (
	"fmt"
	"slices"
	"testing"

	"hermod/pkg/hermod"
)

// testExamined shows that a page looks at so many rows at most, and that whoever goes on
// from where it stopped sees all that match.
func testExamined(t *testing.T, f *fixture) {
	f.run(t, "attempts", func(t *testing.T) {
		l := f.deliveryLog(t, 8)
		for name, c := range l.selections() {
			for _, ascending := range []bool{true, false} {
				want := attemptKeys(l.attempts, c.keep)
				q := c.query
				if q.Ascending = ascending; !ascending {
					slices.Reverse(want)
				}
				eventually(t, func() error { // failures are read from an index
					seen, err := f.examineAttempts(t, q)
					if err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					return differ(seen, want)
				})
			}
		}
	})
	f.run(t, "events of a sender of very many names", func(t *testing.T) {
		log := f.manyNamed(t)
		for _, owner := range []string{log.account, log.organization} {
			for _, ascending := range []bool{true, false} {
				want := slices.Clone(log.ids)
				q := hermod.EventQuery{Owner: owner, Pattern: "many:*", Ascending: ascending}
				if !ascending {
					slices.Reverse(want)
				}
				eventually(t, func() error {
					seen, err := f.examineEvents(t, q)
					if err != nil {
						return err
					}
					return differ(seen, want)
				})
			}
		}
	})
}

// examineAttempts walks a log with pages that look at few rows.
func (f *fixture) examineAttempts(t *testing.T, q hermod.LogQuery) (seen []hermod.AttemptKey, err error) {
	t.Helper()
	q.Limit, q.Examine = 4, 5
	for {
		page, err := f.store.Attempts(t.Context(), q)
		if err != nil {
			return nil, err
		}
		keys := attemptKeys(page.Attempts, func(*hermod.Attempt) bool { return true })
		seen = append(seen, keys...)
		switch {
		case len(keys) == q.Limit && page.Next == nil:
			page.Next = &keys[q.Limit-1]
		case len(keys) > q.Limit || (len(keys) == q.Limit && page.Next != nil):
			t.Fatalf("got a page of %d rows and Next %v, want %d at most, and Next where there are fewer", len(keys), page.Next, q.Limit)
		case page.Next == nil:
			return seen, nil
		}
		if q.Ascending {
			q.Above = page.Next
		} else {
			q.Below = page.Next
		}
	}
}

// examineEvents walks a log with pages that look at few events.
func (f *fixture) examineEvents(t *testing.T, q hermod.EventQuery) (seen []hermod.ID, err error) {
	t.Helper()
	q.Limit, q.Examine = 20, 15
	for {
		page, err := f.store.Events(t.Context(), q)
		if err != nil {
			return nil, err
		}
		if len(page.Events) > q.Examine {
			t.Fatalf("got %d events, want no more than the %d that may be looked at", len(page.Events), q.Examine)
		}
		for _, e := range page.Events {
			seen = append(seen, e.ID)
		}
		if page.Next.IsZero() {
			return seen, nil
		}
		if q.Ascending {
			q.Above = page.Next
		} else {
			q.Below = page.Next
		}
	}
}
