package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// batch is n events of a sender, of the types a and b in turn, that name the local
// organization.
func batch(sender string, n int) map[string]any {
	events := make([]map[string]any, n)
	for i := range events {
		events[i] = event(sender, []string{"a", "b"}[i%2], i)
		events[i]["organizationId"] = localOrganization
	}
	return map[string]any{"events": events}
}

// idsOf are the ids of the items of an answer.
func (a *answer) idsOf() (ids []string) {
	a.t.Helper()
	for _, item := range a.list("data") {
		id, _ := dig(item, "id").(string)
		ids = append(ids, id)
	}
	return ids
}

// walk follows a list to its end and answers its ids and how many pages there are.
func (c *caller) walk(link string) (ids []string, pages int) {
	c.t.Helper()
	for ; link != ""; pages++ {
		page := c.api(http.MethodGet, link, nil).want(http.StatusOK)
		ids = append(ids, page.idsOf()...)
		link, _ = page.value("next").(string)
	}
	return ids, pages
}

// wantWalk walks until the list is what is wanted: indexes may lag behind.
func (c *caller) wantWalk(link string, want []string, pages int) {
	c.t.Helper()
	c.target.eventually(c.t, func() string {
		got, n := c.walk(link)
		if slices.Equal(got, want) && n == pages {
			return ""
		}
		return fmt.Sprintf("%s has %d events in %d pages, want %d in %d:\n%v\n%v", link, len(got), n, len(want), pages, got, want)
	})
}

func testEvents(t *testing.T, target Target) {
	c, other, s := target.as(t, "local"), target.as(t, "other"), sender()
	began := url.QueryEscape(time.Now().Add(-time.Minute).Format(time.RFC3339Nano))
	published := c.api(http.MethodPost, "/events", batch(s, 10)).want(http.StatusAccepted).idsOf()
	ended := url.QueryEscape(time.Now().Add(time.Minute).Format(time.RFC3339Nano))
	slices.Reverse(published)
	var ofA []string
	for i := 1; i < len(published); i += 2 {
		ofA = append(ofA, published[i])
	}
	all, a := "/events?event="+url.QueryEscape(s+":*"), "/events?event="+url.QueryEscape(s+":a")
	c.wantWalk(all, published, 1)
	c.wantWalk(all+"&limit=4", published, 3)
	c.wantWalk(all+"&limit=5&after="+began+"&before="+ended, published, 2)
	c.wantWalk(all+"&before="+began, nil, 1)
	c.wantWalk(all+"&after="+ended, nil, 1)
	c.wantWalk(a+"&limit=2", ofA, 3)
	c.wantWalk(a+"&limit=2&signicat-organizationId="+localOrganization, ofA, 3)
	c.wantWalk(all+"&signicat-organizationId="+localOrganization, published, 1)
	other.wantWalk(all, nil, 1)

	everything, _ := c.walk("/events?limit=100&after=" + began) // other tests write to it all the while
	if !slices.Contains(everything, published[0]) || !slices.IsSortedFunc(everything, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("the whole log lacks %s or is not in order: %v", published[0], everything)
	}
	first := c.api(http.MethodGet, all+"&limit=1", nil).want(http.StatusOK)
	item := c.api(http.MethodGet, first.text("data.0.url"), nil).want(http.StatusOK)
	if item.text("event.sender") != s || item.text("replayUrl") != first.text("data.0.replayUrl") {
		t.Errorf("the item of the list is %s, read by its url %s", first.body, item.body)
	}
	other.api(http.MethodGet, first.text("next"), nil).want(http.StatusBadRequest)
	for _, bad := range []string{"limit=0", "event=x", "before=x", "after=x", "tail=x", "page=x", "tail=true&before=" + ended} {
		c.api(http.MethodGet, "/events?"+bad, nil).want(http.StatusBadRequest)
	}
	other.api(http.MethodGet, "/events?signicat-organizationId="+localOrganization, nil).want(http.StatusForbidden)
}

// The writers of the test of the tail, and what they write.
const (
	tailWriters  = 4
	tailRequests = 5
	tailBatch    = 4
)

func testTail(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	before := c.api(http.MethodPost, "/events", batch(s, 4)).want(http.StatusAccepted).idsOf()
	followers := []*follower{
		{selects: "a type", link: "/events?tail=true&limit=3&event=" + url.QueryEscape(s+":a")},
		{selects: "a sender", link: "/events?tail=true&limit=5&event=" + url.QueryEscape(s+":*")},
		{selects: "an organization's sender", link: "/events?tail=true&limit=5&signicat-organizationId=" + localOrganization + "&event=" + url.QueryEscape(s+":*")},
	}
	for _, f := range followers {
		f.poll(c)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	published := slices.Clone(before)
	for range tailWriters {
		wg.Go(func() {
			for range tailRequests {
				ids := c.api(http.MethodPost, "/events", batch(s, tailBatch)).want(http.StatusAccepted).idsOf()
				mu.Lock()
				published = append(published, ids...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, f := range followers {
		want := published
		if f.selects == "a type" {
			want = nil
			for i := 0; i < len(published); i += 2 { // each batch begins with a, then b
				want = append(want, published[i])
			}
		}
		// What was settled when the follower began may be more than its first page.
		target.eventually(t, func() string {
			f.poll(c)
			for _, id := range want {
				if !f.seen[id] && !slices.Contains(before, id) {
					return fmt.Sprintf("%s: %d events were seen, %s is not among them", f.selects, len(f.seen), id)
				}
			}
			return ""
		})
		if n := f.poll(c); n != 0 {
			t.Errorf("%s: %d events came after the last one", f.selects, n)
		}
		for id := range f.seen {
			if !slices.Contains(want, id) {
				t.Errorf("%s: event %s was seen and is not of it", f.selects, id)
			}
		}
	}
}

// A follower follows a tail.
type follower struct {
	selects, link string
	seen          map[string]bool
}

// poll follows the tail once, up to a page without events, and counts what came. No
// event may come twice, and there is always a next link.
func (f *follower) poll(c *caller) (came int) {
	c.t.Helper()
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	for {
		page := c.api(http.MethodGet, f.link, nil).want(http.StatusOK)
		f.link = page.text("next")
		ids := page.idsOf()
		if len(ids) == 0 {
			return came
		}
		came += len(ids)
		for i, id := range ids {
			if f.seen[id] || (i > 0 && id > ids[i-1]) {
				c.t.Fatalf("%s: event %s came twice or out of order: %s", f.selects, id, page.body)
			}
			f.seen[id] = true
		}
	}
}
