package ingest_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/schema"
	"hermod/pkg/sqlite"
)

// start is when the clocks of these tests start.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	account      = "a-spge-One"
	other        = "a-spge-Two"
	organization = "o-p-Org"
)

// A clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newIDs(now func() time.Time) *hermod.IDs {
	return hermod.NewIDs(now, func(p []byte) { _, _ = rand.Read(p) })
}

// An engine is what an Acceptor writes with, and what a test reads back.
type engine interface {
	ingest.Config
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	PutDefinition(ctx context.Context, d *hermod.Definition) error
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
	// journal gives the journal for ids.
	journal() ingest.Journal
	// all are the events of an account, the oldest first.
	all(t *testing.T, account string) []*hermod.Event
	// messages takes the messages sent since the last call.
	messages(t *testing.T) []hermod.Message
	// handouts are the same, with the wait of each.
	handouts(t *testing.T) []handout
}

// engines are the two kinds there are: one with transactions, one without.
func engines() map[string]func(t *testing.T, c *clock, ids *hermod.IDs) engine {
	return map[string]func(t *testing.T, c *clock, ids *hermod.IDs) engine{
		"sqlite": openSQLite,
		"direct": func(*testing.T, *clock, *hermod.IDs) engine { return newMemory() },
	}
}

// A rig is an Acceptor over an engine with the owners of these tests.
type rig struct {
	engine
	clock    *clock
	acceptor *ingest.Acceptor
}

func newRig(t *testing.T, open func(t *testing.T, c *clock, ids *hermod.IDs) engine) *rig {
	t.Helper()
	c := newClock()
	ids := newIDs(c.now)
	e := open(t, c, ids)
	return &rig{engine: e, clock: c, acceptor: newAcceptor(e, e.journal(), ids, c.now)}
}

func newAcceptor(config ingest.Config, journal ingest.Journal, ids *hermod.IDs, now func() time.Time) *ingest.Acceptor {
	return ingest.New(ingest.Options{
		Config: config, Journal: journal, IDs: ids, Now: now, Log: slog.New(slog.DiscardHandler), Schemas: schema.Checker,
	})
}

// accept accepts events that must be accepted.
func (r *rig) accept(t *testing.T, submissions ...ingest.Submission) []*hermod.Event {
	t.Helper()
	events, err := r.acceptor.Accept(t.Context(), submissions)
	if err != nil {
		t.Fatalf("accepting: %v", err)
	}
	if len(events) != len(submissions) {
		t.Fatalf("%d events of %d submissions", len(events), len(submissions))
	}
	return events
}

