package signicat_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestATailShowsTheNewestAndThenWhatCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, query := range map[string]string{
		"all": "", "a sender": "&event=tail:*", "a type": "&event=tail:a", "an organization": "&signicat-organizationId=" + organization,
	} {
		publish := func(n int) (list []string) {
			for range n {
				w.typed(t, "local", "other-sender:a", "")
				list = append(list, w.typed(t, "local", "tail:a", `,"organizationId":"`+organization+`"`))
			}
			return newestFirst(list)
		}
		all := name == "all"
		of := func(list []string) []string {
			if !all {
				return list
			}
			return slices.DeleteFunc(list, func(id string) bool {
				item := w.do(t, "local", http.MethodGet, eventsPath+"/"+id, "").json(t, http.StatusOK)
				return item["event"].(map[string]any)["sender"] != "tail"
			})
		}
		before := publish(4)
		got, next := w.events(t, "local", eventsPath+"?tail=true&limit=3"+query)
		if want := before[:3]; !all && !slices.Equal(got, want) || len(got) != 3 {
			t.Errorf("%s: the first page is %v, want %v", name, got, want)
		}
		if got, _ := w.events(t, "local", next); len(got) != 0 {
			t.Errorf("%s: %v came of nothing", name, got)
		}
		came := publish(5)
		var seen []string
		for link, empty := next, 0; empty < 2; {
			var page []string
			if page, link = w.events(t, "local", link); link == "" || len(page) > 3 || !slices.IsSortedFunc(page, func(a, b string) int { return strings.Compare(b, a) }) {
				t.Fatalf("%s: page %v, next %q", name, page, link)
			}
			if len(page) == 0 {
				empty++
			}
			seen = append(slices.Clone(page), seen...) // the pages follow each other upwards
		}
		if seen = of(seen); !slices.Equal(seen, came) {
			t.Errorf("%s: %v came, want %v", name, seen, came)
		}
		// A link can be followed again, as after an answer that was lost.
		first, _ := w.events(t, "local", next)
		if again, _ := w.events(t, "local", next); len(again) != 3 || !slices.Equal(again, first) {
			t.Errorf("%s: %v at first, %v again", name, first, again)
		}
	}
}

func TestATailOfNothingSeesTheFirstEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, next := w.events(t, "local", eventsPath+"?tail=true")
	if len(got) != 0 || next == "" {
		t.Fatalf("%v, next %q", got, next)
	}
	got, next = w.events(t, "local", next)
	if len(got) != 0 || next == "" {
		t.Fatalf("%v, next %q", got, next)
	}
	first := w.typed(t, "local", "sign:a", "")
	if got, _ = w.events(t, "local", next); !slices.Equal(got, []string{first}) {
		t.Errorf("%v came, want %s", got, first)
	}
}

func TestATailSinceAMomentLeavesNothingOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.typed(t, "local", "sign:a", "")
	w.advance(time.Minute)
	since := w.Now().Format(time.RFC3339)
	w.advance(time.Minute)
	var want, came []string
	for range 7 {
		want = append(want, w.typed(t, "local", "sign:a", ""))
	}
	next := eventsPath + "?tail=true&limit=3&after=" + since
	for range 4 {
		var page []string
		page, next = w.events(t, "local", next)
		slices.Reverse(page)
		came = append(came, page...)
	}
	if !slices.Equal(came, want) {
		t.Errorf("%v came, want %v", came, want)
	}
}

func TestATailSinceTheFutureWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := w.typed(t, "local", "sign:a", "")
	got, next := w.events(t, "local", eventsPath+"?tail=true&after="+start.Add(time.Minute).Format(time.RFC3339))
	w.typed(t, "local", "sign:a", "")
	w.advance(time.Minute)
	late := w.typed(t, "local", "sign:a", "")
	came, _ := w.events(t, "local", next)
	if len(got) != 0 || !slices.Equal(came, []string{late}) {
		t.Errorf("%v, then %v; the events are %s and %s", got, came, early, late)
	}
}
