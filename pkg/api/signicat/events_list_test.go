package signicat_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func (b broken) Events(context.Context, hermod.EventQuery) (hermod.EventPage, error) {
	return hermod.EventPage{}, b.err
}

func (b broken) Settled(context.Context, hermod.EventQuery) (hermod.ID, error) {
	return hermod.ID{}, b.err
}

func (b broken) Tail(context.Context, hermod.TailQuery) (hermod.TailPage, error) {
	return hermod.TailPage{}, b.err
}

// typed publishes an event of the type as the client, a second after the last one.
func (w *world) typed(t *testing.T, client, typ, members string) string {
	t.Helper()
	w.advance(time.Second)
	sender, name, _ := hermod.ParseType(typ)
	body := fmt.Sprintf(`{"sender":%q,"eventName":%q,"eventData":1%s}`, sender, name, members)
	return ids(t, w.do(t, client, http.MethodPost, eventsPath, body))[0]
}

// events is a page of the log at a link or a path, and the link to the next one.
func (w *world) events(t *testing.T, client, link string, header ...string) (list []string, next string) {
	t.Helper()
	a := w.do(t, client, http.MethodGet, strings.TrimPrefix(link, "http://host"), "", header...)
	return logIDs(t, a)
}

// walk follows the links of a list to its end and answers its pages.
func (w *world) walk(t *testing.T, link string) (pages [][]string) {
	t.Helper()
	for link != "" {
		var page []string
		page, link = w.events(t, "local", link)
		pages = append(pages, page)
		if len(pages) > 100 {
			t.Fatal("the list has no end")
		}
	}
	return pages
}

func newestFirst(list []string) []string {
	c := slices.Clone(list)
	slices.Reverse(c)
	return c
}

func TestEventsAreListedNewestFirstPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 10 {
		want = append(want, w.typed(t, "local", fmt.Sprintf("sign:n%d", i), ""))
	}
	w.typed(t, "other", "sign:n1", "")
	want = newestFirst(want)
	for query, pages := range map[string]int{
		"": 1, "?limit=100": 1, "?limit=10": 1, "?limit=9": 2, "?limit=5": 2, "?LIMIT=3": 4, "?limit=1": 10,
		"?event=*&limit=4": 3, "?tail=false&limit=4": 3, "?event=&before=&after=&limit=&page=&tail=": 1,
	} {
		got := w.walk(t, eventsPath+query)
		if !slices.Equal(slices.Concat(got...), want) || len(got) != pages {
			t.Errorf("%q: %v in %d pages, want %v in %d", query, got, len(got), want, pages)
		}
	}
}

// A page of the largest size may be followed by an empty one.
func TestAHundredEventsAreOnePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 101 {
		w.publish(t, "local", "")
	}
	if pages := w.walk(t, eventsPath); len(pages) != 2 || len(pages[0]) != 100 || len(pages[1]) != 1 {
		t.Errorf("pages %v", pages)
	}
}

func TestEventsAreSelectedByType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	types := []string{"sign:a", "sign:b", "sign.x:a", "sign-y:a", "Sign:a", "sign:a"}
	var all []string
	for _, typ := range types {
		all = append(all, w.typed(t, "local", typ, ""))
	}
	for pattern, want := range map[string][]int{
		"sign:a": {5, 0}, "sign:*": {5, 1, 0}, "sign.x:*": {2}, "Sign:a": {4}, "*": {5, 4, 3, 2, 1, 0}, "sign:c": {}, "none:*": {},
	} {
		for _, name := range []string{"event", "EVENT", "Event"} {
			got := slices.Concat(w.walk(t, eventsPath+"?limit=1&"+name+"="+url.QueryEscape(pattern))...)
			if !slices.EqualFunc(got, want, func(id string, i int) bool { return id == all[i] }) {
				t.Errorf("%s=%s: got %v, want %v of %v", name, pattern, got, want, all)
			}
		}
	}
}

