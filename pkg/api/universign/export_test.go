package universign_test

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

const csvHeader = "id,type,created_at,user_id,apikey_id,trace,object,object_id\r\n"

// rowsOf reads a file as RFC 4180 has it, without the row of names.
func rowsOf(t *testing.T, w *httptest.ResponseRecorder) [][]string {
	t.Helper()
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "text/csv; charset=utf-8; header=present" {
		t.Fatalf("%d %s %s", w.Code, got, w.Body)
	}
	if !strings.HasPrefix(w.Body.String(), csvHeader) {
		t.Fatalf("begins with %.100q", w.Body)
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func firstColumn(rows [][]string) (ids []string) {
	for _, row := range rows {
		ids = append(ids, row[0])
	}
	return ids
}

// many puts events of two types, a millisecond apart, and gives their ids, the newest
// first.
func (l *eventLog) many(t *testing.T, n int) (ids []string) {
	t.Helper()
	var events []*hermod.Event
	source := hermod.NewIDs(func() time.Time { return l.at }, func([]byte) {})
	for i := range n {
		e := &hermod.Event{
			ID: source.Next(), AccountID: workspace, Sender: "universign", Name: []string{"action.opened", "action.closed"}[i%2],
			Data: []byte(`{"object":"action","id":"act_1"}`), Timestamp: l.at, Context: hermod.Context{APIKeyID: []string{"apk_1", "apk_2"}[i/2%2]},
		}
		events, ids = append(events, e), append(ids, universign.EventID(e.ID))
		l.at = l.at.Add(time.Millisecond)
	}
	if err := l.db.PutEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(ids)
	return ids
}

func TestAnExportHasAllThatMatches(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	empty := l.get(t, "admin", "/events/export")
	if rows := rowsOf(t, empty); len(rows) > 0 {
		t.Errorf("of no events there are %d rows", len(rows))
	}
	ids := l.many(t, 450) // more than two pages
	every := func(keep func(i int) bool) (some []string) {
		for i, id := range ids {
			if keep(i) {
				some = append(some, id)
			}
		}
		return some
	}
	for query, want := range map[string][]string{
		"":                                    ids,
		"type=action.closed":                  every(func(i int) bool { return i%2 == 0 }),
		"type=action.closed,action.opened":    ids,
		"apikey_id=apk_1":                     every(func(i int) bool { return (449-i)/2%2 == 0 }),
		"starting_after=" + ids[99]:           ids[100:],
		"limit=7":                             ids[:7],
		"limit=3&starting_after=" + ids[446]:  ids[447:],
		"created_lt=2020-01-01T00:00:00Z":     nil,
		"type=apikey.created&apikey_id=apk_1": nil,
	} {
		if got := firstColumn(rowsOf(t, l.get(t, "admin", "/events/export?"+query))); !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d", query, len(got), len(want))
		}
	}
	if rows := rowsOf(t, l.get(t, "foreign", "/events/export")); len(rows) > 0 {
		t.Errorf("another workspace has %d rows", len(rows))
	}
}

func TestAListIsCSVForThoseWhoPreferIt(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	l.many(t, 3)
	for accept, want := range map[string]bool{
		"text/csv":                                   true,
		"TEXT/CSV; charset=utf-8":                    true,
		"text/csv, application/json;q=0.5":           true,
		"application/json;q=0.5,text/csv;q=0.9, */*": true,
		"text/csv;q=0":                               false,
		"text/csv;q=0.5, application/json":           false,
		"application/json":                           false,
		"*/*":                                        false,
		"text/*":                                     false,
		"":                                           false,
		"text/csv;q=x":                               false,
	} {
		w := l.get(t, "admin", "/events?limit=2", "Accept", accept)
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv"); got != want || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%q: CSV %t, want %t", accept, got, want)
		}
	}
	w := l.get(t, "admin", "/events?type=what", "Accept", "text/csv")
	if w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a bad request for CSV: %d %s", w.Code, w.Body)
	}
}

// What spreadsheets would run begins with an apostrophe; all else comes back as it was.
func TestAnExportHoldsNoFormulas(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	const odd = "a \"b\", c;\nå|=1+1"
	l.publish(t, workspace, "universign:action.opened", `{"object":"=cmd|' /C calc'!A0","id":"-1"}`,
		hermod.Context{UserID: "@SUM(A1)", APIKeyID: "+1", TraceID: "\t=1"})
	l.publish(t, workspace, "universign:action.opened", `{"object":7,"id":["x"]}`, hermod.Context{UserID: "＝1", APIKeyID: odd, TraceID: "\r=1"})
	l.publish(t, workspace, "universign:action.opened", `"text"`, hermod.Context{})
	rows := rowsOf(t, l.get(t, "admin", "/events/export"))
	for i, want := range [][]string{
		{"", "", "", "", ""},
		{"'＝1", odd, "'=1", "", ""}, // encoding/csv leaves out a CR
		{"'@SUM(A1)", "'+1", "'\t=1", "'=cmd|' /C calc'!A0", "'-1"},
	} {
		if !slices.Equal(rows[i][3:], want) {
			t.Errorf("row %d: got %q, want %q", i, rows[i][3:], want)
		}
	}
}

// A shelf keeps one export in memory.
type shelf struct {
	name, attachment string
	file             []byte
	size             int64
	err              error
}

func (s *shelf) Put(_ context.Context, name string, file io.ReadSeeker, size int64, attachment string) (string, error) {
	s.name, s.size, s.attachment = name, size, attachment
	var err error
	if s.file, err = io.ReadAll(file); err != nil {
		return "", err
	}
	return "https://bucket.test/" + name + "?signature=1", s.err
}

