package universign_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

// wantGolden holds an answer against a file of the answers' own data in the shape of
// the wire facts. Renaming a member breaks every client.
const completed = `{"object":"transaction","id":"tx_AWo949MOq0JE","state":"completed","sealers":[{"id":"seal_1"},{"id":"seal_2"}]}`

func TestAnswersAreThoseOfTheWireFacts(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	first := l.closed(t, "signature", 2)
	l.at = l.at.Add(2 * time.Second).Truncate(time.Second)
	last := l.publish(t, workspace, "universign:transaction.lifecycle.completed", completed,
		hermod.Context{UserID: "usr_2", APIKeyID: "apk_5X", TraceID: "b0c7f1d2"})
	l.publish(t, workspace, "sign:done", `{}`, hermod.Context{})
	apitest.Golden(t, "event.json", l.get(t, "admin", "/events/"+universign.EventID(last.ID)).Body.Bytes())
	apitest.Golden(t, "event_bare.json", l.get(t, "admin", "/events/"+universign.EventID(first.ID)).Body.Bytes())
	apitest.Golden(t, "events_list.json", l.get(t, "admin", "/events").Body.Bytes())
	apitest.Golden(t, "events_report.json", l.get(t, "admin", "/events/report").Body.Bytes())
	apitest.Golden(t, "events.csv", l.get(t, "admin", "/events/export").Body.Bytes())
	apitest.Golden(t, "events_error.json", l.get(t, "admin", "/events?limit=0&type=what").Body.Bytes())
}

func TestEventsAreListedByFilter(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	types := []string{"action.opened", "action.closed", "transaction.lifecycle.started"}
	var all []string
	var moments []time.Time
	for i := range 12 {
		e := l.publish(t, workspace, "universign:"+types[i%3], `{}`, hermod.Context{APIKeyID: []string{"apk_1", "", "apk_2", "apk_1"}[i%4]})
		all, moments = append(all, universign.EventID(e.ID)), append(moments, l.at)
		l.publish(t, workspace, "signly:OTP_SENT", `{}`, hermod.Context{APIKeyID: "apk_1"})
		l.publish(t, foreign, "universign:action.closed", `{}`, hermod.Context{APIKeyID: "apk_1"})
		l.at = l.at.Add(time.Second)
	}
	at := func(i int) string { return url.QueryEscape(moments[i].Format(time.RFC3339Nano)) }
	pick := func(keep func(i int) bool) (ids []string) {
		for i := len(all) - 1; i >= 0; i-- {
			if keep(i) {
				ids = append(ids, all[i])
			}
		}
		return ids
	}
	for query, keep := range map[string]func(i int) bool{
		"":                                      func(int) bool { return true },
		"type=action.closed":                    func(i int) bool { return i%3 == 1 },
		"type=action.closed,action.opened":      func(i int) bool { return i%3 != 2 },
		"type=action.closed&type=action.opened": func(i int) bool { return i%3 != 2 },
		"type[]=action.closed&type=action.closed":           func(i int) bool { return i%3 == 1 },
		"type=apikey.created":                               func(int) bool { return false },
		"created_gt=" + at(3):                               func(i int) bool { return i > 3 },
		"created_lt=" + at(3):                               func(i int) bool { return i < 3 },
		"created_gt=" + at(3) + "&created_lt=" + at(7):      func(i int) bool { return i > 3 && i < 7 },
		"created_gt=" + at(7) + "&created_lt=" + at(3):      func(int) bool { return false },
		"created_lt=1960-01-01T00:00:00Z":                   func(int) bool { return false },
		"created_gt=1960-01-01T00:00:00Z":                   func(int) bool { return true },
		"apikey_id=apk_1":                                   func(i int) bool { return i%4 == 0 || i%4 == 3 },
		"apikey_id=apk_2&type=action.closed":                func(i int) bool { return i%4 == 2 && i%3 == 1 },
		"apikey_id=apk_3":                                   func(int) bool { return false },
		"starting_after=" + all[5]:                          func(i int) bool { return i < 5 },
		"starting_after=" + all[5] + "&created_lt=" + at(3): func(i int) bool { return i < 3 },
	} {
		got := l.list(t, "/events?"+query)
		want := pick(keep)
		if !slices.Equal(got.ids(), want) || got.HasMore || got.Next != "" {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
		if continued := strings.Contains(query, paramStartingAfter); continued != (got.Total == nil) || !continued && *got.Total != len(want) {
			t.Errorf("%s: total %v of %d", query, got.Total, len(want))
		}
	}
}

const paramStartingAfter = "starting_after"

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	var all []string
	for range 45 {
		all = append(all, universign.EventID(l.closed(t, "visa", 0).ID))
		l.at = l.at.Add(time.Millisecond)
	}
	slices.Reverse(all)
	for _, filter := range []string{"", "&type=action.closed,action.opened"} {
		var seen []string
		for after := ""; ; {
			page := l.list(t, "/events?limit=9"+filter+after)
			seen = append(seen, page.ids()...)
			if page.Total != nil || len(page.Data) != 9 {
				t.Fatalf("a page of %d, total %v", len(page.Data), page.Total)
			}
			if !page.HasMore {
				break
			}
			after = "&starting_after=" + page.Data[8].ID
		}
		if !slices.Equal(seen, all) {
			t.Errorf("%s: saw %d of %d", filter, len(seen), len(all))
		}
	}
	if page := l.list(t, "/events"); len(page.Data) != 20 || !page.HasMore {
		t.Errorf("the usual page has %d", len(page.Data))
	}
}