func TestEventsAreBoundedByWhenTheyWereAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []string
	for i := range 5 { // accepted at start + 1 s ... + 5 s, whatever their publisher says
		all = append(all, w.typed(t, "local", "sign:a", fmt.Sprintf(`,"timestamp":"2001-01-0%dT00:00:00Z"`, 9-i)))
	}
	at := func(s float64) string {
		return url.QueryEscape(start.Add(time.Duration(s * float64(time.Second))).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano))
	}
	for query, want := range map[string][]int{
		"after=" + at(2):                        {4, 3, 2},
		"before=" + at(2):                       {0},
		"after=" + at(1) + "&before=" + at(5):   {3, 2, 1},
		"After=" + at(1) + "&BEFORE=" + at(1):   {},
		"after=" + at(5):                        {},
		"after=" + at(1.9):                      {4, 3, 2, 1},
		"before=" + at(2.001):                   {1, 0},
		"before=" + at(2) + "&event=sign:a":     {0},
		"after=2200-01-01T00:00:00Z":            {},
		"before=9999-12-31T23:59:59.999999999Z": {4, 3, 2, 1, 0},
		"before=1969-12-31T23:59:59Z":           {},
		"before=0001-01-01T00:00:00Z":           {},
		"after=0001-01-01T00:00:00Z":            {4, 3, 2, 1, 0},
		"before=1970-01-01T00:00:00Z":           {},
	} {
		got := slices.Concat(w.walk(t, eventsPath+"?limit=2&"+query)...)
		if !slices.EqualFunc(got, want, func(id string, i int) bool { return id == all[i] }) {
			t.Errorf("%s: got %v, want %v of %v", query, got, want, all)
		}
	}
}

func TestBadParametersOfAListAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(t, "local", "")
	w.publish(t, "local", "")
	_, tail := w.events(t, "local", eventsPath+"?tail=true")
	bad := map[string][]string{
		"limit":  {"0", "101", "-1", "1.5", "x", "99999999999999999999", "%2B", "0x10"},
		"event":  {"sign", ":", "sign:", ":a", "*:*", "*:a", "sign:a:b", "sign:a*", "sign:**", "sign:%C3%A9", "%00", strings.Repeat("x", 129) + ":*", "**", "%20*"},
		"before": {"x", "2026-03-01", "2026-03-01T12:00:00", "1772366400", "2026-13-01T00:00:00Z", "2026-03-01T12:00:00+02:00", "now"},
		"after":  {"x", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01%2012:00:00Z", "20260301T120000Z"},
		"tail":   {"1", "yes", "true%20"},
		"page":   {"x", "AAAA", "%00", strings.Repeat("A", 4000), "0000000000000000000000000000000000"},
	}
	for name, values := range bad {
		for _, value := range values {
			a := w.do(t, "local", http.MethodGet, eventsPath+"?"+name+"="+value, "")
			if wrong := a.wrong(t); !slices.Equal(wrong, []string{name}) || a.json(t, http.StatusBadRequest)["code"] != "invalid_request_parameter" {
				t.Errorf("%s=%s: %s", name, value, a.body)
			}
		}
	}
	for query, want := range map[string][]string{
		"limit=0&event=x&before=x&after=x&tail=x":               {"event", "limit", "after", "before", "tail"},
		"tail=true&before=2026-03-01T12:00:00Z":                 {"before"},
		"tail=TRUE&before=2026-03-01T12:00:00Z&limit=0":         {"limit", "before"},
		"limit=1&limit=1":                                       {"limit"},
		"event=sign:a&Event=sign:b":                             {"event"},
		"tail=true&tail=true":                                   {"tail"},
		"page=a&PAGE=b":                                         {"page"},
		"after=2026-03-01T12:00:00Z&after=2026-03-01T12:00:00Z": {"after"},
		strings.TrimPrefix(tail, "http://host"+eventsPath+"?")[len("page="):] + "&limit=0": {"limit"},
	} {
		if a := w.do(t, "local", http.MethodGet, eventsPath+"?"+query, ""); !slices.Equal(a.wrong(t), want) {
			t.Errorf("%s: %s, want %v", query, a.body, want)
		}
	}
}

