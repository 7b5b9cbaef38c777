package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// tailDeadline is how long the suite waits for the log to settle: an engine may keep
// a horizon of 15 s.
const tailDeadline = 3 * Deadline

// A tailCase is a log to be followed, and what it holds.
type tailCase struct {
	name    string
	owner   string
	pattern hermod.Pattern
	want    []*hermod.Event
	// last is the last id of the owner's log.
	last hermod.ID
}

// tailCases are the logs of an account and an organization, by every kind of
// pattern.
func (f *fixture) tailCases(t *testing.T) (cases []tailCase) {
	t.Helper()
	account := f.name("a")
	events, organization := f.logged(t, account, 30)
	for _, owner := range []string{account, organization} {
		own := slices.DeleteFunc(slices.Clone(events), func(e *hermod.Event) bool { return owner != account && e.OrganizationID == "" })
		for _, pattern := range []hermod.Pattern{"", hermod.AnyType, "ant:one", "ant:*", "ant:none"} {
			cases = append(cases, tailCase{
				name: fmt.Sprintf("%q of %.1s", pattern, owner), owner: owner, pattern: pattern, last: own[len(own)-1].ID,
				want: slices.DeleteFunc(slices.Clone(own), func(e *hermod.Event) bool {
					return pattern != "" && !pattern.Matches(e.Sender, e.Name)
				}),
			})
		}
	}
	return cases
}

func idsOf(events []*hermod.Event) []hermod.ID {
	return selectIDs(events, func(*hermod.Event) bool { return true })
}

func testTail(t *testing.T, f *fixture) {
	for _, c := range f.tailCases(t) {
		f.run(t, "is what the log has since a position, page by page/"+c.name, func(t *testing.T) {
			wantEqual(t, f.follow(t, hermod.TailQuery{Owner: c.owner, Pattern: c.pattern, Limit: 4}, c.last), idsOf(c.want))
			if len(c.want) < 3 {
				return
			}
			q := hermod.TailQuery{Owner: c.owner, Pattern: c.pattern, After: c.want[2].ID, Limit: 100}
			wantEqual(t, f.follow(t, q, c.last), idsOf(c.want[3:]))
		})
		f.run(t, "what is settled is shown whole/"+c.name, func(t *testing.T) {
			q := hermod.EventQuery{Owner: c.owner, Pattern: c.pattern, Ascending: true, Limit: 100}
			eventuallyWithin(t, tailDeadline, func() error {
				settled, err := f.store.Settled(t.Context(), q)
				if err != nil {
					return err
				}
				q.Below = settled.Next()
				want := selectIDs(c.want, func(e *hermod.Event) bool { return e.ID.Compare(settled) <= 0 })
				wantEqual(t, got(f.pageIDs(t.Context(), q))(t), want)
				if settled.Compare(c.last) < 0 {
					return fmt.Errorf("settled up to %s, not up to %s", settled, c.last)
				}
				return nil
			})
		})
	}
	f.run(t, "a position never falls back", func(t *testing.T) {
		owner, ahead := f.name("a"), hermod.FirstIDAt(time.Now().Add(time.Hour))
		for range 2 {
			page := got(f.store.Tail(t.Context(), hermod.TailQuery{Owner: owner, After: ahead, Limit: 10}))(t)
			wantEqual(t, page, hermod.TailPage{Position: ahead})
			f.logged(t, owner, 3)
		}
	})
	f.run(t, "what is past its retention is passed over", func(t *testing.T) {
		account := f.name("a")
		older, _ := f.logged(t, account, 2)
		expired := f.event(account)
		expired.RetainUntil = instant().Add(-time.Second)
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{expired}))
		newer, _ := f.logged(t, account, 2)
		want := idsOf(slices.Concat(older, newer))
		wantEqual(t, f.follow(t, hermod.TailQuery{Owner: account, Limit: 1}, newer[1].ID), want)
	})
	f.run(t, "other owners see nothing", func(t *testing.T) {
		f.logged(t, f.name("a"), 6)
		page := got(f.store.Tail(t.Context(), hermod.TailQuery{Owner: f.name("a"), Limit: 10}))(t)
		wantEqual(t, len(page.Events), 0)
	})
}

// follow goes on from position to position until the last id must have been seen,
// and answers the ids in the order they came.
func (f *fixture) follow(t *testing.T, q hermod.TailQuery, last hermod.ID) (seen []hermod.ID) {
	t.Helper()
	eventuallyWithin(t, tailDeadline, func() error {
		for {
			page, err := f.store.Tail(t.Context(), q)
			if err != nil {
				return err
			}
			if len(page.Events) > q.Limit || page.Position.Compare(q.After) < 0 {
				t.Fatalf("%d events up to %s, asked for %d after %s", len(page.Events), page.Position, q.Limit, q.After)
			}
			seen = append(seen, idsOf(page.Events)...)
			if q.After = page.Position; len(page.Events) == 0 {
				break
			}
		}
		if q.After.Compare(last) < 0 {
			return fmt.Errorf("the position is %s, not yet %s", q.After, last)
		}
		return nil
	})
	return seen
}
