package universign_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

type report struct {
	Object                                   string
	Total, Visas, Seals, Reviews, Signatures int
	Levels                                   map[string]int `json:"signatures_by_required_level"`
}

func (l *eventLog) report(t *testing.T, caller, query string) (out report) {
	t.Helper()
	w := l.get(t, caller, "/events/report?"+query)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	levels := 0
	for _, n := range out.Levels {
		levels += n
	}
	if out.Object != "events-report" || out.Levels == nil || levels != out.Signatures ||
		out.Total != out.Visas+out.Seals+out.Reviews+out.Signatures {
		t.Fatalf("%s: %s", query, w.Body)
	}
	return out
}

func wantReport(t *testing.T, got report, signatures map[string]int, visas, seals, reviews int) {
	t.Helper()
	if !maps.Equal(got.Levels, signatures) || got.Visas != visas || got.Seals != seals || got.Reviews != reviews {
		t.Errorf("got %+v, want %v, %d visas, %d seals, %d reviews", got, signatures, visas, seals, reviews)
	}
}

func TestTheReportCountsWhatWasUsed(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	wantReport(t, l.report(t, "admin", ""), map[string]int{}, 0, 0, 0)
	for range 25 {
		l.closed(t, "signature", 1)
	}
	l.publish(t, workspace, "universign:action.closed", `{"type":"signature","required_level":"level2"}`, hermod.Context{})
	l.closed(t, "signature", 4)
	l.closed(t, "review", 0)
	l.closed(t, "visa", 1)
	l.closed(t, "consultation", 1)
	l.publish(t, workspace, "universign:transaction.lifecycle.completed", completed, hermod.Context{})
	l.publish(t, foreign, "universign:action.closed", `{"type":"signature","required_level":3}`, hermod.Context{})
	mock := hermod.Event{AccountID: workspace, Sender: "universign", Name: "action.closed", Data: []byte(`{"type":"visa"}`)}
	if _, err := l.acceptor.Mock(t.Context(), mock, hermod.Ref{Owner: workspace, ID: "whe_1"}); err != nil {
		t.Fatal(err)
	}
	wantReport(t, l.report(t, "admin", ""), map[string]int{"level_1": 25, "level_2": 1, "level_4": 1}, 1, 2, 1)
	wantReport(t, l.report(t, "foreign", ""), map[string]int{"level_3": 1}, 0, 0, 0)
}

func TestTheReportsPeriodIsStrict(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	l.at = l.at.Add(time.Second) // ids of what was set up would push the first one past its moment
	var moments []time.Time
	for i := range 5 {
		moments = append(moments, l.at)
		l.closed(t, "signature", i)
		l.at = l.at.Add(37 * time.Minute)
	}
	query := func(after, before time.Time) string {
		return "created_gt=" + url.QueryEscape(after.Format(time.RFC3339Nano)) + "&created_lt=" + url.QueryEscape(before.Format(time.RFC3339Nano))
	}
	wantReport(t, l.report(t, "admin", query(moments[0], moments[4])), map[string]int{"level_1": 1, "level_2": 1, "level_3": 1}, 0, 0, 0)
	wantReport(t, l.report(t, "admin", query(moments[0].Add(-time.Microsecond), moments[1].Add(time.Microsecond))),
		map[string]int{"level_0": 1, "level_1": 1}, 0, 0, 0)
	east := time.FixedZone("", 5*3600)
	wantReport(t, l.report(t, "admin", query(moments[2].In(east), moments[4].In(east))), map[string]int{"level_3": 1}, 0, 0, 0)
	wantReport(t, l.report(t, "admin", query(moments[4], moments[0])), map[string]int{}, 0, 0, 0)
}

func TestWhatIsPublishedTwiceUnderOneKeyIsCountedOnce(t *testing.T) {
	t.Parallel()
	l := newEventLog(t)
	s := ingest.Submission{Key: "k", Event: hermod.Event{
		AccountID: workspace, Sender: "universign", Name: "action.closed", Data: []byte(`{"type":"review"}`), Timestamp: l.at,
	}}
	for range 3 {
		if _, err := l.acceptor.Accept(t.Context(), []ingest.Submission{s, s}); err != nil {
			t.Fatal(err)
		}
	}
	wantReport(t, l.report(t, "admin", ""), map[string]int{}, 0, 0, 1)
}
