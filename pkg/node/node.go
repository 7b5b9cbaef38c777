// Package node is Hermod in one process: the API, the queues with their pollers
// and the due ticker over one embedded database. What it runs is the very code
// that the functions on AWS run.
package node

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/docs"
	"hermod/pkg/api/signicat"
	"hermod/pkg/api/universign"
	"hermod/pkg/catalog"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/schema"
	"hermod/pkg/seal"
	"hermod/pkg/sqlite"
)

// Options are what a Node needs.
type Options struct {
	// Data is the directory of the database and the key file. It is made if absent.
	Data string
	// Policy says where deliveries may go.
	Policy *push.Policy
	// PublicURL is where clients reach the node, and the clouds that trust its issuer;
	// "" for the address of each request, and for no such trust.
	PublicURL api.BaseURL
	// Timing makes the node faster, for tests; the zero value keeps to the clock of
	// the deployed template.
	Timing Timing
	// Mint is where flows of Mint are triggered; nil for nowhere.
	Mint *push.Mint
	// AWS is who Hermod is on AWS for its destinations there; nil for nobody.
	AWS *push.AWS
	// Handshake is how endpoints of webhooks are asked whether they want deliveries.
	Handshake push.Handshake
	// Endpoints stand in for hosts of the clouds, for tests; nil for none.
	Endpoints push.Endpoints
	// Pusher replaces the destinations, for tests; nil pushes for real.
	Pusher deliver.Pusher
	// Seams are where tests stand in between; the zero value is nowhere.
	Seams Seams
	// Outside is an issuer whose tokens are believed too; nil for none.
	Outside *auth.Outside
	// Exposed says that others can reach the node. It starts with no credential whose
	// secret everybody knows then, and Open fails with ErrKnown where one is in force.
	Exposed bool
	// RateLimit is how many requests a second a credential may make; 0 for as many
	// as it likes.
	RateLimit int
	// MaxSubscriptions is how many subscriptions an owner may have; 0 is
	// hermod.MaxSubscriptions.
	MaxSubscriptions int
	Log              *slog.Logger
	Now              func() time.Time
}

// Timing is how long a node waits.
type Timing struct {
	// Waits are the waits between attempts; nil is the default schedule.
	Waits hermod.Schedule
	// QueueWait is the longest wait that stays in the queue; 0 is deliver's default.
	QueueWait time.Duration
	// DueEvery is how often the due index is looked through, and the clock looked at by
	// the queues at least; 0 is each minute.
	DueEvery time.Duration
	// SweepEvery is how often endpoints that fail are looked after; 0 is each second,
	// which the rate at which they are drained goes by.
	SweepEvery time.Duration
	// ReplayEvery is how often replays are looked for; 0 is each second.
	ReplayEvery time.Duration
	// GiveUpPause is how long a message that was given up stays hidden; 0 is
	// hermod.GiveUpPause.
	GiveUpPause time.Duration
	// Breaker says when deliveries to a failing endpoint stop; the zero value is
	// deliver's default.
	Breaker deliver.Breaker
}

// How the queues of a node behave. They are those of the deployed template.
const (
	maxReceives    = 10
	visibility     = 3 * time.Minute
	deliverWorkers = 512
	// endpointWorkers are how many of them one endpoint may hold.
	endpointWorkers = deliverWorkers / 8
	ingestWorkers   = 8
	ingestBatch     = 10
	defaultDueEvery = time.Minute
	defaultSweep    = time.Second
	purgeEvery      = time.Hour
)

// A Node is an open Hermod. Open it, Run it, Close it.
type Node struct {
	o     Options
	db    *sqlite.DB
	store store
	ids   *hermod.IDs
	keys  *auth.Keys
	// deliveryKeys sign the deliveries of Universign's endpoints. The first is made when
	// it is needed: most nodes never need one.
	deliveryKeys *auth.Keys
	// guard makes it slow to guess the secrets of logins.
	guard    *api.Guard
	ingest   *sqlite.Queue
	delivery *sqlite.Queue
	acceptor *ingest.Acceptor
	pushers  *push.Pushers
	server   http.Handler
	// known are the credentials with secrets that everybody knows.
	known provision.Known
}

// store is the database with the secrets sealed before it: of two methods of one
// name Go takes the one that is less deep.
type store struct {
	*seal.Store
	plain
}

type plain struct{ *sqlite.DB }

