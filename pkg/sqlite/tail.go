package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// Settled is the greatest id of the owner's log, whatever the pattern. The one
// writer stamps ids within its transactions and commits in their order, so that
// below an id that can be seen nothing appears any more.
func (db *DB) Settled(ctx context.Context, q hermod.EventQuery) (settled hermod.ID, err error) {
	err = db.snapshot(ctx, func(r reader) (err error) {
		settled, err = lastID(r, q.Owner)
		return err
	})
	return settled, err
}

// Tail is what has entered the log since a position.
func (db *DB) Tail(ctx context.Context, q hermod.TailQuery) (page hermod.TailPage, err error) {
	err = db.snapshot(ctx, func(r reader) (err error) {
		page.Position = q.After
		// What is past its retention is not in a page and may have been deleted, so
		// the end is known by the greatest id, not by the last event.
		last, err := lastID(r, q.Owner)
		if err != nil || last.Compare(q.After) <= 0 {
			return err
		}
		keys, err := db.eventKeys(r, hermod.EventQuery{
			Owner: q.Owner, Pattern: q.Pattern, Above: q.After, Ascending: true, Limit: q.Limit,
		})
		if err != nil {
			return err
		}
		if page.Position = last; len(keys) == q.Limit {
			page.Position = keys[len(keys)-1].ID
		}
		page.Events, err = db.eventsOf(r, keys)
		return err
	})
	return page, err
}

// lastID is the greatest id of the owner's log, zero where it is empty.
func lastID(r reader, owner string) (last hermod.ID, err error) {
	for _, column := range []string{"account", "organization"} {
		var id hermod.ID
		if _, err := r.one([]any{scanID(&id)}, `SELECT id FROM events WHERE `+column+` = ? ORDER BY id DESC LIMIT 1`, owner); err != nil {
			return last, err
		}
		if id.Compare(last) > 0 {
			last = id
		}
	}
	return last, nil
}
