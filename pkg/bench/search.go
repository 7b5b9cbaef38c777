package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// A Search is one request that reads a log, asked again and again.
type Search struct {
	Name string
	// Target is the path with its query.
	Target string
	// Items is how many items the answer must have.
	Items int
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

// searchGoal is what the p99 of every search should be below, in milliseconds.
const searchGoal = 50

// searchShare is the part of Duration and Warmup that a search is measured for: it
// is asked hundreds of times a second, and loads nothing but itself.
const searchShare = 3

// seed writes the log and notes what that took.
func (r *rig) seed(ctx context.Context, dir string) error {
	fmt.Fprintf(r.o.Err, "bench: writing a log of %d events\n", r.o.Log.Events)
	start := time.Now()
	if err := r.o.Log.Seed(ctx, filepath.Clean(dir)); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	r.report.Search = &SearchReport{
		Events: r.o.Log.Events, SeedSeconds: time.Since(start).Seconds(), Seconds: (r.o.Duration / searchShare).Seconds(),
	}
	return nil
}

// search is how long it takes to find events in a long log, over one connection.
func search(ctx context.Context, r *rig) error {
	s := r.report.Search
	for _, search := range r.o.Log.Searches {
		fmt.Fprintf(r.o.Err, "bench: search %s\n", search.Name)
		f, err := r.measureSearch(ctx, search)
		if err != nil {
			return fmt.Errorf("%s: %w", search.Name, err)
		}
		s.Figures = append(s.Figures, f)
		s.Goals = append(s.Goals, Goal{Figure: f.Name, What: p99Below, Value: searchGoal, Measured: f.P99, Met: f.P99 < searchGoal})
	}
	s.print(r.o.Out)
	return nil
}

func (r *rig) measureSearch(ctx context.Context, s Search) (SearchFigure, error) {
	f := SearchFigure{Name: s.Name, Items: s.Items}
	var times []time.Duration
	// One is measured at least, however slow the machine is.
	for start := time.Now(); len(times) == 0 || time.Since(start) < (r.o.Warmup+r.o.Duration)/searchShare; {
		began := time.Now()
		items, err := r.items(ctx, s.Target)
		if err != nil {
			return f, err
		}
		if items != s.Items {
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

// items asks and counts the items of the answer.
func (r *rig) items(ctx context.Context, target string) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.url+target, nil)
	if err != nil {
		return 0, err
	}
	q.Header.Set("Authorization", "Bearer "+r.api.Token())
	answer, err := r.publisher.transport.RoundTrip(q)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s: %s", target, answer.Status)
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(text, &page); err != nil {
		return 0, fmt.Errorf("GET %s: %w", target, err)
	}
	return len(page.Data), nil
}

func (s *SearchReport) print(w io.Writer) {
	fmt.Fprintf(w, "\nSearches in a log of %d events, which took %.0f s to write; one connection, %.2gs a search\n", s.Events, s.SeedSeconds, s.Seconds)
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
