package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A scenario measures figures that belong together, on a server of its own.
type scenario struct {
	name string
	// local scenarios need no server.
	local bool
	// log is the log that is written before the server starts; nil for none.
	log func(o *Options) *Log
	run func(ctx context.Context, r *rig) error
}

func scenarios() []scenario {
	return []scenario{
		{name: "disk", local: true, run: disk},
		{name: "throughput", run: throughput},
		{name: "latency", run: latency},
		{name: "fanout", run: fanOut},
		{name: "isolation", run: isolation},
		{name: "search", log: func(o *Options) *Log { return &o.Log }, run: search},
		{name: "report", log: func(o *Options) *Log { return &o.UsageLog }, run: reports},
	}
}

func scenarioNames() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// figures runs trials one after the other and prints them as one table.
func (r *rig) figures(ctx context.Context, title string, trials []trial, goals ...goal) error {
	table := Table{Title: title}
	for _, t := range trials {
		f, err := r.run(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		table.Figures = append(table.Figures, f)
	}
	r.add(table, goals...)
	return nil
}

func (r *rig) add(table Table, goals ...goal) {
	for _, g := range goals {
		table.Goals = append(table.Goals, g.of(table))
	}
	r.report.Tables = append(r.report.Tables, table)
	table.print(r.o.Out)
}

// batches are the sizes of requests that throughput is measured with.
var batches = [...]int{1, 10}

// throughput is how many events a second go all the way to one receiver.
func throughput(ctx context.Context, r *rig) error {
	var trials []trial
	for _, batch := range batches {
		trials = append(trials, trial{
			name: fmt.Sprintf("batch-%d", batch), batch: batch, fanOut: 1, measure: r.o.Duration, warmup: r.o.Warmup,
		})
	}
	title := fmt.Sprintf("Throughput at saturation, to one receiver (%d connections publish, at most %d events on their way)",
		r.o.Connections, r.o.Window)
	return r.figures(ctx, title, trials, goal{figure: "batch-1", what: deliveredAtLeast, value: 3000})
}

// latency is how long a delivery takes at rates that are no strain.
func latency(ctx context.Context, r *rig) error {
	var trials []trial
	for _, rate := range [...]int{100, 500, 800} {
		trials = append(trials, trial{
			name: fmt.Sprintf("rate-%d", rate), batch: 1, fanOut: 1, rate: float64(rate),
			measure: r.o.Duration, warmup: r.o.Warmup,
		})
	}
	return r.figures(ctx, "Latency from when an event is due to its receipt, open loop", trials,
		goal{figure: "rate-500", what: p99Below, value: 25})
}

// fanOut is how many deliveries a second there are when an event goes to several
// receivers.
func fanOut(ctx context.Context, r *rig) error {
	var trials []trial
	for _, receivers := range [...]int{1, 2, 5, 10} {
		trials = append(trials, trial{
			name: fmt.Sprintf("fan-out-%d", receivers), batch: 1, fanOut: receivers, measure: r.o.Duration, warmup: r.o.Warmup,
		})
	}
	return r.figures(ctx, "Fan-out at saturation", trials, goal{figure: "fan-out-10", what: deliveredAtLeast, value: 5000})
}

// The rates of the isolation scenario, in events a second.
const (
	healthyRate = 100
	hangingRate = 20
)

// isolation is what an endpoint that never answers does to its neighbour.
func isolation(ctx context.Context, r *rig) error {
	healthy := func(name string) trial {
		return trial{name: name, batch: 1, fanOut: 1, rate: healthyRate, measure: r.o.Duration, warmup: r.o.Warmup}
	}
	alone, err := r.run(ctx, healthy("healthy-alone"))
	if err != nil {
		return err
	}
	var hits, held atomic.Int64
	beside, err := r.besideHanging(ctx, &hits, healthy("healthy-beside"), &held)
	if err != nil {
		return err
	}
	r.add(Table{
		Title: fmt.Sprintf("A healthy endpoint at %d/s beside one at %d/s that never answers", healthyRate, hangingRate),
		Notes: []string{fmt.Sprintf(
			"the hanging endpoint had been pushed to for %s, took %d pushes in all, and held %d at the end",
			r.o.HangWarmup, hits.Load(), held.Load())},
		Figures: []Figure{alone, beside},
	})
	return nil
}

// besideHanging runs the trial while another load goes to an endpoint that hangs.
// Of that load nothing is reported but that it was there.
func (r *rig) besideHanging(ctx context.Context, hits *atomic.Int64, t trial, held *atomic.Int64) (f Figure, err error) {
	const name = "hanging"
	id, err := r.api.Subscribe(ctx, r.sink.hanging(hits, held), sender+":"+name, r.sink.secret)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.api.Unsubscribe(ctx, id)) }()
	fmt.Fprintf(r.o.Err, "bench: hanging, for %s\n", r.o.HangWarmup)
	base := time.Now()
	ld := newLoad(sender, name, 1, newLedger(1, 0, func() time.Duration { return time.Since(base) }))
	hanging, stop := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		r.publisher.openLoop(hanging, ld, hangingRate, r.o.HangWarmup+t.warmup+t.measure)
	})
	defer publishing.Wait()
	defer stop()
	warm := time.NewTimer(r.o.HangWarmup)
	defer warm.Stop()
	select {
	case <-ctx.Done():
		return f, ctx.Err()
	case <-warm.C:
	}
	return r.run(ctx, t)
}