func TestALargeExportIsKeptAndPointedTo(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	kept := &shelf{}
	l.events.Exports = kept
	ids := l.many(t, 450)
	if got := firstColumn(rowsOf(t, l.get(t, "admin", "/events/export"))); !slices.Equal(got, ids) || kept.name != "" {
		t.Errorf("a small export has %d rows, kept as %q", len(got), kept.name)
	}
	large := `{"object":"action","id":"` + strings.Repeat("x", 200_000) + `"}`
	for range 25 {
		l.publish(t, workspace, "universign:action.opened", large, hermod.Context{})
	}
	w := l.get(t, "admin", "/events", "Accept", "text/csv")
	wantName := workspace + "/" + strings.Repeat("0", 32) + ".csv"
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "https://bucket.test/"+wantName+"?signature=1" ||
		w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() > 0 {
		t.Fatalf("%d %v %.200s", w.Code, w.Header(), w.Body)
	}
	rows, err := csv.NewReader(strings.NewReader(string(kept.file))).ReadAll()
	if err != nil || len(rows) != 1+25+450 || int64(len(kept.file)) != kept.size || kept.name != wantName || kept.attachment != "events.csv" {
		t.Errorf("%d rows, %d bytes of %d, %q, %q, %v", len(rows), len(kept.file), kept.size, kept.name, kept.attachment, err)
	}
	kept.err = hermod.Errorf(hermod.CodeUnavailable, "no bucket")
	if w := l.get(t, "admin", "/events/export"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without the bucket: %d %s", w.Code, w.Body)
	}
}

// fakeLog answers pages of events by a function.
type fakeLog struct {
	universign.EventStore
	page func(ctx context.Context, q hermod.EventQuery) ([]*hermod.Event, error)
}

func (f fakeLog) Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error) {
	events, err := f.page(ctx, q)
	return hermod.EventPage{Events: events}, err
}

func fullPage(q hermod.EventQuery) (events []*hermod.Event) {
	id := hermod.FirstIDAt(accepted)
	for range q.Limit {
		id = id.Next()
		events = append(events, &hermod.Event{ID: id, AccountID: workspace, Sender: "universign", Name: "action.opened", Data: []byte(`{}`)})
	}
	slices.Reverse(events)
	return events
}

func TestAnExportThatTakesTooLongIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := fakeLog{page: func(ctx context.Context, q hermod.EventQuery) ([]*hermod.Event, error) {
			select {
			case <-time.After(time.Second):
				return fullPage(q), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		l := &eventLog{handler: serverOf(&universign.Events{Store: slow, Exports: &shelf{}, Now: time.Now})}
		if w := l.get(t, "admin", "/events/export"); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "shorter period") {
			t.Errorf("%d %.300s", w.Code, w.Body)
		}
	})
}

// An export that breaks off must not look whole to its client.
func TestABrokenExportIsCutOff(t *testing.T) {
	t.Parallel()
	pages := 0
	failing := fakeLog{page: func(_ context.Context, q hermod.EventQuery) ([]*hermod.Event, error) {
		if pages++; pages == 2 {
			return nil, errors.New("the disk is gone")
		}
		return fullPage(q), nil
	}}
	server := httptest.NewServer(serverOf(&universign.Events{Store: failing, Now: time.Now}))
	defer server.Close()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/universign/v1/events/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer admin")
	answer, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err == nil || !strings.HasPrefix(string(text), csvHeader) || strings.Count(string(text), "\r\n") != 201 {
		t.Errorf("read %d bytes, %v; want an error after 201 rows", len(text), err)
	}
}

// A long export outlives the deadlines of the server.
func TestALongExportOutlivesTheServersDeadlines(t *testing.T) {
	t.Parallel()
	const pages, deadline = 6, 200 * time.Millisecond
	n := 0
	slow := fakeLog{page: func(ctx context.Context, q hermod.EventQuery) ([]*hermod.Event, error) {
		timer := time.NewTimer(deadline / 2)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if n++; n == pages {
			return nil, nil
		}
		return fullPage(q), nil
	}}
	server := httptest.NewUnstartedServer(serverOf(&universign.Events{Store: slow, Now: time.Now}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = deadline, deadline
	server.Start()
	defer server.Close()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/universign/v1/events/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer admin")
	answer, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil || strings.Count(string(text), "\r\n") != 1+(pages-1)*200 {
		t.Errorf("read %d rows, %v", strings.Count(string(text), "\r\n"), err)
	}
}

// TestTheHeadOfAnExportMakesNone: it is that of the answer, and reads no event.
func TestTheHeadOfAnExportMakesNone(t *testing.T) {
	t.Parallel()
	untouched := fakeLog{page: func(context.Context, hermod.EventQuery) ([]*hermod.Event, error) {
		t.Error("events are read")
		return nil, nil
	}}
	for _, exports := range []universign.Exports{nil, &shelf{}} {
		handler := serverOf(&universign.Events{Store: untouched, Exports: exports, Now: time.Now})
		for target, want := range map[string]int{"/events/export": 200, "/events": 200, "/events/export?limit=0": 400} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "http://hermod.test/universign/v1"+target, nil)
			r.Header.Set("Authorization", "Bearer admin")
			r.Header.Set("Accept", "text/csv")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want || want == 200 && (w.Header().Get("Content-Type") != "text/csv; charset=utf-8; header=present" || w.Header().Get("Content-Disposition") == "" || w.Body.Len() > 0) {
				t.Errorf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
			}
		}
	}
}
