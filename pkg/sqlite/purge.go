package sqlite

import (
	"context"
	"time"

	"hermod/pkg/hermod"
)

// purgeChunk bounds the rows that one transaction of Purge deletes, so that accepted
// events do not wait for it.
const purgeChunk = 200

// deadLetterRetention is how long a dead letter is kept, as SQS keeps one.
const deadLetterRetention = 14 * 24 * time.Hour

// Purge deletes events, attempts, replays, revoked credentials, tombstones and changes past
// their retention, claims past their ExpiresAt and dead letters of two weeks, and counts
// the rows. No index serves it: the rows of an account, and
// of a subscription, are read from the oldest on until purgeChunk of them in a row
// are to stay. A row behind those, as when an account's retention was shortened, is
// deleted by a later Purge; no read shows it meanwhile.
func (db *DB) Purge(ctx context.Context) (deleted int, err error) {
	for _, purge := range []func(context.Context) (int, error){db.purgeEvents, db.purgeAttempts, db.purgeClaims, db.purgeDeadLetters, db.purgeReplays, db.purgeCredentials, db.purgeHealth, db.purgeAudit, db.purgeTombstones} {
		n, err := purge(ctx)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// A purgeStep looks at the next rows: how many there were, and the deletions of
// those that are to go.
type purgeStep func(r reader) (seen int, deletions []deletion, err error)

type deletion struct {
	query string
	args  []any
	// then follows where a row was deleted.
	then []deletion
}

// purgeBy steps through rows until they end or, unless all are to be seen, a step
// has nothing to delete.
func (db *DB) purgeBy(ctx context.Context, all bool, step purgeStep) (deleted int, err error) {
	for {
		var seen int
		var deletions []deletion
		if err := db.view(ctx, func(r reader) (err error) {
			seen, deletions, err = step(r)
			return err
		}); err != nil {
			return deleted, err
		}
		if len(deletions) > 0 {
			if err := db.update(ctx, func(t *tx) error { return deleteAll(t, deletions) }); err != nil {
				return deleted, err
			}
		}
		deleted += len(deletions)
		if seen < purgeChunk || len(deletions) == 0 && !all {
			return deleted, nil
		}
	}
}

func deleteAll(t *tx, deletions []deletion) error {
	for _, d := range deletions {
		n, err := t.exec(d.query, d.args...)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := deleteAll(t, d.then); err != nil {
				return err
			}
		}
	}
	return nil
}

// distinct lists the values of an indexed column, by one seek each.
func (db *DB) distinct(ctx context.Context, query string) (values []string, err error) {
	err = db.view(ctx, func(r reader) error {
		for value := ""; ; {
			found, err := r.one([]any{&value}, query, value)
			if err != nil || !found {
				return err
			}
			values = append(values, value)
		}
	})
	return values, err
}

func (db *DB) purgeEvents(ctx context.Context) (deleted int, err error) {
	accounts, err := db.distinct(ctx, `SELECT account FROM events WHERE account > ? ORDER BY account LIMIT 1`)
	if err != nil {
		return 0, err
	}
	for _, account := range accounts {
		var last hermod.ID
		n, err := db.purgeBy(ctx, false, func(r reader) (seen int, ds []deletion, err error) {
			err = r.each(func(row scanner) error {
				var expired bool
				var text string
				if err := row.Scan(scanID(&last), &expired, scanText(&text)); err != nil {
					return err
				}
				units, err := hermod.ParseUnits(text)
				if seen++; expired {
					id := last
					ds = append(ds, deletion{
						query: `DELETE FROM events WHERE account = ? AND id = ?`, args: []any{account, id[:]},
						then: unuse(account, id, units),
					})
				}
				return err
			}, `SELECT id, coalesce(retain_until <= ?, 0), units FROM events WHERE account = ? AND id > ? ORDER BY id LIMIT ?`,
				timeValue(db.now()), account, last[:], purgeChunk)
			return seen, ds, err
		})
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

func (db *DB) purgeAttempts(ctx context.Context) (deleted int, err error) {
	subs, err := db.distinct(ctx, `SELECT subscription FROM attempts WHERE subscription > ? ORDER BY subscription LIMIT 1`)
	if err != nil {
		return 0, err
	}
	for _, sub := range subs {
		var last hermod.AttemptKey
		n, err := db.purgeBy(ctx, false, func(r reader) (seen int, ds []deletion, err error) {
			err = r.each(func(row scanner) error {
				var expired bool
				err := row.Scan(scanID(&last.EventID), &last.Run, &last.Number, &expired)
				if seen++; expired {
					k := last
					ds = append(ds, deletion{query: `DELETE FROM attempts WHERE subscription = ? AND event = ? AND run = ? AND number = ?`,
						args: []any{sub, k.EventID[:], k.Run, k.Number}})
				}
				return err
			}, `SELECT event, run, number, coalesce(retain_until <= ?, 0) FROM attempts WHERE subscription = ?
			    AND (event, run, number) > (?, ?, ?) ORDER BY event, run, number LIMIT ?`,
				timeValue(db.now()), sub, last.EventID[:], last.Run, last.Number, purgeChunk)
			return seen, ds, err
		})
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// purgeClaims goes through all claims: they are in the order of their keys.
func (db *DB) purgeClaims(ctx context.Context) (int, error) {
	var owner, key string
	return db.purgeBy(ctx, true, func(r reader) (seen int, ds []deletion, err error) {
		now := timeValue(db.now())
		err = r.each(func(row scanner) error {
			var expired bool
			err := row.Scan(&owner, &key, &expired)
			if seen++; expired {
				// A claim that has been made anew since is kept.
				ds = append(ds, deletion{query: `DELETE FROM claims WHERE owner = ? AND key = ? AND expires_at <= ?`,
					args: []any{owner, key, now}})
			}
			return err
		}, `SELECT owner, key, coalesce(expires_at <= ?, 0) FROM claims WHERE (owner, key) > (?, ?) ORDER BY owner, key LIMIT ?`,
			now, owner, key, purgeChunk)
		return seen, ds, err
	})
}

// purgeDeadLetters goes through all dead letters: they are in the order of their
// ids, which a message keeps however long it was tried.
func (db *DB) purgeDeadLetters(ctx context.Context) (int, error) {
	var queue string
	var id hermod.ID
	return db.purgeBy(ctx, true, func(r reader) (seen int, ds []deletion, err error) {
		err = r.each(func(row scanner) error {
			var old bool
			err := row.Scan(&queue, scanID(&id), &old)
			if seen++; old {
				dead := id
				ds = append(ds, deletion{query: `DELETE FROM dead_letters WHERE queue = ? AND id = ?`, args: []any{queue, dead[:]}})
			}
			return err
		}, `SELECT queue, id, dead_at <= ? FROM dead_letters WHERE (queue, id) > (?, ?) ORDER BY queue, id LIMIT ?`,
			timeValue(db.now().Add(-deadLetterRetention)), queue, id[:], purgeChunk)
		return seen, ds, err
	})
}