// subscribe creates a subscription of the owner to everything.
func (r *rig) subscribe(t *testing.T, owner, id string) {
	t.Helper()
	err := r.CreateSubscription(t.Context(), &hermod.Subscription{
		ID: id, Owner: owner, Dialect: hermod.Signicat, Name: id, Active: true, Type: hermod.Webhook, Version: 1, CreatedAt: start,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A sqliteEngine is the embedded engine on a file of its own.
type sqliteEngine struct {
	*sqlite.DB
	queue *sqlite.Queue
}

func openSQLite(t *testing.T, c *clock, ids *hermod.IDs) engine {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"),
		sqlite.Options{IDs: ids, Now: c.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, o := range testOwners() {
		if err := db.CreateOwner(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return sqliteEngine{db, db.Queue("delivery", sqlite.QueueOptions{})}
}

func testOwners() []hermod.Owner {
	return []hermod.Owner{
		{ID: account, Organization: organization}, {ID: other, Retention: 48 * time.Hour}, {ID: organization},
	}
}

func (e sqliteEngine) journal() ingest.Journal { return e.Journal(e.queue) }

func (e sqliteEngine) all(t *testing.T, account string) []*hermod.Event {
	t.Helper()
	page, err := e.Events(t.Context(), hermod.EventQuery{Owner: account, Ascending: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

func (e sqliteEngine) messages(t *testing.T) []hermod.Message {
	t.Helper()
	return messagesOf(e.handouts(t))
}

func (e sqliteEngine) handouts(t *testing.T) []handout {
	t.Helper()
	var all []handout
	for {
		stats, err := e.queue.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Ready == 0 {
			return all
		}
		batch, err := e.queue.Receive(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range batch {
			m, err := hermod.DecodeMessage(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, handout{Message: m})
		}
		if err := e.queue.Settle(t.Context(), batch, make([]hermod.Outcome, len(batch))); err != nil {
			t.Fatal(err)
		}
	}
}

// A memory is an engine without transactions whose calls can be made to fail, to
// take time, or to have others come between.
type memory struct {
	mu            sync.Mutex
	owners        map[string]hermod.Owner
	subscriptions map[string][]*hermod.Subscription
	definitions   map[string][]hermod.Definition
	types         map[string][]string
	claims        map[[2]string]hermod.Claim
	events        map[hermod.EventKey]*hermod.Event
	sent          []handout
	calls         map[string]int

	// before and after run around the store's and the queue's calls, by the method's
	// name. An error of before is the call's, which then does nothing; an error of
	// after is the call's too, which then has taken effect.
	before, after func(ctx context.Context, call string) error
}

func newMemory() *memory {
	m := &memory{
		owners: map[string]hermod.Owner{}, subscriptions: map[string][]*hermod.Subscription{}, types: map[string][]string{}, definitions: map[string][]hermod.Definition{},
		claims: map[[2]string]hermod.Claim{}, events: map[hermod.EventKey]*hermod.Event{}, calls: map[string]int{},
	}
	for _, o := range testOwners() {
		m.owners[o.ID] = o
	}
	return m
}

func (m *memory) journal() ingest.Journal { return ingest.Direct{Store: m, Queue: m} }

// call runs fn as one call of the store's.
func (m *memory) call(ctx context.Context, name string, fn func() error) error {
	if m.before != nil {
		if err := m.before(ctx, name); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.calls[name]++
	err := fn()
	m.mu.Unlock()
	if err == nil && m.after != nil {
		err = m.after(ctx, name)
	}
	return err
}

func (m *memory) count(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[call]
}

func (m *memory) Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error) {
	found := map[string]hermod.Owner{}
	err := m.call(ctx, "Owners", func() error {
		for _, id := range ids {
			if o, ok := m.owners[id]; ok {
				found[id] = o
			}
		}
		return nil
	})
	return found, err
}

func (m *memory) Subscriptions(ctx context.Context, owner string) (found []*hermod.Subscription, err error) {
	err = m.call(ctx, "Subscriptions", func() error {
		found = slices.Clone(m.subscriptions[owner])
		return nil
	})
	return found, err
}

func (m *memory) CreateSubscription(_ context.Context, s *hermod.Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.owners[s.Owner]
	o.Version++
	m.owners[s.Owner] = o
	m.subscriptions[s.Owner] = append(m.subscriptions[s.Owner], s)
	if s.Global {
		every := m.owners[hermod.EveryOwner]
		every.ID = hermod.EveryOwner
		every.Version++
		m.owners[hermod.EveryOwner] = every
		m.subscriptions[hermod.EveryOwner] = append(m.subscriptions[hermod.EveryOwner], s)
	}
	return nil
}

func (m *memory) Definitions(ctx context.Context, account string) (found []hermod.Definition, err error) {
	err = m.call(ctx, "Definitions", func() error {
		found = slices.Clone(m.definitions[account])
		return nil
	})
	return found, err
}

func (m *memory) PutDefinition(_ context.Context, d *hermod.Definition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.owners[d.Account]
	o.Version++
	m.owners[d.Account] = o
	kept := slices.DeleteFunc(slices.Clone(m.definitions[d.Account]), func(k hermod.Definition) bool { return k.Type == d.Type })
	m.definitions[d.Account] = append(kept, *d)
	return nil
}

func (m *memory) RegisterTypes(ctx context.Context, account string, types []string) error {
	return m.call(ctx, "RegisterTypes", func() error {
		m.types[account] = append(m.types[account], types...)
		return nil
	})
}

func (m *memory) Claim(ctx context.Context, claims []hermod.Claim) (standing []hermod.Claim, err error) {
	err = m.call(ctx, "Claim", func() error {
		for _, c := range claims {
			k := [2]string{c.Owner, c.Key}
			if s, ok := m.claims[k]; ok && s.ExpiresAt.After(c.ExpiresAt.Add(-hermod.ClaimRetention)) {
				standing = append(standing, s)
				continue
			}
			m.claims[k] = c
			standing = append(standing, c)
		}
		return nil
	})
	return standing, err
}

func (m *memory) Reclaim(ctx context.Context, standing, fresh hermod.Claim) error {
	return m.call(ctx, "Reclaim", func() error {
		k := [2]string{standing.Owner, standing.Key}
		if m.claims[k].EventID != standing.EventID {
			return hermod.Errorf(hermod.CodeConflict, "another row stands")
		}
		m.claims[k] = fresh
		return nil
	})
}

func (m *memory) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	found := map[hermod.EventKey]*hermod.Event{}
	err := m.call(ctx, "EventsByKey", func() error {
		for _, k := range keys {
			if e := m.events[k]; e != nil {
				found[k] = e
			}
		}
		return nil
	})
	return found, err
}

func (m *memory) PutEvents(ctx context.Context, events []*hermod.Event) error {
	return m.call(ctx, "PutEvents", func() error {
		for _, e := range events {
			if m.events[e.Key()] == nil {
				m.events[e.Key()] = e
			}
		}
		return nil
	})
}

func (m *memory) all(_ *testing.T, account string) []*hermod.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	var events []*hermod.Event
	for k, e := range m.events {
		if k.Account == account {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b *hermod.Event) int { return a.ID.Compare(b.ID) })
	return events
}
