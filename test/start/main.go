// Command start measures how long a function takes from being executed until it asks
// for its first event, which is what a cold start adds to Lambda's own part of it:
//
//	start [-limit 7ms] [-runs 40] BOOTSTRAP
//
// It serves the Lambda Runtime API on loopback and fails where the median of the
// runs is above the limit, and with it the fastest tenth of them: what else the machine
// does makes a start longer and never shorter. The function is one of this machine's
// own architecture.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "start:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// rounds is how often a median above the limit is measured again: another program may
// have had the processor.
const rounds = 5

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("start", flag.ContinueOnError)
	limit := f.Duration("limit", 7*time.Millisecond, "the longest median that is good enough")
	runs := f.Int("runs", 40, "how often to start")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *runs < 1 {
		return errors.New("name one bootstrap, and at least one run")
	}
	api, err := newRuntimeAPI(ctx)
	if err != nil {
		return err
	}
	defer api.close()
	for round := range rounds {
		took, err := api.measure(ctx, f.Arg(0), *runs)
		if err != nil {
			return err
		}
		median, fast := took[*runs/2], took[*runs/10]
		fmt.Printf("%s: median of %d starts %.1f ms, of the fastest tenth the slowest %.1f, of %.1f\n",
			f.Arg(0), *runs, milliseconds(median), milliseconds(fast), milliseconds(*limit))
		if median <= *limit || (round == rounds-1 && fast <= *limit) {
			return nil
		}
		if round == rounds-1 {
			return fmt.Errorf("%s starts too slowly", f.Arg(0))
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// A runtimeAPI is the Lambda Runtime API as far as a function needs it to start.
type runtimeAPI struct {
	address string
	server  *http.Server
	ended   chan struct{}
	// asked takes the moment at which a function asked for its first event.
	asked chan time.Time
}

func newRuntimeAPI(ctx context.Context) (*runtimeAPI, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	api := &runtimeAPI{address: listener.Addr().String(), ended: make(chan struct{}), asked: make(chan time.Time)}
	api.server = &http.Server{Handler: api, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(api.ended)
		_ = api.server.Serve(listener) // it ends as it is asked to, by close
	}()
	return api, nil
}

func (api *runtimeAPI) close() {
	_ = api.server.Close() // the process ends
	<-api.ended
}

func (api *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
		http.Error(w, "not served here", http.StatusNotFound)
		return
	}
	now := time.Now()
	select {
	case api.asked <- now:
		<-r.Context().Done() // there is no event
	case <-r.Context().Done():
	}
}

// measure gives how long each of so many starts took, the fastest first.
func (api *runtimeAPI) measure(ctx context.Context, bootstrap string, runs int) ([]time.Duration, error) {
	took := make([]time.Duration, runs)
	for i := range took {
		var err error
		if took[i], err = api.start(ctx, bootstrap); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// patience bounds one start.
const patience = 10 * time.Second

func (api *runtimeAPI) start(ctx context.Context, bootstrap string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := exec.CommandContext(ctx, bootstrap)
	command.Env = append(environment(), "AWS_LAMBDA_RUNTIME_API="+api.address)
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	began := time.Now()
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", bootstrap, err)
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = command.Wait()
	}()
	select {
	case at := <-api.asked:
		cancel() // which kills it
		<-ended
		return at.Sub(began), nil
	case <-ended:
		return 0, fmt.Errorf("%s has ended before it asked for an event: %w\n%s", bootstrap, failed, said.String())
	}
}

// environment is that of template.yaml, with names of what is not there: a start
// reaches nothing.
func environment() []string {
	return []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_LAMBDA_FUNCTION_NAME=start",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_FUNCTION_VERSION=1", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"HERMOD_STAGE=dev", "HERMOD_CONFIG_TABLE=c", "HERMOD_EVENTS_TABLE=e", "HERMOD_DELIVERIES_TABLE=d", "HERMOD_KMS_KEY=k",
		"HERMOD_DELIVERY_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/q",
		"HERMOD_INGEST_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/i",
		"HERMOD_PUBLIC_URL=https://hermod.example", "HERMOD_MAX_RECEIVES=10", "HERMOD_EXPORTS_BUCKET=b",
	}
}
