package signly_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// page are the URLs of the webhooks on one page, without what they have in common, and
// the cursor of the next page.
func (w *world) page(t testing.TB, c caller, query string) (urls []string, next string) {
	t.Helper()
	e := w.do(t, c, http.MethodGet, webhooksPath+"?"+query, "").envelope(t, http.StatusOK)
	var all []struct{ URL string }
	if err := json.Unmarshal(e.Data, &all); err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		urls = append(urls, strings.TrimPrefix(one.URL, common))
	}
	if e.Pagination != nil && e.Pagination.NextCursor != nil {
		next = *e.Pagination.NextCursor
	}
	if more := e.Pagination != nil && e.Pagination.HasMore; more != (next != "") {
		t.Errorf("%s: pagination %+v", query, e.Pagination)
	}
	return urls, next
}

const common = "https://receiver.example/"

// shelf is a world with webhooks made a minute apart, of which c is disabled at the
// end, and a twin of a.
func shelf(t *testing.T) *world {
	t.Helper()
	w := newWorldOf(t, parts{targets: silent{}})
	var c string
	for _, name := range []string{"c", "a", "b", "a"} {
		if path := w.create(t, localKey, common+name, ""); name == "c" {
			c = path
		}
		w.Advance(time.Minute)
	}
	w.create(t, otherKey, common+"foreign", "")
	w.create(t, secondKey, common+"second", "")
	w.native(t)
	w.do(t, localKey, http.MethodPut, c+"/status", `{"status":"DISABLED"}`).data(t, http.StatusOK)
	return w
}

func TestWebhooksAreFilteredAndSorted(t *testing.T) {
	t.Parallel()
	w := shelf(t)
	for query, want := range map[string]string{
		"": "c a b a", "sort=-updatedAt": "c a b a", "sort=updatedAt": "a b a c", "sort=url": "a a b c", "sort=-url": "c b a a",
		"status=ENABLED": "a b a", "status=DISABLED": "c", "url=" + url.QueryEscape(common+"a"): "a a", "url=" + common: "", "url=https://receiver.example/a/": "",
		"updatedFrom=2026-03-01T12:02:00Z": "c a b", "updatedTo=2026-03-01T12:02:00Z": "a",
		"updatedFrom=2026-03-01T13:01:00%2B01:00&updatedTo=2026-03-01T12:03:00Z&sort=updatedAt": "a b",
		"updatedFrom=2027-03-01T12:02:00Z": "", "status=ENABLED&sort=url&url=" + common + "b": "b", "limit=&status=&sort=&url=&cursor=": "c a b a", "LIMIT=2&Sort=url": "a a",
	} {
		if got, _ := w.page(t, localKey, query); strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", query, got, want)
		}
	}
	if got, _ := w.page(t, otherKey, ""); !slices.Equal(got, []string{"foreign"}) {
		t.Errorf("the other tenant's: %v", got)
	}
	if got, _ := w.page(t, secondKey, ""); !slices.Equal(got, []string{"second"}) {
		t.Errorf("the second tenant's: %v", got)
	}
}

func TestWebhooksArePaged(t *testing.T) {
	t.Parallel()
	w := shelf(t)
	for _, sort := range []string{"updatedAt", "-updatedAt", "url", "-url"} {
		whole, _ := w.page(t, localKey, "sort="+sort)
		for limit := 1; limit <= 4; limit++ {
			var all []string
			cursor := ""
			for pages := 1; ; pages++ {
				got, next := w.page(t, localKey, fmt.Sprintf("sort=%s&limit=%d&cursor=%s", sort, limit, cursor))
				if all = append(all, got...); len(got) > limit || pages > 4 {
					t.Fatalf("page %d has %v", pages, got)
				}
				if cursor = next; cursor == "" {
					break
				}
			}
			if !slices.Equal(all, whole) {
				t.Errorf("%s by %d: %v, want %v", sort, limit, all, whole)
			}
		}
	}
}

func TestTenWebhooksAreAPageByDefault(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	for i := range 12 {
		w.create(t, localKey, common+fmt.Sprint(i), "")
	}
	if got, next := w.page(t, localKey, ""); len(got) != 10 || next == "" {
		t.Errorf("%d webhooks, next %q", len(got), next)
	}
	if got, next := w.page(t, localKey, "limit=12"); len(got) != 12 || next != "" {
		t.Errorf("%d webhooks, next %q", len(got), next)
	}
}

func TestAListingThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	w := shelf(t)
	for query, want := range map[string][]string{
		"limit=0": {"limit"}, "limit=101": {"limit"}, "limit=-1": {"limit"}, "limit=ten": {"limit"}, "limit=1&limit=2": {"limit"},
		"status=enabled": {"status"}, "sort=name": {"sort"}, "sort=--url": {"sort"}, "sort=URL": {"sort"}, "sort=-": {"sort"},
		"updatedFrom=yesterday": {"updatedFrom"}, "updatedTo=2026-03-01": {"updatedTo"}, "cursor=x": {"cursor"},
		"limit=0&status=x&sort=y&updatedTo=z": {"limit", "sort", "status", "updatedTo"},
	} {
		a := w.do(t, localKey, http.MethodGet, webhooksPath+"?"+query, "")
		if got := slices.Sorted(maps.Keys(a.wrong(t))); !slices.Equal(got, want) {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func TestACursorIsGoodForItsListAlone(t *testing.T) {
	t.Parallel()
	w := shelf(t)
	_, cursor := w.page(t, localKey, "limit=1&sort=url")
	for _, ask := range []struct {
		c     caller
		query string
	}{
		{otherKey, "sort=url"}, {secondKey, "sort=url"}, {localKey, "sort=-url"}, {localKey, ""}, {localKey, "sort=url&status=ENABLED"},
		{localKey, "sort=url&url=x"}, {localKey, "sort=url&updatedFrom=2026-03-01T12:02:00Z"}, {localKey, "sort=url&updatedTo=2026-03-01T12:02:00Z"},
	} {
		a := w.do(t, ask.c, http.MethodGet, webhooksPath+"?limit=1&"+ask.query+"&cursor="+cursor, "")
		if wrong := a.wrong(t); len(wrong) != 1 || wrong["cursor"] == "" {
			t.Errorf("%v: %s", ask, a.body)
		}
	}
	if got, _ := w.page(t, localHMAC, "limit=3&sort=url&cursor="+cursor); strings.Join(got, " ") != "a b c" {
		t.Errorf("with the tenant's other credential: %v", got)
	}
}