// The log does not know API keys: an answer gives up after so many events, and says
// where to go on.
func TestARareAPIKeyIsFoundOverSeveralAnswers(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	rare := l.publish(t, workspace, "universign:action.opened", `{}`, hermod.Context{APIKeyID: "apk_rare"})
	var events []*hermod.Event
	ids := hermod.NewIDs(func() time.Time { return l.at }, func([]byte) {})
	ids.Observe(rare.ID)
	for range 1999 {
		events = append(events, &hermod.Event{
			ID: ids.Next(), AccountID: workspace, Sender: "universign", Name: "action.opened", Data: []byte("{}"), Timestamp: l.at,
		})
	}
	if err := l.db.PutEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	var found []string
	answers := 0
	for after := ""; ; answers++ {
		page := l.list(t, "/events?apikey_id=apk_rare"+after)
		found = append(found, page.ids()...)
		if !page.HasMore {
			break
		}
		if page.Next == "" || page.Total != nil {
			t.Fatalf("no way on: %+v", page)
		}
		after = "&starting_after=" + page.Next
	}
	if !slices.Equal(found, []string{universign.EventID(rare.ID)}) || answers != 2 {
		t.Errorf("found %v after %d answers", found, answers)
	}
}

func TestAPageOfLargeEventsIsCut(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	data := fmt.Sprintf(`{"object":%q}`, strings.Repeat("x", hermod.MaxEventBytes-100))
	for range 20 {
		l.publish(t, workspace, "universign:action.opened", data, hermod.Context{})
	}
	first := l.list(t, "/events?limit=100")
	if len(first.Data) < 15 || len(first.Data) > 17 || !first.HasMore || first.Total != nil {
		t.Fatalf("a page of %d, more %t", len(first.Data), first.HasMore)
	}
	rest := l.list(t, "/events?limit=100&starting_after="+first.Data[len(first.Data)-1].ID)
	if len(first.Data)+len(rest.Data) != 20 || rest.HasMore {
		t.Errorf("%d and %d events", len(first.Data), len(rest.Data))
	}
}

func TestWhatIsNotTheWorkspacesDoesNotExist(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	own := l.closed(t, "signature", 1)
	other := l.publish(t, workspace, "signly:OTP_SENT", `{}`, hermod.Context{})
	id := universign.EventID(own.ID)
	for _, c := range []struct {
		caller, target string
		want           int
	}{
		{"admin", "/events/" + id, http.StatusOK},
		{"foreign", "/events/" + id, http.StatusNotFound},
		{"admin", "/events/" + universign.EventID(other.ID), http.StatusNotFound},
		{"admin", "/events/" + universign.EventID(own.ID.Next()), http.StatusNotFound},
		{"admin", "/events/" + own.ID.String(), http.StatusNotFound},
		{"admin", "/events/evt_", http.StatusNotFound},
		{"member", "/events/" + id, http.StatusForbidden},
		{"member", "/events", http.StatusForbidden},
		{"member", "/events/report", http.StatusForbidden},
		{"member", "/events/export", http.StatusForbidden},
		{"nobody", "/events/report", http.StatusUnauthorized},
	} {
		if w := l.get(t, c.caller, c.target); w.Code != c.want {
			t.Errorf("%s %s: %d %s", c.caller, c.target, w.Code, w.Body)
		}
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	for _, query := range []string{
		"limit=0", "limit=101", "limit=x", "limit=1&limit=2", "created_gt=yesterday", "created_lt=2026-04-14",
		"created_gt=2026-04-14T00:00:00Z&created_gt=2026-04-14T00:00:00Z", "type=action", "type=universign:action.closed",
		"type=action.closed,what", "starting_after=1", "starting_after=evt_0000000000000000000000", "apikey_id=a&apikey_id=b",
	} {
		for _, path := range []string{"/events", "/events/export"} {
			w := l.get(t, "admin", path+"?"+query)
			var body struct {
				Object, Code, Message string
				Status                int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusBadRequest ||
				body.Object != "error" || body.Code != "invalid_request" || body.Status != w.Code {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
	}
	for _, query := range []string{"created_gt=x", "created_lt=1"} {
		if w := l.get(t, "admin", "/events/report?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("report?%s: %d", query, w.Code)
		}
	}
}
