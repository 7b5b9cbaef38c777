package ingest

import (
	"context"
	"time"

	"hermod/pkg/hermod"
)

// Config is what accept reads of the owners.
type Config interface {
	// Owners reads the rows of the owners, consistently, in one request. Owners
	// that do not exist are missing from the answer. hermod.EveryOwner is one once
	// there was a global subscription.
	Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error)
	// Subscriptions reads all subscriptions of an owner, tombstones included,
	// consistently. Their secrets stay sealed. Those of hermod.EveryOwner are the
	// global ones of all owners, each with its own; of these deleted ones are missing.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// Definitions reads all that an account has registered, consistently, sorted by
	// type.
	Definitions(ctx context.Context, account string) ([]hermod.Definition, error)
	// RegisterTypes makes the types known as types of the events of an owner: an
	// account, or an organization that events name.
	RegisterTypes(ctx context.Context, owner string, types []string) error
}

// A Store keeps events and the claims on idempotency keys.
type Store interface {
	// Claim puts each row if its key is free (absent, or past its ExpiresAt at
	// the given claim's making) and answers, in their order, the rows that stand.
	Claim(ctx context.Context, claims []hermod.Claim) ([]hermod.Claim, error)
	// Reclaim replaces the standing row by the fresh one. It fails with
	// CodeConflict where another row stands by now.
	Reclaim(ctx context.Context, standing, fresh hermod.Claim) error
	// EventsByKey reads events consistently. Those that do not exist are missing.
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
	// PutEvents puts new events, each if absent.
	PutEvents(ctx context.Context, events []*hermod.Event) error
}

// A Queue takes the messages that start deliveries.
type Queue interface {
	Send(ctx context.Context, messages []hermod.Message) error
	// SendAgain sends messages of events that stood already, whose write may have
	// stopped before it sent them. They are handed out after the wait (0 to 15 minutes):
	// where they had been sent, the first attempts have their rows by then, and deliver
	// acknowledges the second ones. An engine with transactions sends nothing here: its
	// events stand with their messages or not at all.
	SendAgain(ctx context.Context, messages []hermod.Message, wait time.Duration) error
}

// A Tx is what accept writes with.
type Tx interface {
	Store
	Queue
}

// A Journal runs the writes of an accepted batch. Where the engine has
// transactions, fn runs in one: it may be run again from its start, others run
// before or after it but never beside it, and when Write returns nil all it wrote
// is on disk. Elsewhere fn's calls take effect one by one, which is why accept
// puts an event before it sends the event's messages.
type Journal interface {
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
}

// Direct is the Journal of an engine without transactions.
type Direct struct {
	Store
	Queue
}

// Write runs fn once, each call taking effect at once.
func (d Direct) Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	return fn(ctx, d)
}