// Open opens the database, makes what a first start needs, and wires the parts.
func Open(ctx context.Context, o Options) (n *Node, err error) {
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	local, err := LocalKeys(o.Data)
	if err != nil {
		return nil, err
	}
	ids := hermod.NewIDs(o.Now, randomBytes)
	db, err := sqlite.Open(ctx, filepath.Join(o.Data, DatabaseFile), sqlite.Options{IDs: ids, Now: o.Now, Log: o.Log, MaxSubscriptions: o.MaxSubscriptions})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	box := seal.NewBox(local, randomBytes, o.Now)
	n = &Node{
		o: o, db: db, ids: ids,
		store: store{seal.NewStore(db, box, o.Now, o.Log), plain{db}},
		keys:  &auth.Keys{Store: db, Sealer: box, Now: o.Now, Log: o.Log},
		guard: &api.Guard{Now: o.Now, Log: o.Log},
		deliveryKeys: &auth.Keys{
			Store: db, Sealer: box, Use: universign.Use, Prefix: universign.KeyPrefix, Now: o.Now, Log: o.Log,
		},
		ingest: db.Queue("ingest", sqlite.QueueOptions{
			MaxReceives: maxReceives, Visibility: visibility, Batch: ingestBatch, GiveUpPause: o.Timing.GiveUpPause, Look: o.Timing.DueEvery,
		}),
		delivery: db.Queue("delivery", sqlite.QueueOptions{
			MaxReceives: maxReceives, Visibility: visibility, GiveUpPause: o.Timing.GiveUpPause, Look: o.Timing.DueEvery,
		}),
	}
	n.pushers = push.New(push.Options{
		Policy: o.Policy, Handshake: o.Handshake, Endpoints: o.Endpoints, Mint: o.Mint, AWS: o.AWS, Assertions: n.assertions(), Now: o.Now,
	})
	n.acceptor = ingest.New(ingest.Options{
		Config: through[ingest.Config](o.Seams.Config, db), Journal: through[ingest.Journal](o.Seams.Journal, db.Journal(n.delivery)), IDs: ids, Now: o.Now, Log: o.Log, Schemas: schema.Checker,
	})
	if err := n.firstStart(ctx); err != nil {
		return nil, err
	}
	var limiter *api.Limiter
	if o.RateLimit > 0 {
		limiter = api.NewLimiter(o.RateLimit, o.Now)
	}
	bearer := &auth.Bearer{Keys: n.keys, Credentials: db, Outside: o.Outside, Now: o.Now}
	n.server = n.handler(signicat.Dialect{Bearer: bearer}, limiter)
	return n, nil
}

// ErrKnown refuses to open a node to others with secrets that everybody knows.
var ErrKnown = errors.New("the credentials that a clean machine starts with are in force, and everybody knows them")

// firstStart creates the local owners and clients on a clean machine, and the key
// that signs tokens.
func (n *Node) firstStart(ctx context.Context) error {
	if err := CheckKeyFile(ctx, n.db, n.keys.Sealer); err != nil {
		return err
	}
	account := provision.Local()[0].Account
	owners, err := n.db.Owners(ctx, []string{account})
	if err != nil {
		return fmt.Errorf("reading the local account: %w", err)
	}
	if _, ok := owners[account]; !ok && !n.o.Exposed {
		if err := provision.ApplyLocal(ctx, n.db, n.o.Now()); err != nil {
			return err
		}
	}
	if n.known, err = provision.Standing(ctx, n.db); err != nil {
		return err
	}
	if n.o.Exposed && !n.known.None() {
		return ErrKnown
	}
	return n.keys.Ensure(ctx)
}

// Known are the credentials with secrets that everybody knows.
func (n *Node) Known() provision.Known { return n.known }

// assertions are those of the node's issuer; nil where its URL is not known.
func (n *Node) assertions() push.Assertions {
	if n.o.PublicURL == "" {
		return nil
	}
	return &auth.Assertor{Keys: n.keys, Issuer: signicat.IssuerOf(n.o.PublicURL), Now: n.o.Now, TokenID: randomID, Log: n.o.Log}
}

// native are the rows of the native API.
func (n *Node) native() []api.Route {
	base := n.o.PublicURL
	cursors := api.Cursors{Keys: n.keys.CursorKeys}
	tokens := &signicat.Tokens{BaseURL: base, Guard: n.guard, Issuer: &auth.Issuer{Keys: n.keys, Credentials: n.db, Now: n.o.Now, TokenID: randomID}}
	events := &signicat.Events{Store: n.db, Acceptor: n.acceptor, Cursors: cursors, BaseURL: base, Now: n.o.Now}
	subscriptions := &signicat.Subscriptions{
		Store: n.store, Health: n.store, Targets: n.pushers, Prober: n.pushers, Cursors: cursors, BaseURL: base, Now: n.o.Now, Random: randomBytes,
	}
	logs := &signicat.DeliveryLogs{Store: n.db, Cursors: cursors, BaseURL: base}
	replays := n.replays(cursors)
	metadata := &signicat.Metadata{Store: n.db, Catalog: catalog.Published{}, BaseURL: base, Mint: n.o.Mint != nil, AWSRolePrefix: n.o.AWS.RolePrefix(), Now: n.o.Now}
	credentials := &signicat.Credentials{
		Registry: &auth.Registry{Store: n.db, Now: n.o.Now, Random: randomBytes}, Cursors: cursors, BaseURL: base,
	}
	changes := &signicat.AuditLog{Store: n.db, Cursors: cursors, BaseURL: base}
	var routes []api.Route
	for _, part := range []interface{ Routes() []api.Route }{
		tokens, events, subscriptions, logs, replays, n.deadLetters(cursors), metadata, credentials, changes, docs.Pages{BaseURL: base},
	} {
		routes = append(routes, part.Routes()...)
	}
	return routes
}

