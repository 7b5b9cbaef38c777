package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/bench"
	"hermod/pkg/provision"
)

// maxBenchDuration keeps the four figures of a scenario within the life of a token.
const maxBenchDuration = 2 * time.Minute

// runBench measures a node that it starts for the purpose, in a directory of its
// own, and stops again.
func runBench(ctx context.Context, c *console, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	o := bench.Options{
		Server: []string{self, "serve"}, Login: benchLogin,
		PublishPath: signicat.Base + "/events", SignatureHeader: signicat.DefaultSignatureHeader,
		Out: c.out, Err: c.err,
	}
	f := c.flags("bench")
	f.StringVar(&o.Only, "run", "", "scenarios to run: those whose name contains this (disk, throughput, latency, fanout, isolation, search, report)")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long each figure is measured")
	f.DurationVar(&o.Warmup, "warmup", 2*time.Second, "how long each load runs before it is measured")
	f.DurationVar(&o.HangWarmup, "hang-warmup", 20*time.Second, "how long the hanging endpoint hangs before its neighbour is measured")
	f.DurationVar(&o.Patience, "patience", 20*time.Second, "how long nothing may come before what is missing counts as lost")
	f.IntVar(&o.Connections, "connections", 64, "connections that publish")
	f.IntVar(&o.Window, "window", 1024, "events on their way at most, at saturation; more than 10 times the connections")
	f.StringVar(&o.Dir, "dir", os.TempDir(), "where the server's directory is made and removed: the disk that is measured")
	f.StringVar(&o.Profiles, "profiles", "", "directory for the server's CPU profiles, one a scenario")
	file := f.String("json", "", "file to write the figures to")
	quick := f.Bool("quick", false, "a smoke test in seconds; its figures mean little")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	if o.Duration > maxBenchDuration {
		return fmt.Errorf("-duration %s: want at most %s, since one token must last for a scenario", o.Duration, maxBenchDuration)
	}
	events := searchedEvents
	if *quick {
		events = searchedEvents / 100
		o.Duration, o.Warmup, o.HangWarmup = 500*time.Millisecond, 100*time.Millisecond, time.Second
	}
	o.Log, o.UsageLog = benchLog(time.Now(), events), usageLog(time.Now(), events)
	// A closed pipe or terminal must not leave the node behind.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE, syscall.SIGHUP)
	defer stop()
	report, failed := bench.Run(ctx, o)
	if *file != "" && report != nil {
		if err := writeJSON(*file, report); err != nil {
			return err
		}
	}
	return failed
}

func writeJSON(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Clean(file), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}

// benchAPI is the API as the benchmark uses it.
type benchAPI struct{ *client }

func benchLogin(ctx context.Context, url string) (bench.API, error) {
	local := provision.Local()[0]
	cl, err := login(ctx, &clientFlags{url: url, id: local.ID, secret: local.Secret})
	return benchAPI{cl}, err
}

func (a benchAPI) Token() string { return a.token }

func (a benchAPI) Subscribe(ctx context.Context, target, filter, secret string) (string, error) {
	return a.subscribe(ctx, target, filter, secret)
}

func (a benchAPI) Unsubscribe(ctx context.Context, id string) error {
	return a.call(ctx, http.MethodDelete, signicat.Base+"/subscriptions/"+id, "", nil, nil)
}
