package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// A rig is what the figures of one scenario are measured with.
type rig struct {
	o         *Options
	dir       string
	report    *Report
	sink      *sink
	server    *server
	api       API
	publisher *publisher
	// seeded is what writing the scenario's log took, and gets what is measured in it.
	seeded *SearchReport
}

// A trial is one figure to be measured.
type trial struct {
	name    string
	batch   int
	fanOut  int
	rate    float64 // events a second; 0 is as many as the server takes
	measure time.Duration
	warmup  time.Duration
}

// sender is the sender of all events of a benchmark.
const sender = "hermod-bench"

// run subscribes as many receivers as the trial fans out to, publishes, waits until
// everything has arrived, and unsubscribes.
func (r *rig) run(ctx context.Context, t trial) (f Figure, err error) {
	fmt.Fprintf(r.o.Err, "bench: %s\n", t.name)
	base := time.Now()
	window := 0
	if t.rate == 0 {
		window = r.o.Window
	}
	l := newLedger(t.fanOut, window, func() time.Duration { return time.Since(base) })
	for n := range t.fanOut {
		id, err := r.api.Subscribe(ctx, r.sink.receiver(l, n), sender+":"+t.name, r.sink.secret)
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, r.api.Unsubscribe(ctx, id)) }()
	}

	ld := newLoad(sender, t.name, t.batch, l)
	start := l.now()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		if t.rate == 0 {
			r.publisher.closedLoop(ctx, ld, t.warmup+t.measure)
		} else {
			r.publisher.openLoop(ctx, ld, t.rate, t.warmup+t.measure)
		}
	})
	before, err := r.readMeter(ctx, l, start+t.warmup)
	var after meter
	if err == nil {
		after, err = r.readMeter(ctx, l, start+t.warmup+t.measure)
	}
	publishing.Wait()
	if err != nil {
		return f, err
	}
	lost, err := l.drain(ctx, r.o.Patience)
	if err != nil {
		return f, err
	}
	return figureOf(t, ld, before, after, lost), nil
}

// A meter is a reading of everything that only ever grows.
type meter struct {
	at              time.Duration
	accepted        int
	serverCPU       time.Duration
	generatorCPU    time.Duration
	serverCPUKnown  bool
	generatorIsRead bool
}

// readMeter waits until the time and reads.
func (r *rig) readMeter(ctx context.Context, l *ledger, at time.Duration) (m meter, err error) {
	timer := time.NewTimer(at - l.now())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return m, ctx.Err()
	case <-timer.C:
	}
	m.at = l.now()
	m.accepted, _ = l.progress()
	m.serverCPU, m.serverCPUKnown = r.server.cpu()
	m.generatorCPU, m.generatorIsRead = processCPU(os.Getpid())
	return m, nil
}

// A Figure is what one trial measured. Rates and CPU are of the measured time
// alone; the counts are of the whole trial, warm-up included.
type Figure struct {
	Name   string  `json:"name"`
	Batch  int     `json:"batch"`
	FanOut int     `json:"fanOut"`
	Rate   float64 `json:"rate,omitempty"` // events a second asked for

	AcceptedPerSecond  float64 `json:"acceptedPerSecond"`
	DeliveredPerSecond float64 `json:"deliveredPerSecond"`
	// Latencies are milliseconds from when an event was due to its receipt.
	P50 float64 `json:"p50Ms"`
	P99 float64 `json:"p99Ms"`
	Max float64 `json:"maxMs"`
	// GeneratorLateP99 is how many milliseconds late the generator itself was.
	GeneratorLateP99 float64 `json:"generatorLateP99Ms,omitempty"`
	// CPU is seconds for a thousand events; absent where it cannot be read.
	ServerCPU    *float64 `json:"serverCpuSecondsPer1000,omitempty"`
	GeneratorCPU *float64 `json:"generatorCpuSecondsPer1000,omitempty"`

	Accepted  int `json:"accepted"`
	Refused   int `json:"refused"`
	Delivered int `json:"delivered"`
	Lost      int `json:"lost"`
	Repeated  int `json:"repeated"`
	Strange   int `json:"strange"`
	Checked   int `json:"signaturesChecked"`
	Forged    int `json:"signaturesWrong"`
}

func figureOf(t trial, ld *load, before, after meter, lost int) Figure {
	l := ld.ledger
	latencies, came := l.between(before.at, after.at)
	seconds := (after.at - before.at).Seconds()
	accepted := after.accepted - before.accepted
	f := Figure{
		Name: t.name, Batch: t.batch, FanOut: t.fanOut, Rate: t.rate,
		AcceptedPerSecond: float64(accepted) / seconds, DeliveredPerSecond: float64(came) / seconds,
		P50: milliseconds(quantile(latencies, 0.50)), P99: milliseconds(quantile(latencies, 0.99)),
		Max:              milliseconds(quantile(latencies, 1)),
		GeneratorLateP99: milliseconds(quantile(ld.late, 0.99)),
		Accepted:         l.accepted, Refused: l.refused, Delivered: l.first, Lost: lost, Repeated: l.repeated,
		Strange: l.strange, Checked: l.checked, Forged: l.forged,
	}
	if accepted > 0 && before.serverCPUKnown && after.serverCPUKnown {
		f.ServerCPU = per1000(after.serverCPU-before.serverCPU, accepted)
	}
	if accepted > 0 && before.generatorIsRead && after.generatorIsRead {
		f.GeneratorCPU = per1000(after.generatorCPU-before.generatorCPU, accepted)
	}
	return f
}

func per1000(d time.Duration, events int) *float64 {
	seconds := d.Seconds() / float64(events) * 1000
	return &seconds
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is the smallest value that at least the fraction q of them do not
// exceed; 0 of none. It sorts them.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(q*float64(len(values)) + 0.999999)
	return values[min(max(rank, 1), len(values))-1]
}
