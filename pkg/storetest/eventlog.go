package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"hermod/pkg/hermod"
)

// The types of the events in the log under test.
var loggedTypes = []string{"ant:one", "ant:two", "ant.x:one", "bee:one", "ant-y:two", "ant:three"}

// logged stores events of several types for an account, every third one naming the
// organization, and returns the organization.
func (f *fixture) logged(t *testing.T, account string, n int) (events []*hermod.Event, organization string) {
	t.Helper()
	organization = f.name("o")
	must(t, f.store.RegisterTypes(t.Context(), account, loggedTypes))
	must(t, f.store.RegisterTypes(t.Context(), organization, loggedTypes))
	for i := range n {
		events = append(events, f.loggedEvent(account, organization, i))
	}
	must(t, f.store.PutEvents(t.Context(), events))
	return events, organization
}

func (f *fixture) loggedEvent(account, organization string, i int) *hermod.Event {
	e := f.event(account)
	e.Sender, e.Name, _ = hermod.ParseType(loggedTypes[i%len(loggedTypes)])
	if i%3 == 0 {
		e.OrganizationID = organization
	}
	return e
}

// pageIDs is a page of the log as ids.
func (f *fixture) pageIDs(ctx context.Context, q hermod.EventQuery) ([]hermod.ID, error) {
	page, err := f.store.Events(ctx, q)
	var ids []hermod.ID
	for _, e := range page.Events {
		ids = append(ids, e.ID)
	}
	return ids, err
}

func selectIDs(events []*hermod.Event, keep func(*hermod.Event) bool) (ids []hermod.ID) {
	for _, e := range events {
		if keep(e) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func testEventLog(t *testing.T, f *fixture) {
	f.run(t, "selects by owner and type, in both orders", func(t *testing.T) {
		account := f.name("a")
		events, organization := f.logged(t, account, 30)
		for _, pattern := range []hermod.Pattern{"", hermod.AnyType, "ant:one", "ant:*", "bee:*", "ant:none", "cat:*"} {
			for _, owner := range []string{account, organization} {
				want := selectIDs(events, func(e *hermod.Event) bool {
					return (owner == account || e.OrganizationID != "") && (pattern == "" || pattern.Matches(e.Sender, e.Name))
				})
				f.wantLog(t, hermod.EventQuery{Owner: owner, Pattern: pattern, Ascending: true, Limit: 100}, want)
				slices.Reverse(want)
				f.wantLog(t, hermod.EventQuery{Owner: owner, Pattern: pattern, Limit: 100}, want)
			}
		}
	})
	f.run(t, "bounds are exclusive and combine with the limit", func(t *testing.T) {
		account := f.name("a")
		events, organization := f.logged(t, account, 30)
		for _, q := range []hermod.EventQuery{
			{Owner: account}, {Owner: account, Pattern: "ant:*"}, {Owner: account, Pattern: "ant:one"},
			{Owner: organization}, {Owner: organization, Pattern: "ant:*"}, {Owner: organization, Pattern: "ant:one"},
		} {
			q.Above, q.Below = events[3].ID, events[27].ID
			want := selectIDs(events[4:27], func(e *hermod.Event) bool {
				return (q.Owner == account || e.OrganizationID != "") && (q.Pattern == "" || q.Pattern.Matches(e.Sender, e.Name))
			})
			q.Ascending, q.Limit = true, 2
			f.wantLog(t, q, want[:2])
			q.Ascending = false
			f.wantLog(t, q, []hermod.ID{want[len(want)-1], want[len(want)-2]})
			q.Limit = 100
			slices.Reverse(want)
			f.wantLog(t, q, want)
		}
	})
	f.run(t, "a sender may have any number of names", f.manyNames)
	f.run(t, "other owners see nothing", func(t *testing.T) {
		f.logged(t, f.name("a"), 6)
		for _, owner := range []string{f.name("a"), f.name("o")} {
			f.wantLog(t, hermod.EventQuery{Owner: owner, Limit: 10}, nil)
		}
	})
	for _, pattern := range []hermod.Pattern{"", "ant:one", "ant:*"} {
		for _, ascending := range []bool{true, false} {
			f.run(t, fmt.Sprintf("a walk sees every row once while rows are added/%s/%t", pattern, ascending),
				func(t *testing.T) { f.walkEvents(t, pattern, ascending) })
		}
	}
}

// A manyNamed is a log of which every second event is of the sender "many", each of a name
// of its own. ids are theirs.
type manyNamed struct {
	account, organization string
	ids                   []hermod.ID
}

func (f *fixture) manyNamed(t *testing.T) *manyNamed {
	t.Helper()
	const names = 150
	l := &manyNamed{account: f.name("a"), organization: f.name("o")}
	var types []string
	var events []*hermod.Event
	for i := range names {
		e := f.event(l.account)
		e.Sender, e.Name, e.OrganizationID = "many", fmt.Sprintf("n%d", i), l.organization
		types, l.ids = append(types, e.Type()), append(l.ids, e.ID)
		other := f.event(l.account)
		other.Sender, other.OrganizationID = "other", l.organization
		events = append(events, e, other)
	}
	must(t, f.store.PutEvents(t.Context(), events))
	for _, owner := range []string{l.account, l.organization} {
		must(t, f.store.RegisterTypes(t.Context(), owner, types))
	}
	return l
}

func (f *fixture) manyNames(t *testing.T) {
	l := f.manyNamed(t)
	for _, owner := range []string{l.account, l.organization} {
		q := hermod.EventQuery{Owner: owner, Pattern: "many:*", Ascending: true, Limit: 2 * len(l.ids)}
		f.wantLog(t, q, l.ids)
		q.Limit, q.Above = 7, l.ids[20]
		f.wantLog(t, q, l.ids[21:28])
	}
}

// wantLog polls: all but an account's untyped log is read from indexes.
func (f *fixture) wantLog(t *testing.T, q hermod.EventQuery, want []hermod.ID) {
	t.Helper()
	eventually(t, func() error {
		ids, err := f.pageIDs(t.Context(), q)
		if err != nil {
			return err
		}
		return differ(ids, want)
	})
}

func (f *fixture) walkEvents(t *testing.T, pattern hermod.Pattern, ascending bool) {
	account, limit := f.name("a"), 7
	events, organization := f.logged(t, account, 60)
	want := selectIDs(events, func(e *hermod.Event) bool { return pattern == "" || pattern.Matches(e.Sender, e.Name) })
	f.wantLog(t, hermod.EventQuery{Owner: account, Pattern: pattern, Ascending: true, Limit: 100}, want)
	add := func(ctx context.Context) error {
		var more []*hermod.Event
		for i := range 4 {
			more = append(more, f.loggedEvent(account, organization, i))
		}
		return f.store.PutEvents(ctx, more)
	}
	whileAdding(t, add, func() {
		seen := walk(t, limit, func(last *hermod.ID) ([]hermod.ID, error) {
			q := hermod.EventQuery{Owner: account, Pattern: pattern, Ascending: ascending, Limit: limit}
			switch {
			case last != nil && ascending:
				q.Above = *last
			case last != nil:
				q.Below = *last
			}
			return f.pageIDs(t.Context(), q)
		})
		wantWalked(t, seen, want, ascending, hermod.ID.Compare)
	})
}
