package signicat_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// logIDs are the ids of a page, and its next page's path.
func logIDs(t *testing.T, a answer) (list []string, next string) {
	t.Helper()
	page := a.json(t, http.StatusOK)
	for _, item := range page["data"].([]any) {
		list = append(list, item.(map[string]any)["id"].(string))
	}
	url, _ := page["next"].(string)
	return list, strings.TrimPrefix(url, "http://host")
}

// fill writes rows of n events for the subscription, one failure and one success
// each, and gives their ids in the log's order.
func (w *world) fill(t *testing.T, subscription string, n int) []string {
	t.Helper()
	var list []string
	for range n {
		event := w.publish(t, "local", "")
		first := w.attempt(t, event, subscription, func(a *hermod.Attempt) {
			a.State, a.StatusCode, a.ErrorClass, a.ErrorMessage = hermod.Waiting, 503, "http_5xx", "the endpoint answered 503"
			a.NextAt, a.Carrier = w.Now().Add(5*time.Second), hermod.CarrierDue
		})
		second := w.attempt(t, event, subscription, func(a *hermod.Attempt) { a.Number = 2 })
		list = append(list, second, first)
		w.advance(time.Second)
	}
	// The newest event first, its attempts together, the last one first.
	slices.SortStableFunc(list, func(a, b string) int {
		ka, _ := hermod.ParseAttemptKey(a)
		kb, _ := hermod.ParseAttemptKey(b)
		return kb.Compare(ka)
	})
	return list
}

func TestTheLogIsListedNewestFirstPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.subscribe(t, "local", "")
	want := w.fill(t, subscription, 75)
	for _, query := range []string{"", "?subscriptionId=" + subscription, "?SUBSCRIPTIONID=" + subscription + "&signicat-accountId=" + local} {
		var got []string
		pages := 0
		for next := logsPath + query; next != ""; pages++ {
			var list []string
			list, next = logIDs(t, w.do(t, "local", http.MethodGet, next, ""))
			got = append(got, list...)
		}
		if !slices.Equal(got, want) || pages != 2 {
			t.Errorf("%q: %d items in %d pages, want %d in 2", query, len(got), pages, len(want))
		}
	}
}

func TestTheLogIsFilteredByOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, w.subscribe(t, "local", ""), 3)
	for query, want := range map[string]int{"?success=true": 3, "?success=False": 3, "?Success=TRUE": 3, "?success=": 6, "": 6} {
		list, _ := logIDs(t, w.do(t, "local", http.MethodGet, logsPath+query, ""))
		if len(list) != want {
			t.Errorf("%q: %d items, want %d", query, len(list), want)
		}
	}
	for _, bad := range []string{"1", "yes", "true%20"} {
		if a := w.do(t, "local", http.MethodGet, logsPath+"?success="+bad, ""); a.status != 400 || !slices.Equal(a.wrong(t), []string{"success"}) {
			t.Errorf("success=%s: %d %s", bad, a.status, a.body)
		}
	}
}

// What succeeded lies behind more failures than are looked at for one page.
func TestAPageOfTheLogMayBeEmptyAndNotTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.subscribe(t, "local", "")
	success := w.attempt(t, w.publish(t, "local", ""), subscription, func(*hermod.Attempt) {})
	event := w.publish(t, "local", "")
	for i := range 1001 {
		w.attempt(t, event, subscription, func(a *hermod.Attempt) {
			a.Run, a.State, a.Reason = i, hermod.Dead, hermod.ReasonExhausted
		})
	}
	first, next := logIDs(t, w.do(t, "local", http.MethodGet, logsPath+"?success=true", ""))
	if len(first) != 0 || next == "" {
		t.Fatalf("got %v and next %q, want nothing yet and a next page", first, next)
	}
	second, next := logIDs(t, w.do(t, "local", http.MethodGet, next, ""))
	if !slices.Equal(second, []string{success}) || next != "" {
		t.Errorf("got %v and next %q, want %s and no further page", second, next, success)
	}
}

