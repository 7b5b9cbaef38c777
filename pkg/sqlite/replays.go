package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// CreateReplay puts r as version 1. It fails with CodeConflict where the id is
// taken.
func (db *DB) CreateReplay(ctx context.Context, r *hermod.Replay) error {
	created := *r
	created.Version = 1
	err := db.update(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO replays (owner, id, running, version, retain_until, body) VALUES (?,?,?,?,?,?)
			ON CONFLICT DO NOTHING`,
			r.Owner, r.ID[:], created.Running(), created.Version, timeValue(created.RetainUntil), jsonValue(&created))
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "replay %s exists", r.ID)
		}
		if err != nil {
			return err
		}
		return db.auditReplay(ctx, t, &created, nil)
	})
	if err == nil {
		r.Version = created.Version
	}
	return err
}

// UpdateReplay replaces the row whose version is r.Version and bumps the version of
// the row and of r. It fails with CodePreconditionFailed where the row has another
// version or is gone.
func (db *DB) UpdateReplay(ctx context.Context, r *hermod.Replay) error {
	updated := *r
	updated.Version++
	err := db.update(ctx, func(t *tx) error {
		var was *hermod.Replay
		if !updated.Running() { // progress is no change of configuration
			if _, err := t.one([]any{scanJSON(&was)}, `SELECT body FROM replays WHERE owner = ? AND id = ?`, r.Owner, r.ID[:]); err != nil {
				return err
			}
		}
		n, err := t.exec(`UPDATE replays SET (running, version, retain_until, body) = (?,?,?,?)
			WHERE owner = ? AND id = ? AND version = ?`,
			updated.Running(), updated.Version, timeValue(updated.RetainUntil), jsonValue(&updated),
			r.Owner, r.ID[:], r.Version)
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodePreconditionFailed, "replay %s has changed", r.ID)
		}
		if err != nil || was == nil {
			return err
		}
		return db.auditReplay(ctx, t, &updated, was)
	})
	if err == nil {
		r.Version = updated.Version
	}
	return err
}

func (db *DB) auditReplay(ctx context.Context, t *tx, r, was *hermod.Replay) error {
	if c := r.ChangeOf(was); c != nil {
		return db.audit(ctx, t, *c)
	}
	return nil
}

// Replay reads one. It fails with CodeNotFound.
func (db *DB) Replay(ctx context.Context, key hermod.ReplayKey) (*hermod.Replay, error) {
	found, err := db.replays(ctx, `SELECT body FROM replays WHERE owner = ? AND id = ?
		AND (retain_until IS NULL OR retain_until > ?)`, key.Owner, key.ID[:], timeValue(db.now()))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, hermod.Errorf(hermod.CodeNotFound, "no replay has this id")
	}
	return found[0], nil
}

// Replays is a page of an owner's replays, the newest first.
func (db *DB) Replays(ctx context.Context, q hermod.ReplayQuery) ([]*hermod.Replay, error) {
	below := afterAll
	if !q.Below.IsZero() {
		below = q.Below[:]
	}
	return db.replays(ctx, `SELECT body FROM replays WHERE owner = ? AND id < ?
		AND (retain_until IS NULL OR retain_until > ?) ORDER BY id DESC LIMIT ?`,
		q.Owner, below, timeValue(db.now()), q.Limit)
}

func (db *DB) replays(ctx context.Context, query string, args ...any) (replays []*hermod.Replay, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var replay *hermod.Replay
			err := row.Scan(scanJSON(&replay))
			replays = append(replays, replay)
			return err
		}, query, args...)
	})
	return replays, err
}

// RunningReplays finds the replays of all owners that have not ended.
func (db *DB) RunningReplays(ctx context.Context) (running []hermod.ReplayKey, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var key hermod.ReplayKey
			err := row.Scan(&key.Owner, scanID(&key.ID))
			running = append(running, key)
			return err
		}, `SELECT owner, id FROM replays WHERE running ORDER BY owner, id`)
	})
	return running, err
}

// purgeReplays goes through all replays: they are few, and in the order of their
// owners.
func (db *DB) purgeReplays(ctx context.Context) (int, error) {
	var last hermod.ReplayKey
	return db.purgeBy(ctx, true, func(r reader) (seen int, ds []deletion, err error) {
		err = r.each(func(row scanner) error {
			var expired bool
			err := row.Scan(&last.Owner, scanID(&last.ID), &expired)
			if seen++; expired {
				key := last
				ds = append(ds, deletion{query: `DELETE FROM replays WHERE owner = ? AND id = ?`, args: []any{key.Owner, key.ID[:]}})
			}
			return err
		}, `SELECT owner, id, coalesce(retain_until <= ?, 0) FROM replays WHERE (owner, id) > (?, ?) ORDER BY owner, id LIMIT ?`,
			timeValue(db.now()), last.Owner, last.ID[:], purgeChunk)
		return seen, ds, err
	})
}
