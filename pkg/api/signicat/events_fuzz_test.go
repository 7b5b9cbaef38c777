package signicat_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
)

// Whatever a query says, a list of events is answered or the query is refused, and a
// link that is answered works.
func FuzzEventList(f *testing.F) {
	w := newWorld(f)
	for range 3 {
		w.advance(time.Second)
		if a := w.do(f, "local", http.MethodPost, eventsPath, event("")); a.status != http.StatusAccepted {
			f.Fatal(string(a.body))
		}
	}
	follow := func(t testing.TB, target string) (next string, ok bool) {
		a := w.do(t, "local", http.MethodGet, target, "")
		switch a.status {
		case http.StatusBadRequest, http.StatusForbidden:
			return "", false
		case http.StatusOK:
		default:
			t.Fatalf("%q: %d %s", target, a.status, a.body)
		}
		var page struct {
			Data []json.RawMessage
			Next string
		}
		if err := json.Unmarshal(a.body, &page); err != nil || len(page.Data) > 100 {
			t.Fatalf("%q: %v %s", target, err, a.body)
		}
		return strings.TrimPrefix(page.Next, "http://host"), true
	}
	for _, seed := range []string{
		"", "limit=1", "tail=true", "event=sign:*&limit=1", "event=sign:done&tail=true", "before=2026-03-01T12:00:02Z&limit=1",
		"after=1969-12-31T23:59:59Z", "event=%zz", "a;b", "signicat-organizationId=" + organization, "limit=1&page=AAAA", "event=a:b:c",
		"before=9999-12-31T23:59:59Z&after=0000-01-01T00:00:00Z",
	} {
		f.Add(seed)
		if next, ok := follow(f, eventsPath+"?"+seed); ok && next != "" {
			f.Add(strings.TrimPrefix(next, signicat.Base+"/events?"))
		}
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r == '#' || r > '~' }) {
			return // no request has it
		}
		next, ok := follow(t, eventsPath+"?"+query)
		if !ok || next == "" {
			return
		}
		if _, ok := follow(t, next); !ok {
			t.Fatalf("%q leads to %q, which is refused", query, next)
		}
	})
}
