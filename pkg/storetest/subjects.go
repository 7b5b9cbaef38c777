package storetest

import (
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// subjects stores events in turns of two subjects and of none, and gives the ids of
// the first subject's.
func (f *fixture) subjects(t *testing.T, account string, n int, subjects ...string) (events []*hermod.Event) {
	t.Helper()
	for i := range n {
		e := f.event(account)
		e.Sender, e.Name, _ = hermod.ParseType(loggedTypes[i/len(subjects)%len(loggedTypes)])
		e.Subject, e.OrganizationID = subjects[i%len(subjects)], f.name("o")
		events = append(events, e)
	}
	must(t, f.store.PutEvents(t.Context(), events))
	return events
}

func ofSubject(subject string) func(*hermod.Event) bool {
	return func(e *hermod.Event) bool { return e.Subject == subject }
}

func testSubjects(t *testing.T, f *fixture) {
	// Subjects are anything: also what looks like another key.
	names := []string{"p", "p#0", "P", odd, "usage", ""}
	f.run(t, "select events of their account, in both orders", func(t *testing.T) {
		account := f.name("a")
		events := f.subjects(t, account, 30, names...)
		f.subjects(t, f.name("a"), 12, names...)
		for _, subject := range names[:5] {
			want := selectIDs(events, ofSubject(subject))
			q := hermod.EventQuery{Owner: account, Subject: subject, Ascending: true, Limit: 100}
			f.wantLog(t, q, want)
			q.Pattern = hermod.AnyType
			f.wantLog(t, q, want)
			q.Pattern, q.Ascending = "", false
			slices.Reverse(want)
			f.wantLog(t, q, want)
		}
	})
	f.run(t, "go with types, bounds and limits", func(t *testing.T) {
		account := f.name("a")
		events := f.subjects(t, account, 60, "p", "q")
		for _, pattern := range []hermod.Pattern{"", "ant:one", "ant:*", "cat:*"} {
			want := selectIDs(events[4:57], func(e *hermod.Event) bool {
				return e.Subject == "p" && (pattern == "" || pattern.Matches(e.Sender, e.Name))
			})
			q := hermod.EventQuery{Owner: account, Subject: "p", Pattern: pattern, Ascending: true, Limit: 100}
			q.Above, q.Below = events[3].ID, events[57].ID
			f.wantLog(t, q, want)
			q.Limit = 2
			f.wantLog(t, q, want[:min(2, len(want))])
		}
	})
	f.run(t, "a walk sees every event once", func(t *testing.T) {
		account, limit := f.name("a"), 7
		want := selectIDs(f.subjects(t, account, 60, "p", ""), ofSubject("p"))
		f.wantLog(t, hermod.EventQuery{Owner: account, Subject: "p", Ascending: true, Limit: 100}, want)
		seen := walk(t, limit, func(last *hermod.ID) ([]hermod.ID, error) {
			q := hermod.EventQuery{Owner: account, Subject: "p", Ascending: true, Limit: limit}
			if last != nil {
				q.Above = *last
			}
			return f.pageIDs(t.Context(), q)
		})
		wantEqual(t, seen, want)
	})
	f.run(t, "are unknown to other owners", func(t *testing.T) {
		events := f.subjects(t, f.name("a"), 2, "p")
		f.wantLog(t, hermod.EventQuery{Owner: events[0].AccountID, Subject: "p", Limit: 10}, []hermod.ID{events[1].ID, events[0].ID})
		for _, owner := range []string{f.name("a"), events[0].OrganizationID} {
			f.wantLog(t, hermod.EventQuery{Owner: owner, Subject: "p", Limit: 10}, nil)
		}
	})
	f.run(t, "past their retention are not listed", func(t *testing.T) {
		e := f.event(f.name("a"))
		e.Subject, e.RetainUntil = "p", instant().Add(-time.Second)
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{e}))
		f.wantLog(t, hermod.EventQuery{Owner: e.AccountID, Subject: "p", Limit: 10}, nil)
	})
}