// Handler serves the API.
func (n *Node) Handler() http.Handler { return n.server }

// Run polls the queues and wakes what is due until ctx ends; then it finishes what
// is in hand and returns.
func (n *Node) Run(ctx context.Context) error {
	pusher := n.o.Pusher
	if pusher == nil {
		pusher = n.pushers
	}
	deliverer := deliver.New(deliver.Options{
		Store: through[deliver.Store](n.o.Seams.Store, n.store), Pusher: through(n.o.Seams.Pusher, pusher), MaxReceives: maxReceives, Now: n.o.Now, Random: rand.Float64, Log: n.o.Log,
		Encoders: n.encoders(), QueueWait: n.o.Timing.QueueWait,
		Breaker: n.o.Timing.Breaker,
	})
	sweeper := &deliver.Sweeper{
		Store: through[deliver.SweepStore](n.o.Seams.Sweep, n.db), Queue: n.queueOf("sweep"), Now: n.o.Now, Random: rand.Float64, Log: n.o.Log,
		Notifier: through[deliver.Notifier](n.o.Seams.Notifier, &ingest.Notices{Acceptor: n.acceptor, Now: n.o.Now}),
	}
	waker := &deliver.Waker{Index: through[deliver.DueIndex](n.o.Seams.Due, n.db), Queue: n.queueOf("due"), Now: n.o.Now, Log: n.o.Log}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make(chan error, 2)
	var wg sync.WaitGroup
	run := func(queue *sqlite.Queue, h hermod.Handler, workers int) {
		wg.Go(func() {
			defer stop() // one poller that ends ends the node
			errs <- queue.Run(ctx, h, workers)
		})
	}
	run(n.ingest, n.handlerOf("ingest", n.acceptor.Handle), ingestWorkers)
	run(n.delivery, n.handlerOf("delivery", deliverer.Handle), deliverWorkers)
	wg.Go(func() {
		every(ctx, cmp.Or(n.o.Timing.DueEvery, defaultDueEvery), func() { _, _ = waker.Wake(ctx) }) // it logs its errors itself
	})
	wg.Go(func() {
		every(ctx, cmp.Or(n.o.Timing.SweepEvery, defaultSweep), func() { n.sweep(ctx, sweeper) })
	})
	wg.Go(func() { n.runReplays(ctx) })
	wg.Go(func() { every(ctx, purgeEvery, func() { n.purge(ctx) }) })
	wg.Wait()
	return errors.Join(<-errs, <-errs)
}

func (n *Node) sweep(ctx context.Context, sweeper *deliver.Sweeper) {
	if _, err := sweeper.Round(ctx); err != nil && ctx.Err() == nil {
		n.o.Log.LogAttrs(ctx, slog.LevelError, "sweep failed", hermod.LogError(err))
	}
}

func (n *Node) purge(ctx context.Context) {
	deleted, err := n.db.Purge(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		n.o.Log.LogAttrs(ctx, slog.LevelError, "purge failed", slog.Int("deleted", deleted), hermod.LogError(err))
	case deleted > 0:
		n.o.Log.LogAttrs(ctx, slog.LevelInfo, "purged", slog.Int("deleted", deleted))
	}
}

// every calls f at once and then after each interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// How long the server waits.
const (
	headerTimeout   = 10 * time.Second
	requestTimeout  = 60 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 20 * time.Second
	maxHeaderBytes  = 64 << 10
)

// Serve answers requests from the listener and runs the pollers until ctx ends. It
// then takes no more requests, finishes what is in hand, and returns.
func (n *Node) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: n.server, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(n.o.Log.Handler(), slog.LevelWarn),
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { failed <- server.Serve(listener) })
	wg.Go(func() { failed <- n.Run(running) })

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(ending)
	stop()
	wg.Wait()
	if errors.Is(cause, http.ErrServerClosed) {
		cause = nil
	}
	return errors.Join(cause, err)
}

// Close closes the database. Run must have returned.
func (n *Node) Close() error {
	n.pushers.CloseIdle()
	if err := n.db.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

func randomBytes(p []byte) { _, _ = cryptorand.Read(p) } // it never fails: see crypto/rand.Read

// randomID is 32 hex digits.
func randomID() string {
	var id hermod.ID
	randomBytes(id[:])
	return id.String()
}
