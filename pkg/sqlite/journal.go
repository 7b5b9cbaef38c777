package sqlite

import (
	"context"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// A Journal writes accepted events and the messages of their deliveries in one
// transaction. It implements ingest.Journal.
type Journal struct {
	db         *DB
	deliveries *Queue
}

var _ ingest.Journal = Journal{}

// Journal gives the journal whose messages go to the queue.
func (db *DB) Journal(deliveries *Queue) Journal { return Journal{db: db, deliveries: deliveries} }

// Write runs fn in a transaction, in the writer's own goroutine: no other write
// runs beside it, so that ids made in it are committed in their order. fn may be run
// again from its start. When Write returns nil, all that fn wrote is on disk.
func (j Journal) Write(ctx context.Context, fn func(ctx context.Context, tx ingest.Tx) error) error {
	return j.db.update(ctx, func(t *tx) error {
		return fn(ctx, journalTx{tx: t, db: j.db, deliveries: j.deliveries})
	})
}

// A journalTx is what accept writes with.
type journalTx struct {
	tx         *tx
	db         *DB
	deliveries *Queue
}

func (t journalTx) Claim(_ context.Context, claims []hermod.Claim) ([]hermod.Claim, error) {
	return claim(t.tx, claims)
}

func (t journalTx) Reclaim(_ context.Context, standing, fresh hermod.Claim) error {
	return reclaim(t.tx, standing, fresh)
}

func (t journalTx) EventsByKey(_ context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	found := make(map[hermod.EventKey]*hermod.Event, len(keys))
	return found, t.db.eventsByKey(t.tx, keys, found)
}

func (t journalTx) PutEvents(_ context.Context, events []*hermod.Event) error {
	return t.db.putEvents(t.tx, events)
}

func (t journalTx) Send(_ context.Context, messages []hermod.Message) error {
	return t.deliveries.sendIn(t.tx, messages)
}

// SendAgain sends nothing: an event that stands was committed with its messages.
func (t journalTx) SendAgain(context.Context, []hermod.Message, time.Duration) error { return nil }
