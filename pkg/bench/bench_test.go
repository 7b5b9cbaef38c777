package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/bench"
)

// options measure a fakeServer that behaves as the mode says.
func options(t *testing.T, mode string) bench.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return bench.Options{
		Server: []string{self, "-test.run=^TestFakeServer$", "--", mode}, Login: fakeLogin, PublishPath: "/events",
		SignatureHeader: "X-Signature", Dir: t.TempDir(), Duration: 100 * time.Millisecond, Warmup: 20 * time.Millisecond,
		HangWarmup: 100 * time.Millisecond, Patience: 300 * time.Millisecond, Connections: 4, Window: 64,
		Log: bench.Log{
			Events: 2, Searches: []bench.Search{{Name: "both", Target: "/events?n=2", Items: 2}, {Name: "none", Target: "/events?n=0"}},
			Seed: func(_ context.Context, dir string) error { return os.Mkdir(dir, 0o700) },
		},
		UsageLog: bench.Log{
			Events: 3, Searches: []bench.Search{{Name: "all", Target: "/events?n=2", Token: "key", Answer: `{"data": [1, 2]}`}},
			Seed: func(_ context.Context, dir string) error { return os.Mkdir(dir, 0o700) },
		},
		Out: io.Discard, Err: io.Discard,
	}
}

func run(t *testing.T, o bench.Options) (*bench.Report, error) {
	t.Helper()
	report, err := bench.Run(t.Context(), o)
	if err != nil && !errors.Is(err, bench.ErrFailed) {
		t.Fatal(err)
	}
	left, readErr := os.ReadDir(o.Dir)
	if readErr != nil || len(left) != 0 {
		t.Errorf("the directory holds %v afterwards (%v)", left, readErr)
	}
	return report, err
}

func TestRunMeasuresEveryScenario(t *testing.T) {
	t.Parallel()
	o := options(t, "honest")
	var out strings.Builder
	o.Out = &out
	report, err := run(t, o)
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if report.Disk == nil || report.Disk.Appends == 0 || report.Disk.P99 < report.Disk.P50 {
		t.Errorf("disk: %+v", report.Disk)
	}
	var names []string
	for _, table := range report.Tables {
		for _, f := range table.Figures {
			names = append(names, f.Name)
			if f.Accepted == 0 || f.Delivered != f.Accepted*f.FanOut || f.Checked < f.FanOut {
				t.Errorf("%s: accepted %d, delivered %d to %d, checked %d", f.Name, f.Accepted, f.Delivered, f.FanOut, f.Checked)
			}
			if f.P50 <= 0 || f.P50 > f.P99 || f.P99 > f.Max {
				t.Errorf("%s: p50 %v, p99 %v, max %v", f.Name, f.P50, f.P99, f.Max)
			}
			if !strings.Contains(out.String(), f.Name) {
				t.Errorf("%s is not in the report:\n%s", f.Name, out.String())
			}
		}
	}
	if s := report.Search; s == nil || s.Events != 2 || len(s.Figures) != 2 || len(s.Goals) != 2 {
		t.Errorf("searches: %+v", s)
	} else if f := s.Figures[0]; f.Name != "both" || f.Requests == 0 || f.P50 <= 0 || f.P50 > f.P99 || f.P99 > f.Max || f.Wrong != 0 {
		t.Errorf("search: %+v", f)
	}
	if u := report.Usage; u == nil || u.Events != 3 || len(u.Figures) != 1 || u.Figures[0].Wrong != 0 || u.Figures[0].Requests == 0 {
		t.Errorf("reports: %+v", u)
	}
	want := []string{
		"batch-1", "batch-10", "rate-100", "rate-500", "rate-800", "fan-out-1", "fan-out-2", "fan-out-5", "fan-out-10",
		"healthy-alone", "healthy-beside",
	}
	if !slices.Equal(names, want) {
		t.Errorf("figures %v, want %v", names, want)
	}
}

func TestRunTellsWhatServerDoesWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode  string
		wrong func(bench.Figure) bool
		err   error
	}{
		{"loses", func(f bench.Figure) bool { return f.Lost > 0 && f.Lost == f.Accepted-f.Delivered }, bench.ErrFailed},
		{"forges", func(f bench.Figure) bool { return f.Forged == f.Checked && f.Checked > 0 }, bench.ErrFailed},
		{"refuses", func(f bench.Figure) bool { return f.Refused > 0 && f.Lost == 0 }, bench.ErrFailed},
		{"alters", func(f bench.Figure) bool { return f.Strange > 0 }, bench.ErrFailed},
		// At least once is what is promised: a repetition is counted and no failure.
		{"repeats", func(f bench.Figure) bool { return f.Repeated > 0 && f.Delivered == f.Accepted }, nil},
	} {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			o := options(t, test.mode)
			o.Only = "latency"
			report, err := run(t, o)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			figures := report.Tables[0].Figures
			if f := figures[len(figures)-1]; !test.wrong(f) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestRunTellsWhenSearchFindsTooLittle(t *testing.T) {
	t.Parallel()
	o := options(t, "hides")
	o.Only = "search"
	report, err := run(t, o)
	if !errors.Is(err, bench.ErrFailed) || report.Search.Figures[0].Wrong == 0 || report.Search.Figures[1].Wrong != 0 {
		t.Errorf("error %v, searches %+v", err, report.Search)
	}
	o.Only = "report"
	report, err = run(t, o)
	if !errors.Is(err, bench.ErrFailed) || report.Usage.Figures[0].Wrong == 0 {
		t.Errorf("error %v, reports %+v", err, report.Usage)
	}
	o.Only = "search"
	o.Log.Seed = func(context.Context, string) error { return io.ErrShortWrite }
	if _, err := bench.Run(t.Context(), o); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
}

func TestRunCountsLatencyFromWhenEventWasDue(t *testing.T) {
	t.Parallel()
	o := options(t, "stalls")
	o.Only = "latency"
	o.Connections = 1
	report, err := run(t, o)
	if err != nil {
		t.Fatal(err)
	}
	// Each request takes 5 ms, one at a time: at 800/s they queue up in the generator.
	// The server never sees that wait, those who publish do. The last of 96 is due
	// after 120 ms and begun after 475 ms.
	figures := report.Tables[0].Figures
	if f := figures[len(figures)-1]; f.P99 < 200 || f.GeneratorLateP99 < 200 {
		t.Errorf("%s: p99 %.1f ms, generator late %.1f ms", f.Name, f.P99, f.GeneratorLateP99)
	}
}

func TestRunFailsWhereServerDoesNotStart(t *testing.T) {
	t.Parallel()
	o := options(t, "dies")
	if _, err := bench.Run(t.Context(), o); err == nil || errors.Is(err, bench.ErrFailed) {
		t.Errorf("error %v", err)
	}
	o.Only = "nothing"
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "fanout") {
		t.Errorf("error %v does not name the scenarios", err)
	}
	o.Window = 10 * o.Connections
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "window") {
		t.Errorf("error %v does not name the window", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	o := options(t, "honest")
	o.Only, o.Duration = "throughput", time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	o.Login = func(ctx context.Context, url string) (bench.API, error) {
		time.AfterFunc(100*time.Millisecond, cancel)
		return fakeLogin(ctx, url)
	}
	if _, err := bench.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 0 {
		t.Errorf("the directory holds %v afterwards (%v)", left, err)
	}
}

func TestReportIsJSON(t *testing.T) {
	t.Parallel()
	o := options(t, "honest")
	o.Only = "latency"
	report, err := run(t, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"cores":`, `"p99Ms":`, `"goals":`, `"lost":0`} {
		if !strings.Contains(string(text), member) {
			t.Errorf("no %s in %s", member, text)
		}
	}
}

// fakeLogin opens the API of a fakeServer.
func fakeLogin(_ context.Context, url string) (bench.API, error) { return fakeAPI{url}, nil }

type fakeAPI struct{ url string }

func (a fakeAPI) Token() string { return "token" }

func (a fakeAPI) Subscribe(ctx context.Context, target, filter, secret string) (string, error) {
	return filter, a.call(ctx, http.MethodPut, map[string]string{"target": target, "filter": filter, "secret": secret})
}

func (a fakeAPI) Unsubscribe(ctx context.Context, id string) error {
	return a.call(ctx, http.MethodDelete, map[string]string{"filter": id})
}

func (a fakeAPI) call(ctx context.Context, method string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.url+"/subscription", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
