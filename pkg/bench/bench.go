// Package bench measures a Hermod from outside, as its users have it: a server in
// a process of its own, publishers over HTTP, and a sink that takes the deliveries.
// Every figure it reports was measured in that run, and none counts unless every
// accepted event arrived.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// An API is what a benchmark asks of the server beside publishing.
type API interface {
	// Token is the access token to publish with.
	Token() string
	// Subscribe has the server push events that the filter selects to the target,
	// signed with the secret.
	Subscribe(ctx context.Context, target, filter, secret string) (id string, err error)
	Unsubscribe(ctx context.Context, id string) error
}

// Options say what is measured, and how.
type Options struct {
	// Server is the command that serves until it gets SIGTERM. Run appends -addr,
	// -data, -log and -targets, and -cpuprofile where Profiles is set. It prints
	// "hermod ready URL" as its first line.
	Server []string
	// Login opens the API of the server at the URL.
	Login func(ctx context.Context, url string) (API, error)
	// PublishPath is the path events are posted to.
	PublishPath string
	// SignatureHeader carries the HMAC-SHA256 of a delivery's body in hex.
	SignatureHeader string

	// Log is the log that searches are measured in, UsageLog that of reports.
	Log, UsageLog Log

	// Only selects the scenarios whose name contains it; "" selects all.
	Only string
	// Dir is where the directories of the servers are made, and removed again: it
	// chooses the disk that is measured.
	Dir string
	// Profiles is an existing directory for the servers' CPU profiles, one a
	// scenario; "" for none.
	Profiles string
	// Duration is how long each figure is measured for, after Warmup.
	Duration, Warmup time.Duration
	// HangWarmup is how long the hanging endpoint is pushed to before the healthy
	// one is measured. At twice the server's push timeout it holds as many workers
	// as it ever will.
	HangWarmup time.Duration
	// Patience is how long nothing may come, once all is published, before what is
	// missing counts as lost. It should exceed the first retry's wait.
	Patience time.Duration
	// Connections is the number of connections that publish.
	Connections int
	// Window is how many events may be on their way at a time when the load is not
	// bounded by a rate. It must exceed 10 times Connections.
	Window int
	// Out takes the report, Err what servers log and how far the benchmark is.
	Out, Err io.Writer
}

// ErrFailed says that the benchmark ran and that events were lost, refused or
// wrongly signed.
var ErrFailed = errors.New("events were lost, refused or wrongly signed: see the report")

// Run measures and prints. It fails with ErrFailed beside the report where what was
// measured is not to be relied on.
func Run(ctx context.Context, o Options) (*Report, error) {
	if most := slices.Max(batches[:]); o.Connections < 1 || o.Window <= most*o.Connections {
		return nil, fmt.Errorf("a window of %d is too small for requests of %d events over %d connections", o.Window, most, o.Connections)
	}
	report := &Report{
		At: time.Now().UTC(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		EventBytes: eventBytes, Seconds: o.Duration.Seconds(), Connections: o.Connections, Window: o.Window,
	}
	report.printHeader(o.Out)
	ran := false
	for _, s := range scenarios() {
		if !strings.Contains(s.name, o.Only) {
			continue
		}
		ran = true
		if err := o.runScenario(ctx, s, report); err != nil {
			return report, fmt.Errorf("scenario %s: %w", s.name, err)
		}
	}
	if !ran {
		return report, fmt.Errorf("no scenario's name contains %q: there are %s", o.Only, strings.Join(scenarioNames(), ", "))
	}
	report.printEnd(o.Out)
	if report.failed() {
		return report, ErrFailed
	}
	return report, nil
}

// runScenario gives a scenario a directory of its own, and a server and a sink
// where it needs them, so that none inherits what another one left behind.
func (o *Options) runScenario(ctx context.Context, s scenario, report *Report) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "hermod-bench-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &rig{o: o, dir: dir, report: report}
	if s.local {
		return s.run(ctx, r)
	}
	data, profile := filepath.Join(dir, "data"), ""
	if o.Profiles != "" {
		profile = filepath.Join(o.Profiles, s.name+".pprof")
	}
	if s.log != nil {
		if err := r.seed(ctx, s.log(o), data); err != nil {
			return err
		}
	}
	if r.sink, err = startSink(ctx, o.SignatureHeader); err != nil {
		return err
	}
	if r.server, err = startServer(ctx, o, data, profile); err != nil {
		return errors.Join(err, r.sink.stop())
	}
	// The sink goes first: it lets go of what hangs, so that the server can end.
	defer func() { err = errors.Join(err, r.sink.stop(), r.server.stop()) }()
	if r.api, err = o.Login(ctx, r.server.url); err != nil {
		return err
	}
	r.publisher = newPublisher(r.server.url+o.PublishPath, r.api.Token(), o.Connections)
	defer r.publisher.close()
	return s.run(ctx, r)
}
