package signicat_test

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

// lists makes, for each path that lists, enough things of the local account for a
// second page at limit=1; nil where the list has no pages. A path that lists and
// has none here fails the test below.
func lists() map[string]func(t *testing.T, w *world) {
	twice := func(make func(t *testing.T, w *world)) func(t *testing.T, w *world) {
		return func(t *testing.T, w *world) {
			make(t, w)
			make(t, w)
		}
	}
	return map[string]func(t *testing.T, w *world){
		signicat.Base + "/subscriptions": twice(func(t *testing.T, w *world) { w.subscribe(t, "local", "") }),
		signicat.Base + "/events":        twice(func(t *testing.T, w *world) { w.publish(t, "local", "") }),
		signicat.Base + "/delivery-logs": func(t *testing.T, w *world) {
			event := w.publish(t, "local", "")
			for range 101 { // its pages have one size
				w.attempt(t, event, w.subscribe(t, "local", ""), asItIs)
			}
		},
		signicat.Base + "/dead-letters": twice(func(t *testing.T, w *world) {
			w.attempt(t, w.publish(t, "local", ""), w.subscribe(t, "local", ""), died(hermod.ReasonExhausted))
		}),
		signicat.Base + "/replays": twice(func(t *testing.T, w *world) {
			w.do(t, "local", http.MethodPost, signicat.Base+"/replays", `{"after":"2026-02-01T00:00:00Z"}`).json(t, http.StatusAccepted)
		}),
		signicat.Base + "/credentials": twice(func(t *testing.T, w *world) {
			w.do(t, "local", http.MethodPost, signicat.Base+"/credentials", `{"type":"apiKey","name":"A key"}`).json(t, http.StatusCreated)
		}),
		signicat.Base + "/audit-log":                   twice(func(t *testing.T, w *world) { w.subscribe(t, "local", "") }),
		signicat.Base + "/metadata/events":             nil,
		signicat.Base + "/metadata/subscription-types": nil,
		signicat.Base + "/metadata/equivalents":        nil,
	}
}

func TestACursorOfOneAccountIsRefusedToAnother(t *testing.T) {
	t.Parallel()
	for _, row := range table() {
		if row.Method != http.MethodGet || strings.Contains(row.Path, "{") || row.Access.IsPublic() {
			continue
		}
		fill, known := lists()[cmp.Or(row.AliasOf, row.Path)]
		if !known {
			t.Errorf("%s has nothing in lists(): add it", row.Path)
		}
		if fill == nil {
			continue
		}
		t.Run(row.Path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fill(t, w)
			next, _ := w.do(t, "local", http.MethodGet, row.Path+"?limit=1", "").json(t, http.StatusOK)["next"].(string)
			link, err := url.Parse(next)
			if err != nil || next == "" {
				t.Fatalf("next is %q: %v", next, err)
			}
			target := row.Path + "?" + link.RawQuery
			wantStatus(t, "its own account", w.do(t, "local", http.MethodGet, target, ""), http.StatusOK)
			refused := w.do(t, "other", http.MethodGet, target, "")
			if wrong := refused.wrong(t); len(wrong) != 1 || (wrong[0] != "page" && wrong[0] != "cursor") {
				t.Errorf("another account hears %s", refused.body)
			}
			wantStatus(t, "another account in its name", w.do(t, "other", http.MethodGet, target+"&signicat-accountId="+local, ""), http.StatusForbidden)
			wantStatus(t, "its organization", w.do(t, "local", http.MethodGet, target+"&signicat-organizationId="+organization, ""), http.StatusBadRequest)
		})
	}
}
