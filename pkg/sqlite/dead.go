package sqlite

import (
	"context"
	"math"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// deadValue is when a row died, as the dead index has it; never NULL.
func deadValue(at time.Time) any {
	if at.IsZero() {
		return 0
	}
	return timeValue(at)
}

// Dead is a page of the dead index: the rows of the owner's subscriptions, deleted ones
// included, merged in the order of hermod.DeadKey.
func (db *DB) Dead(ctx context.Context, q hermod.DeadQuery) (page []hermod.DeadKey, err error) {
	err = db.snapshot(ctx, func(r reader) error {
		subs := []string{q.SubscriptionID}
		if q.SubscriptionID == "" {
			var err error
			if subs, err = subscriptionIDs(r, q.Owner); err != nil {
				return err
			}
		}
		for _, sub := range subs {
			keys, err := db.subscriptionDead(r, q, sub)
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				page = mergeDead(q, page, keys)
			}
		}
		return nil
	})
	return page, err
}

func mergeDead(q hermod.DeadQuery, page, keys []hermod.DeadKey) []hermod.DeadKey {
	page = append(page, keys...)
	slices.SortFunc(page, func(a, b hermod.DeadKey) int {
		if q.Ascending {
			return a.Compare(b)
		}
		return b.Compare(a)
	})
	return page[:min(len(page), q.Limit)]
}

// subscriptionDead is what one subscription can contribute to a page.
func (db *DB) subscriptionDead(r reader, q hermod.DeadQuery, sub string) (keys []hermod.DeadKey, err error) {
	order := " ORDER BY dead_at DESC, event DESC, run DESC, number DESC LIMIT ?"
	if q.Ascending {
		order = " ORDER BY dead_at, event, run, number LIMIT ?"
	}
	args := append([]any{sub}, deadBound(q.Above, sub, int64(math.MinInt64))...)
	args = append(args, deadBound(q.Below, sub, afterAll)...)
	args = append(args, q.Owner, timeValue(db.now()), q.Limit)
	err = r.each(func(row scanner) error {
		k := hermod.DeadKey{AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub}}}
		err := row.Scan(scanTime(&k.At), scanID(&k.EventID), &k.Run, &k.Number)
		keys = append(keys, k)
		return err
	}, `SELECT dead_at, event, run, number FROM attempts WHERE subscription = ? AND dead_at IS NOT NULL
	    AND (dead_at, event, run, number) > (?, ?, ?, ?) AND (dead_at, event, run, number) < (?, ?, ?, ?)
	    AND owner = ? AND (retain_until IS NULL OR retain_until > ?)`+order, args...)
	return keys, err
}

// deadBound turns a bound of the index into one among the rows of one subscription.
func deadBound(key *hermod.DeadKey, sub string, none any) []any {
	if key == nil {
		return []any{none, []byte{}, 0, 0}
	}
	event, run, number := bound(&key.AttemptKey, sub, nil)
	at := timeValue(key.At)
	if key.At.Unix() <= -nanoRange { // as text it would sort behind all rows
		at = int64(math.MinInt64)
	}
	return []any{at, event, run, number}
}

// ClearDead takes rows out of the dead index in one transaction. The rows stay.
func (db *DB) ClearDead(ctx context.Context, keys []hermod.AttemptKey) error {
	if len(keys) == 0 {
		return nil
	}
	return db.update(ctx, func(t *tx) error {
		for i := range keys {
			key := &keys[i]
			if _, err := t.exec(`UPDATE attempts SET dead_at = NULL
				WHERE subscription = ? AND event = ? AND run = ? AND number = ? AND dead_at IS NOT NULL`,
				key.SubscriptionID, key.EventID[:], key.Run, key.Number); err != nil {
				return err
			}
		}
		return nil
	})
}