func TestACursorOfTheEventsIsGoodForItsOwnListAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.typed(t, "local", "sign:a", `,"organizationId":"`+organization+`"`)
	}
	cursorOf := func(query string) string {
		_, next := w.events(t, "local", eventsPath+"?limit=1&"+query)
		link, err := url.Parse(next)
		if err != nil || link.Query().Get("page") == "" {
			t.Fatalf("%s: next is %q", query, next)
		}
		return "page=" + url.QueryEscape(link.Query().Get("page"))
	}
	const after, before = "after=2026-01-01T00:00:00Z", "before=2027-01-01T00:00:00Z"
	plain, tail := cursorOf(""), cursorOf("tail=true")
	for name, tt := range map[string]struct {
		client, query string
		status        int
	}{
		"as it is":                   {"local", plain, 200},
		"in another case":            {"local", strings.ToUpper(plain[:4]) + plain[4:], 200},
		"with another limit":         {"local", plain + "&limit=2", 200},
		"with every type":            {"local", plain + "&event=*", 200},
		"in its owner's name":        {"local", plain + "&signicat-accountId=" + local, 200},
		"of a tail":                  {"local", tail + "&tail=true", 200},
		"the same bounds, elsewhere": {"local", cursorOf(after) + "&after=2026-01-01T02:00:00%2B02:00", 200},
		"another account":            {"other", plain, 400},
		"the organization":           {"local", plain + "&signicat-organizationId=" + organization, 400},
		"another type":               {"local", plain + "&event=sign:a", 400},
		"without its type":           {"local", cursorOf("event=sign:a"), 400},
		"another sender":             {"local", cursorOf("event=sign:*") + "&event=sign:a", 400},
		"a new bound":                {"local", plain + "&" + after, 400},
		"without its bound":          {"local", cursorOf(before), 400},
		"another bound":              {"local", cursorOf(before) + "&before=2027-01-01T00:00:01Z", 400},
		"a list's as a tail's":       {"local", plain + "&tail=true", 400},
		"a tail's as a list's":       {"local", tail, 400},
		"a byte more":                {"local", plain + "A", 400},
		"a byte less":                {"local", plain[:len(plain)-1], 400},
	} {
		wantStatus(t, name, w.do(t, tt.client, http.MethodGet, eventsPath+"?"+tt.query, ""), tt.status)
	}
	wantStatus(t, "another list's", w.do(t, "local", http.MethodGet, subscriptionsPath+"?"+plain, ""), http.StatusBadRequest)
	wantStatus(t, "another's organization", w.do(t, "other", http.MethodGet, eventsPath+"?signicat-organizationId="+organization, ""), http.StatusForbidden)
}

func TestLinksWorkAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.typed(t, "local", "a_b-C.9:x_y-Z.1", "")
	}
	query := "?EVENT=a_b-C.9%3A%2A&After=2026-03-01T13%3A00%3A00%2B01%3A00&limit=1&signicat-AccountId=" + local + "&x=%26%3D%23%20%2B%C3%A9&x=2"
	for _, extra := range []string{"&before=2026-03-02T00:00:00.123Z", "&Tail=True"} {
		a := w.do(t, "local", http.MethodGet, eventsPath+query+extra, "")
		next, _ := a.json(t, http.StatusOK)["next"].(string)
		if !strings.HasPrefix(next, "http://host"+eventsPath+"?") || !strings.Contains(string(a.body), `"`+next+`"`) {
			t.Fatalf("%s: %s", extra, a.body)
		}
		link, err := url.Parse(next)
		if err != nil || !slices.Equal(link.Query()["x"], []string{"&=# +é", "2"}) || link.Query().Get("After") != "2026-03-01T13:00:00+01:00" {
			t.Errorf("the link %s lost a filter: %v", next, err)
		}
		wantStatus(t, next, w.do(t, "local", http.MethodGet, strings.TrimPrefix(next, "http://host"), ""), http.StatusOK)
	}
	if pages := w.walk(t, eventsPath+query); len(pages) != 3 {
		t.Errorf("%d pages, want 3", len(pages))
	}
	item := w.do(t, "local", http.MethodGet, eventsPath, "").json(t, http.StatusOK)["data"].([]any)[0].(map[string]any)
	if read := w.do(t, "local", http.MethodGet, strings.TrimPrefix(item["url"].(string), "http://host"), "").json(t, http.StatusOK); fmt.Sprint(read) != fmt.Sprint(item) {
		t.Errorf("its url shows %v, the list %v", read, item)
	}
	if item["replayUrl"] != item["url"].(string)+"/replay" {
		t.Errorf("replayUrl %v", item["replayUrl"])
	}
}

func TestAnOrganizationSeesTheEventsThatNameIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const naming = `,"organizationId":"`
	first := w.typed(t, "local", "sign:a", naming+organization+`"`)
	own := w.typed(t, "local", "sign:a", "")
	foreign := w.typed(t, "anyone", "sign:b", `,"accountId":"`+other+`"`+naming+organization+`"`)
	asOrganization := "signicat-organizationId=" + organization
	for query, want := range map[string][]string{
		"":                                {own, first},
		asOrganization:                    {foreign, first},
		asOrganization + "&event=sign:a":  {first},
		asOrganization + "&event=sign:*":  {foreign, first},
		"signicat-accountId=" + local:     {own, first},
		asOrganization + "&tail=true":     {foreign, first},
		"tail=true&event=sign:b":          {},
		asOrganization + "&event=other:*": {},
	} {
		if got, _ := w.events(t, "local", eventsPath+"?"+query); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
	if got, _ := w.events(t, "local", eventsPath, "Signicat-OrganizationId", organization); !slices.Equal(got, []string{foreign, first}) {
		t.Errorf("by header: %v", got)
	}
	if got, _ := w.events(t, "other", eventsPath); !slices.Equal(got, []string{foreign}) {
		t.Errorf("other sees %v", got)
	}
}
