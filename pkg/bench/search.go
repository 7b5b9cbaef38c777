package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"text/tabwriter"
	"time"
)

// A Search is one request that reads a log, asked again and again.
type Search struct {
	Name string
	// Target is the path with its query.
	Target string
	// Token is presented; "" for the one that events are published with.
	Token string
	// Items is how many items the answer must have.
	Items int
	// Answer is the JSON that the answer must be, instead; "" for one of items.
	Answer string
}

// A Log is a log that is written before its server starts, and what is searched in
// it.
type Log struct {
	// Events is how many events it has.
	Events int
	// Seed writes it into the server's empty directory.
	Seed func(ctx context.Context, dir string) error
	// Searches are measured one after the other.
	Searches []Search
}

// SearchReport is what the searches took.
type SearchReport struct {
	Events      int     `json:"events"`
	SeedSeconds float64 `json:"seedSeconds"`
	// Seconds is how long each search was measured.
	Seconds float64        `json:"seconds"`
	Figures []SearchFigure `json:"figures"`
	Goals   []Goal         `json:"goals"`
}

// A SearchFigure is what one search took, in milliseconds.
type SearchFigure struct {
	Name     string  `json:"name"`
	Items    int     `json:"items"`
	Requests int     `json:"requests"`
	P50      float64 `json:"p50Ms"`
	P99      float64 `json:"p99Ms"`
	Max      float64 `json:"maxMs"`
	// Wrong counts the answers that were not what was wanted.
	Wrong int `json:"wrong"`
}

// What the p99 of every search, and of every report, should be below, in milliseconds.
const (
	searchGoal = 50
	reportGoal = 100
)

// searchShare is the part of Duration and Warmup that a search is measured for: it
// is asked hundreds of times a second, and loads nothing but itself.
const searchShare = 3

// seed writes the log and notes what that took.
func (r *rig) seed(ctx context.Context, log *Log, dir string) error {
	fmt.Fprintf(r.o.Err, "bench: writing a log of %d events\n", log.Events)
	start := time.Now()
	if err := log.Seed(ctx, filepath.Clean(dir)); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	r.seeded = &SearchReport{
		Events: log.Events, SeedSeconds: time.Since(start).Seconds(), Seconds: (r.o.Duration / searchShare).Seconds(),
	}
	return nil
}

// search is how long it takes to find events in a long log, over one connection.
func search(ctx context.Context, r *rig) error {
	r.report.Search = r.seeded
	return r.searches(ctx, "Searches", r.o.Log.Searches, searchGoal)
}

// reports is how long it takes to count what the events of a long log used up.
func reports(ctx context.Context, r *rig) error {
	r.report.Usage = r.seeded
	return r.searches(ctx, "Reports of usage", r.o.UsageLog.Searches, reportGoal)
}

func (r *rig) searches(ctx context.Context, title string, searches []Search, goal float64) error {
	s := r.seeded
	for _, search := range searches {
		fmt.Fprintf(r.o.Err, "bench: %s\n", search.Name)
		f, err := r.measureSearch(ctx, search)
		if err != nil {
			return fmt.Errorf("%s: %w", search.Name, err)
		}
		s.Figures = append(s.Figures, f)
		s.Goals = append(s.Goals, Goal{Figure: f.Name, What: p99Below, Value: goal, Measured: f.P99, Met: f.P99 < goal})
	}
	s.print(r.o.Out, title)
	return nil
}

func (r *rig) measureSearch(ctx context.Context, s Search) (SearchFigure, error) {
	f := SearchFigure{Name: s.Name, Items: s.Items}
	var times []time.Duration
	// One is measured at least, however slow the machine is.
	for start := time.Now(); len(times) == 0 || time.Since(start) < (r.o.Warmup+r.o.Duration)/searchShare; {
		began := time.Now()
		right, err := r.ask(ctx, s)
		if err != nil {
			return f, err
		}
		if !right {
			f.Wrong++
		}
		if took := time.Since(began); began.Sub(start) >= r.o.Warmup/searchShare {
			times = append(times, took)
		}
	}
	f.Requests = len(times)
	f.P50, f.P99 = milliseconds(quantile(times, 0.5)), milliseconds(quantile(times, 0.99))
	f.Max = milliseconds(quantile(times, 1))
	return f, nil
}

// ask asks once, and reports whether the answer is what it must be.
func (r *rig) ask(ctx context.Context, s Search) (right bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.url+s.Target, nil)
	if err != nil {
		return false, err
	}
	q.Header.Set("Authorization", "Bearer "+cmp.Or(s.Token, r.api.Token()))
	answer, err := r.publisher.transport.RoundTrip(q)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("GET %s: %s", s.Target, answer.Status)
	}
	if s.Answer != "" {
		return sameJSON(text, []byte(s.Answer))
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(text, &page); err != nil {
		return false, fmt.Errorf("GET %s: %w", s.Target, err)
	}
	return len(page.Data) == s.Items, nil
}

func sameJSON(a, b []byte) (bool, error) {
	var left, right any
	err := errors.Join(json.Unmarshal(a, &left), json.Unmarshal(b, &right))
	return err == nil && reflect.DeepEqual(left, right), err
}

func (s *SearchReport) print(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s in a log of %d events, which took %.0f s to write; one connection, %.2gs each\n", title, s.Events, s.SeedSeconds, s.Seconds)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\titems\trequests\tp50 ms\tp99 ms\tmax ms\twrong\t")
	for _, f := range s.Figures {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%d\t\n", f.Name, f.Items, f.Requests, f.P50, f.P99, f.Max, f.Wrong)
	}
	_ = tw.Flush() // whoever reads the report sees where it breaks off
	for _, g := range s.Goals {
		g.print(w)
	}
}

func (s *SearchReport) failed() bool {
	for _, f := range s.Figures {
		if f.Wrong > 0 || f.Requests == 0 {
			return true
		}
	}
	return false
}
