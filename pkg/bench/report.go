package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// A Report is what a run measured.
type Report struct {
	At          time.Time `json:"at"`
	Go          string    `json:"go"`
	Platform    string    `json:"platform"`
	Cores       int       `json:"cores"`
	EventBytes  int       `json:"eventBytes"`
	Seconds     float64   `json:"seconds"`
	Connections int       `json:"connections"`
	Window      int       `json:"window"`
	Disk        *Disk     `json:"disk,omitempty"`
	Tables      []Table   `json:"tables"`
	// Search is what searches took; nil where none were measured.
	Search *SearchReport `json:"search,omitempty"`
	// Usage is what reports of usage took; nil where none were measured.
	Usage *SearchReport `json:"usage,omitempty"`
}

// A Table is the figures of one scenario.
type Table struct {
	Title   string   `json:"title"`
	Figures []Figure `json:"figures"`
	Goals   []Goal   `json:"goals,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// A Goal is what a figure should reach on two cores, and what it did. A machine
// with other work in hand misses goals; that alone fails no benchmark.
type Goal struct {
	Figure   string  `json:"figure"`
	What     string  `json:"what"`
	Value    float64 `json:"value"`
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

const (
	deliveredAtLeast = "deliveries/s, at least"
	p99Below         = "p99 in ms, below"
)

type goal struct {
	figure string
	what   string
	value  float64
}

func (g goal) of(t Table) Goal {
	goal := Goal{Figure: g.figure, What: g.what, Value: g.value}
	for _, f := range t.Figures {
		if f.Name != g.figure {
			continue
		}
		switch g.what {
		case deliveredAtLeast:
			goal.Measured, goal.Met = f.DeliveredPerSecond, f.DeliveredPerSecond >= g.value
		case p99Below:
			goal.Measured, goal.Met = f.P99, f.P99 < g.value
		}
	}
	return goal
}

// failed reports whether anything was lost, refused, wrongly signed, or not of the
// benchmark.
func (r *Report) failed() bool {
	for _, t := range r.Tables {
		for _, f := range t.Figures {
			if f.Lost+f.Refused+f.Forged+f.Strange > 0 || f.Checked == 0 {
				return true
			}
		}
	}
	return r.Search != nil && r.Search.failed() || r.Usage != nil && r.Usage.failed()
}

func (r *Report) printHeader(w io.Writer) {
	fmt.Fprintf(w, "hermod bench: %d cores, %s %s, events of %d bytes, %gs a figure; server, publishers and sink share the machine\n",
		r.Cores, r.Go, r.Platform, r.EventBytes, r.Seconds)
}

func (d *Disk) print(w io.Writer) {
	fmt.Fprintf(w, "\nDisk: append 4 KB and fsync, p50 %.2f ms, p99 %.2f ms (%d times)\n", d.P50, d.P99, d.Appends)
}

func (t Table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", t.Title)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tevents/s\tdeliveries/s\tp50 ms\tp99 ms\tmax ms\tCPU s/1000 events: server\tgenerator\tlost\trepeated\twrong signatures\t")
	for _, f := range t.Figures {
		fmt.Fprintf(tw, "%s\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t%s\t%s\t%d\t%d\t%d of %d\t\n",
			f.Name, f.AcceptedPerSecond, f.DeliveredPerSecond, f.P50, f.P99, f.Max,
			orUnknown(f.ServerCPU), orUnknown(f.GeneratorCPU), f.Lost, f.Repeated, f.Forged, f.Checked)
	}
	_ = tw.Flush() // whoever reads the report sees where it breaks off
	for _, f := range t.Figures {
		if f.Refused+f.Strange > 0 {
			fmt.Fprintf(w, "  %s: %d events were not accepted, %d deliveries belong to none\n", f.Name, f.Refused, f.Strange)
		}
		if f.Rate > 0 && f.GeneratorLateP99 > generatorLate {
			fmt.Fprintf(w, "  %s: the generator itself was up to %.1f ms late (p99)\n", f.Name, f.GeneratorLateP99)
		}
	}
	for _, note := range t.Notes {
		fmt.Fprintf(w, "  %s\n", note)
	}
	for _, g := range t.Goals {
		g.print(w)
	}
}

func (g Goal) print(w io.Writer) {
	met := "missed"
	if g.Met {
		met = "reached"
	}
	fmt.Fprintf(w, "  goal on two cores: %s %s %g: %.1f, %s\n", g.Figure, g.What, g.Value, g.Measured, met)
}

// generatorLate is how many milliseconds late the generator may be before the
// report says so.
const generatorLate = 2

func orUnknown(v *float64) string {
	if v == nil {
		return "?"
	}
	return fmt.Sprintf("%.3f", *v)
}

func (r *Report) printEnd(w io.Writer) {
	fmt.Fprintln(w, "\nAWS calls and write units an event are counted where AWS clients are: by make test-cloud.")
}
