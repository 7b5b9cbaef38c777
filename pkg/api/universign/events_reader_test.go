package universign_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

// A memoryLog is a workspace's events, the newest first, and counts those that are read.
type memoryLog struct {
	universign.EventStore
	events []*hermod.Event
	read   int
}

func (m *memoryLog) Events(_ context.Context, q hermod.EventQuery) (page hermod.EventPage, err error) {
	for _, e := range m.events {
		if len(page.Events) == q.Limit {
			break
		}
		if q.Pattern.Matches(e.Sender, e.Name) && (q.Below.IsZero() || e.ID.Compare(q.Below) < 0) {
			page.Events = append(page.Events, e)
		}
	}
	m.read += len(page.Events)
	return page, nil
}

// mixed is a log of n events, each of a type that typ gives, and their ids, the newest
// first. The oldest is of the last type and caused by the key apk_rare.
func mixed(n int, typ func(i int) string) (l *eventLog, m *memoryLog, ids []string) {
	m = &memoryLog{}
	source := hermod.NewIDs(func() time.Time { return accepted }, func([]byte) {})
	for i := range n {
		e := &hermod.Event{ID: source.Next(), AccountID: workspace, Sender: "universign", Name: typ(i), Data: []byte(`{}`), Timestamp: accepted}
		if i == 0 {
			e.Name, e.Context.APIKeyID = slices.Max(universign.Types()), "apk_rare"
		}
		m.events, ids = append(m.events, e), append(ids, universign.EventID(e.ID))
	}
	slices.Reverse(m.events)
	slices.Reverse(ids)
	return &eventLog{handler: serverOf(&universign.Events{Store: m, Now: time.Now})}, m, ids
}

// spreads are how events fall to types.
func spreads() map[string]func(i int) string {
	types := universign.Types()
	random := rand.New(rand.NewPCG(1, 2))
	return map[string]func(int) string{
		"by turns":            func(i int) string { return types[i%len(types)] },
		"nearly all one type": func(int) string { return types[max(0, random.IntN(200)-177)] },
		"in blocks":           func(i int) string { return types[i/90%len(types)] },
	}
}

// TestNoEventIsReadTwice: an export of several types reads each event once.
func TestNoEventIsReadTwice(t *testing.T) {
	t.Parallel()
	for name, typ := range spreads() {
		l, c, ids := mixed(3000, typ)
		for _, query := range []string{"", "type=" + strings.Join(universign.Types(), ",")} {
			c.read = 0
			if got := firstColumn(rowsOf(t, l.get(t, "admin", "/events/export?"+query))); !slices.Equal(got, ids) || c.read != 3000 {
				t.Errorf("%s, %q: %d rows of %d events that were read", name, query, len(got), c.read)
			}
		}
	}
}

// TestAnAnswerReadsAThousandEventsAtMost, whatever the filter, and says where to go on.
func TestAnAnswerReadsAThousandEventsAtMost(t *testing.T) {
	t.Parallel()
	types := universign.Types()
	for name, typ := range spreads() {
		l, c, ids := mixed(3000, typ)
		for _, n := range []int{1, 8, len(types)} {
			wanted := "&type=" + strings.Join(types[len(types)-n:], ",")
			var found []string
			answers := 0
			for after, more := "", true; more; answers++ {
				c.read = 0
				page := l.list(t, "/events?apikey_id=apk_rare"+wanted+after)
				if c.read > 1000 {
					t.Fatalf("%s, %d types: an answer read %d events", name, n, c.read)
				}
				if page.HasMore && page.Next == "" {
					t.Fatalf("no way on: %+v", page)
				}
				found, more, after = append(found, page.ids()...), page.HasMore, "&starting_after="+page.Next
			}
			if !slices.Equal(found, ids[2999:]) || answers > 5 {
				t.Errorf("%s, %d types: found %v in %d answers", name, n, found, answers)
			}
		}
	}
}

// TestAPageOfSeveralTypesReadsLittleMore than it shows: up to twice as many, and one
// first part.
func TestAPageOfSeveralTypesReadsLittleMore(t *testing.T) {
	t.Parallel()
	types := strings.Join(universign.Types(), ",")
	for name, typ := range spreads() {
		l, c, ids := mixed(1500, typ)
		for _, limit := range []int{1, 20, 100} {
			for from := 0; from < len(ids)-limit; from += 333 {
				c.read = 0
				after := ""
				if from > 0 {
					after = "&starting_after=" + ids[from-1]
				}
				page := l.list(t, fmt.Sprintf("/events?limit=%d&type=%s%s", limit, types, after))
				if most := 3*(limit+1) + 24; !slices.Equal(page.ids(), ids[from:from+limit]) || !page.HasMore || c.read > most {
					t.Errorf("%s: %d of %d events that were read, want %d of %d at most", name, len(page.Data), c.read, limit, most)
				}
			}
			c.read = 0
			rows := firstColumn(rowsOf(t, l.get(t, "admin", fmt.Sprintf("/events/export?limit=%d&type=%s", limit, types))))
			if most := 3*limit + 24; !slices.Equal(rows, ids[:limit]) || c.read > most {
				t.Errorf("%s: an export has %d rows of %d events that were read, want %d of %d at most", name, len(rows), c.read, limit, most)
			}
		}
	}
}

// TestAMockIsInNoAnswer: it did not happen.
func TestAMockIsInNoAnswer(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	mock := func() *hermod.Event {
		e, err := l.acceptor.Mock(t.Context(), hermod.Event{
			AccountID: workspace, Sender: "universign", Name: "action.closed",
			Data: []byte(`{"object":"action","id":"act_1","type":"signature","required_level":1}`),
		}, hermod.Ref{Owner: workspace, ID: "s-1"})
		if err != nil {
			t.Fatal(err)
		}
		l.at = l.at.Add(time.Millisecond)
		return e
	}
	for range 30 {
		mock()
	}
	one := universign.EventID(l.closed(t, "visa", 0).ID)
	l.at = l.at.Add(time.Millisecond)
	for range 30 {
		mock()
	}
	for _, filter := range []string{"", "&type=action.closed", "&type=action.closed,action.opened"} {
		page := l.list(t, "/events?limit=20"+filter)
		if !slices.Equal(page.ids(), []string{one}) || page.HasMore || page.Total == nil || *page.Total != 1 {
			t.Errorf("%s: %+v", filter, page)
		}
		if rows := firstColumn(rowsOf(t, l.get(t, "admin", "/events/export?limit=20"+filter))); !slices.Equal(rows, []string{one}) {
			t.Errorf("%s: the export has %v", filter, rows)
		}
	}
	if w := l.get(t, "admin", "/events/"+universign.EventID(mock().ID)); w.Code != http.StatusNotFound {
		t.Errorf("alone: %d %s", w.Code, w.Body)
	}
}