func TestACursorOfTheLogIsGoodForItsOwnListAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.subscribe(t, "local", "")
	w.fill(t, subscription, 51)
	_, next := logIDs(t, w.do(t, "local", http.MethodGet, logsPath, ""))
	_, value, ok := strings.Cut(next, "cursor=")
	if !ok {
		t.Fatalf("no next page: %q", next)
	}
	cursor := "cursor=" + value
	wantStatus(t, "as it is", w.do(t, "local", http.MethodGet, next, ""), http.StatusOK)
	wantStatus(t, "in another case", w.do(t, "local", http.MethodGet, logsPath+"?CURSOR="+value, ""), http.StatusOK)
	for name, tt := range map[string]struct{ client, target string }{
		"another account":     {"other", logsPath + "?" + cursor},
		"the organization":    {"local", logsPath + "?" + cursor + "&signicat-organizationId=" + organization},
		"another filter":      {"local", logsPath + "?" + cursor + "&success=true"},
		"another narrowing":   {"local", logsPath + "?" + cursor + "&subscriptionId=" + subscription},
		"another list":        {"local", subscriptionsPath + "?page=" + value},
		"a byte more":         {"local", logsPath + "?" + cursor + "A"},
		"a position in plain": {"local", logsPath + "?cursor=" + subscription},
	} {
		wantStatus(t, name, w.do(t, tt.client, http.MethodGet, tt.target, ""), http.StatusBadRequest)
	}
}

func TestTheLogOfASubscriptionIsItsOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.subscribe(t, "local", "")
	rows := w.fill(t, subscription, 1)
	for _, id := range []string{subscription, "x", "s-" + other + "-abcde", "%00", strings.Repeat("x", 5000)} {
		wantStatus(t, "other asks for "+id, w.do(t, "other", http.MethodGet, logsPath+"?subscriptionId="+id, ""), http.StatusNotFound)
	}
	wantStatus(t, "its owner in the organization's name",
		w.do(t, "local", http.MethodGet, logsPath+"?subscriptionId="+subscription+"&signicat-organizationId="+organization, ""), http.StatusNotFound)
	if list, _ := logIDs(t, w.do(t, "other", http.MethodGet, logsPath, "")); len(list) != 0 {
		t.Errorf("other sees %v", list)
	}
	wantStatus(t, "one row", w.do(t, "local", http.MethodGet, logsPath+"/"+rows[0], ""), http.StatusOK)
	wantStatus(t, "one row, of another", w.do(t, "other", http.MethodGet, logsPath+"/"+rows[0], ""), http.StatusNotFound)

	wantStatus(t, "delete", w.do(t, "local", http.MethodDelete, subscriptionsPath+"/"+subscription, ""), http.StatusNoContent)
	if list, _ := logIDs(t, w.do(t, "local", http.MethodGet, logsPath+"?subscriptionId="+subscription, "")); !slices.Equal(list, rows) {
		t.Errorf("after its deletion: %v, want %v", list, rows)
	}
}

func TestARowIsNotFoundUntilItsAttemptIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription, event := w.subscribe(t, "local", ""), w.publish(t, "local", "")
	path := fmt.Sprintf("%s/%s-%s-0-1", logsPath, subscription, event)
	wantStatus(t, "before", w.do(t, "local", http.MethodGet, path, ""), http.StatusNotFound)
	if id := w.attempt(t, event, subscription, asItIs); logsPath+"/"+id != path {
		t.Fatalf("the id is %s, told was %s", id, path)
	}
	wantStatus(t, "after", w.do(t, "local", http.MethodGet, path, ""), http.StatusOK)
	for _, id := range []string{"x", "%00", subscription, subscription + "-" + event + "-0-2", strings.Repeat("x", 5000)} {
		wantStatus(t, id, w.do(t, "local", http.MethodGet, logsPath+"/"+id, ""), http.StatusNotFound)
	}
}

func TestARowWhoseEventIsForgottenIsShownWithoutIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription, event := w.subscribe(t, "local", ""), w.publish(t, "local", "")
	id := w.attempt(t, event, subscription, func(a *hermod.Attempt) { a.RetainUntil = start.Add(365 * 24 * time.Hour) })
	w.advance(hermod.DefaultRetention)
	got := w.do(t, "local", http.MethodGet, logsPath+"/"+id, "").json(t, http.StatusOK)
	if e, there := got["event"]; !there || e != nil || got["id"] != id {
		t.Errorf("%v", got)
	}
	wantStatus(t, "the event", w.do(t, "local", http.MethodGet, eventsPath+"/"+event, ""), http.StatusNotFound)
}

func TestARowNamesTheReplayThatStartedItsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription, event := w.subscribe(t, "local", ""), w.publish(t, "local", "")
	replay := w.IDs.Next()
	for id, want := range map[string]any{
		w.attempt(t, event, subscription, asItIs):                                                  nil,
		w.attempt(t, event, subscription, func(a *hermod.Attempt) { a.Run, a.Replay = 1, replay }): replay.String(),
	} {
		row := w.do(t, "local", http.MethodGet, logsPath+"/"+id, "").json(t, http.StatusOK)
		if got, there := row["properties"].(map[string]any)["replay"]; !there || got != want {
			t.Errorf("%s names %v, want %v", id, got, want)
		}
	}
}
