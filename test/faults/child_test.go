package faults

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"modernc.org/sqlite"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/test/faults/ledger"
)

// childVariable has the test binary be the process under test. It holds its settings.
const childVariable = "HERMOD_FAULTS_CHILD"

// settings are what the process under test is started with.
type settings struct {
	Data string
	// Clock is how far its clock is ahead.
	Clock time.Duration
	// MaxPages bounds the database file, in pages of 4 KB; what it has already counts. 0
	// is no bound.
	MaxPages int
	// Room bounds the files that it writes, in bytes; 0 is no bound.
	Room uint64
	// Armed is the fault that it starts with; nil for none.
	Armed *fault
	// Timing is the node's.
	Timing node.Timing
}

// A greeting is the first line that the process under test writes; the others are firings.
type greeting struct{ Base string }

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(childVariable)
	if !ok {
		os.Exit(m.Run())
	}
	if err := serve(text); err != nil {
		fmt.Fprintln(os.Stderr, "process under test:", hermod.Detail(err))
		os.Exit(1)
	}
}

// A child is the process under test.
type child struct {
	node  *node.Node
	in    *injector
	ahead atomic.Int64 // of the clock, in nanoseconds
	// engine is the node's, without what stands in between.
	engine engine
}

type engine interface {
	ledger.Log
	deliver.DueIndex
	deliver.SweepStore
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
}

func (c *child) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// serve is the process under test. It is killed, or ends when its standard input does, so
// that it does not outlive the test.
func serve(text string) (err error) {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	ctx := context.Background()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	c := &child{in: &injector{told: os.Stdout}}
	c.ahead.Store(int64(s.Clock))
	c.in.arm(s.Armed)
	if err := setRoom(s.Room); err != nil {
		return err
	}
	sqlite.RegisterConnectionHook(c.connected(s.MaxPages))
	if c.node, err = node.Open(ctx, node.Options{
		Data: s.Data, Policy: push.Local(), Now: c.now, Seams: c.seams(), Timing: s.Timing,
		Log: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.node.Close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/faults/", c.controls())
	mux.Handle("/", c.node.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // it ends with the process
	if err := json.NewEncoder(os.Stdout).Encode(greeting{"http://" + listener.Addr().String()}); err != nil {
		return err
	}
	return c.node.Run(ctx)
}

// connected bounds what a connection may write, and passes a step at each commit.
func (c *child) connected(maxPages int) sqlite.ConnectionHookFn {
	return func(conn sqlite.ExecQuerierContext, _ string) error {
		if h, ok := conn.(sqlite.HookRegisterer); ok {
			h.RegisterCommitHook(func() int32 {
				if c.in.pass("sqlite.Commit", before, scope{}) != nil {
					return 1
				}
				return 0
			})
		}
		if maxPages == 0 {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", maxPages), []driver.NamedValue{})
		return err
	}
}

// seams are the injector's; on their way the child keeps what it reads its state by.
func (c *child) seams() node.Seams {
	s := c.in.seams()
	stand := s.Config
	s.Config = func(e ingest.Config) ingest.Config {
		c.engine, _ = e.(engine)
		return stand(e)
	}
	return s
}

// controls are what the test tells the process under test.
func (c *child) controls() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc("POST /faults/"+path, func(w http.ResponseWriter, r *http.Request) {
			got, err := do(r)
			if err == nil {
				err = json.NewEncoder(w).Encode(got)
			}
			if err != nil {
				http.Error(w, hermod.Detail(err), http.StatusInternalServerError)
			}
		})
	}
	handle("arm", func(r *http.Request) (any, error) {
		var f *fault
		err := json.NewDecoder(r.Body).Decode(&f)
		c.in.arm(f)
		return nil, err
	})
	handle("passes", func(*http.Request) (any, error) { return c.in.passes(), nil })
	handle("fired", func(*http.Request) (any, error) { return c.in.count(), nil })
	handle("clock", func(r *http.Request) (any, error) {
		var ahead time.Duration
		err := json.NewDecoder(r.Body).Decode(&ahead)
		c.ahead.Store(int64(ahead))
		return nil, err
	})
	handle("room", func(r *http.Request) (any, error) {
		var bytes uint64
		if err := json.NewDecoder(r.Body).Decode(&bytes); err != nil {
			return nil, err
		}
		return nil, setRoom(bytes)
	})
	handle("ingest", func(r *http.Request) (any, error) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = c.node.SendIngest(r.Context(), body)
		}
		return nil, err
	})
	handle("limit", func(r *http.Request) (any, error) {
		var id string
		if err := json.NewDecoder(r.Body).Decode(&id); err != nil {
			return nil, err
		}
		return nil, c.limit(r.Context(), id)
	})
	handle("redrive", func(r *http.Request) (any, error) { return nil, c.node.Redrive(r.Context()) })
	handle("pending", func(r *http.Request) (any, error) { return c.pending(r.Context()) })
	handle("state", func(r *http.Request) (any, error) { return c.state(r.Context()) })
	return mux
}

// limit has a subscription get one delivery a second.
func (c *child) limit(ctx context.Context, id string) error {
	s, err := c.engine.Subscription(ctx, hermod.Ref{Owner: provision.Local()[0].Account, ID: id})
	if err != nil {
		return err
	}
	s.RateLimit = 1
	return c.engine.UpdateSubscription(ctx, s)
}

// setRoom bounds the files that this process writes; 0 is no bound.
func setRoom(bytes uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = bytes
	if bytes == 0 {
		limit.Cur = limit.Max
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// farAhead is after everything that waits.
const farAhead = 365 * 24 * time.Hour

// pending says what is under way beside the log; "" for nothing.
func (c *child) pending(ctx context.Context) (string, error) {
	backlog, err := c.node.Backlog(ctx)
	if err != nil || backlog > 0 {
		return fmt.Sprintf("%d messages in the queues", backlog), err
	}
	rows, err := c.engine.Due(ctx, c.now().Add(farAhead), 1)
	if err != nil || len(rows) > 0 {
		return fmt.Sprintf("rows in the due index: %v", rows), err
	}
	parked, err := c.engine.ParkedDue(ctx, c.now().Add(farAhead), 1)
	if err != nil || len(parked) > 0 {
		return fmt.Sprintf("parked deliveries: %+v", parked), err
	}
	refs, err := c.engine.Attended(ctx)
	if err != nil {
		return "", err
	}
	subs, err := c.engine.SubscriptionsByRef(ctx, refs)
	for ref, sub := range subs {
		if sub.Health != nil && sub.Health.Circuit == hermod.Draining {
			return "draining " + ref.ID, nil
		}
	}
	return "", err
}

func (c *child) state(ctx context.Context) (*ledger.State, error) {
	pending, err := c.pending(ctx)
	if err != nil {
		return nil, err
	}
	s, err := ledger.Read(ctx, c.engine, provision.Local()[0].Account)
	if err != nil {
		return nil, err
	}
	s.Pending = pending
	if s.DeadLetters, err = c.node.DeadLetters(ctx); err != nil {
		return nil, err
	}
	if s.DeadLetters == nil {
		s.DeadLetters = [][]byte{}
	}
	s.Refused, err = c.node.IngestDeadLetters(ctx)
	return s, err
}
