package sqlite

import (
	"context"
	"math"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

const attemptColumns = `subscription, event, run, number, owner, account, trigger, until, at, duration, state, reason,
	status_code, error_class, error_message, response, target, next_at, carrier, subscription_type, subscription_name,
	retain_until, replay, dead_at`

func scanAttempt(row scanner) (*hermod.Attempt, error) {
	a := &hermod.Attempt{}
	var dead time.Time
	err := row.Scan(&a.SubscriptionID, scanID(&a.EventID), &a.Run, &a.Number, scanText(&a.Owner), scanText(&a.Account),
		(*textColumn)(&a.Trigger), scanTime(&a.Until), scanTime(&a.At), (*int64)(&a.Duration), &a.State,
		(*textColumn)(&a.Reason), &a.StatusCode, scanText(&a.ErrorClass), scanText(&a.ErrorMessage),
		scanText(&a.Response), scanText(&a.Target), scanTime(&a.NextAt), scanText(&a.Carrier),
		scanText(&a.SubscriptionType), scanText(&a.SubscriptionName), scanTime(&a.RetainUntil), scanOptionalID(&a.Replay),
		scanTime(&dead))
	a.Cleared = a.State == hermod.Dead && dead.IsZero()
	return a, err
}

var errNoAttempt = hermod.Errorf(hermod.CodeNotFound, "no attempt has this id")

// PutAttempt puts a row if absent. It fails with CodeConflict where the row
// exists. A waiting row carried by CarrierDue enters the due index, and a dead one the
// dead index.
func (db *DB) PutAttempt(ctx context.Context, a *hermod.Attempt) error {
	var dueAt, deadAt any
	if a.State == hermod.Waiting && a.Carrier == hermod.CarrierDue {
		dueAt = timeValue(a.NextAt)
	}
	if a.State == hermod.Dead {
		deadAt = deadValue(a.At)
	}
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO attempts (`+attemptColumns+`, due_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
			a.SubscriptionID, a.EventID[:], a.Run, a.Number, textValue(a.Owner), textValue(a.Account),
			textValue(a.Trigger), timeValue(a.Until), timeValue(a.At), int64(a.Duration), string(a.State),
			textValue(a.Reason), a.StatusCode, textValue(a.ErrorClass), textValue(a.ErrorMessage),
			textValue(a.Response), textValue(a.Target), timeValue(a.NextAt), textValue(a.Carrier),
			textValue(a.SubscriptionType), textValue(a.SubscriptionName), timeValue(a.RetainUntil),
			idValue(a.Replay), deadAt, dueAt)
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "attempt %s exists", a.AttemptKey)
		}
		return err
	})
}

// Attempt reads one row. It fails with CodeNotFound.
func (db *DB) Attempt(ctx context.Context, key hermod.AttemptKey) (a *hermod.Attempt, err error) {
	err = db.view(ctx, func(r reader) (err error) {
		a, err = db.attempt(r, key, db.now())
		return err
	})
	if err == nil && a == nil {
		return nil, errNoAttempt
	}
	return a, err
}

// LastAttempt reads the row with the highest number of a run; nil where the run
// has none. It counts a row past its RetainUntil that still stands: put if absent
// does too, and a run that were told otherwise would try to put it for ever.
//
// Nearly always there is none, and the answer is found in the index alone.
func (db *DB) LastAttempt(ctx context.Context, run hermod.RunKey) (a *hermod.Attempt, err error) {
	err = db.view(ctx, func(r reader) error {
		key := hermod.AttemptKey{RunKey: run}
		found, err := r.one([]any{&key.Number}, `SELECT number FROM attempts WHERE subscription = ? AND event = ? AND run = ?
			ORDER BY number DESC LIMIT 1`, run.SubscriptionID, run.EventID[:], run.Run)
		if err == nil && found {
			a, err = db.attempt(r, key, time.Unix(0, 0))
		}
		return err
	})
	return a, err
}

// LastOf reads the row of a delivery with the highest run, and of those the one with
// the highest number; nil where the delivery has none. Like LastAttempt, it counts a
// row past its RetainUntil.
func (db *DB) LastOf(ctx context.Context, subscriptionID string, event hermod.ID) (a *hermod.Attempt, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) (err error) {
			a, err = scanAttempt(row)
			return err
		}, `SELECT `+attemptColumns+` FROM attempts WHERE subscription = ? AND event = ?
		    ORDER BY run DESC, number DESC LIMIT 1`, subscriptionID, event[:])
	})
	return a, err
}

// attempt reads a row that the log keeps beyond the moment; nil where there is
// none. Rows are never changed, so one that
// was found by another query a moment ago is the same.
func (db *DB) attempt(r reader, key hermod.AttemptKey, moment time.Time) (a *hermod.Attempt, err error) {
	err = r.each(func(row scanner) (err error) {
		a, err = scanAttempt(row)
		return err
	}, `SELECT `+attemptColumns+` FROM attempts WHERE subscription = ? AND event = ? AND run = ? AND number = ?
	    AND (retain_until IS NULL OR retain_until > ?)`,
		key.SubscriptionID, key.EventID[:], key.Run, key.Number, timeValue(moment))
	return a, err
}

// Due reads rows whose NextAt is not after until, the earliest first, at most
// limit.
func (db *DB) Due(ctx context.Context, until time.Time, limit int) (due []*hermod.Attempt, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			a, err := scanAttempt(row)
			due = append(due, a)
			return err
		}, `SELECT `+attemptColumns+` FROM attempts WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at LIMIT ?`,
			timeValue(until), limit)
	})
	return due, err
}

// ClearDue takes rows out of the due index in one transaction. The rows stay.
func (db *DB) ClearDue(ctx context.Context, keys []hermod.AttemptKey) error {
	return db.update(ctx, func(t *tx) error {
		for i := range keys {
			key := &keys[i]
			if _, err := t.exec(`UPDATE attempts SET due_at = NULL
				WHERE subscription = ? AND event = ? AND run = ? AND number = ? AND due_at IS NOT NULL`,
				key.SubscriptionID, key.EventID[:], key.Run, key.Number); err != nil {
				return err
			}
		}
		return nil
	})
}

// Attempts is a page of the delivery log: the rows of the owner's subscriptions,
// deleted ones included, merged in the order of their keys.
func (db *DB) Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error) {
	var page hermod.LogPage
	err := db.snapshot(ctx, func(r reader) error {
		subs := []string{q.SubscriptionID}
		if q.SubscriptionID == "" {
			var err error
			if subs, err = subscriptionIDs(r, q.Owner); err != nil {
				return err
			}
		}
		var err error
		if q.Examine > 0 {
			page, err = db.examine(r, q, subs)
		} else {
			page.Attempts, err = db.logOf(r, q, subs)
		}
		return err
	})
	return page, err
}

// examine reads a page and looks at so many rows at most. No index finds successes, which
// most rows are: it looks at what failed too.
func (db *DB) examine(r reader, q hermod.LogQuery, subs []string) (page hermod.LogPage, err error) {
	all := q
	if q.Success != nil && *q.Success {
		all.Success = nil
	}
	for examined := 0; examined < q.Examine; {
		all.Limit = min(q.Limit, q.Examine-examined)
		rows, err := db.logOf(r, all, subs)
		if err != nil {
			return page, err
		}
		for _, a := range rows {
			if q.Success == nil || *q.Success == a.Success() {
				page.Attempts = append(page.Attempts, a)
			}
			if len(page.Attempts) == q.Limit {
				return hermod.LogPage{Attempts: page.Attempts}, nil
			}
		}
		if len(rows) < all.Limit {
			return hermod.LogPage{Attempts: page.Attempts}, nil
		}
		examined += len(rows)
		page.Next = &rows[len(rows)-1].AttemptKey
		if q.Ascending {
			all.Above = page.Next
		} else {
			all.Below = page.Next
		}
	}
	return page, nil
}

// logOf is a page of the log of the subscriptions.
func (db *DB) logOf(r reader, q hermod.LogQuery, subs []string) (page []*hermod.Attempt, err error) {
	for _, sub := range subs {
		rows, err := db.subscriptionLog(r, q, sub)
		if err != nil {
			return nil, err
		}
		page = mergeAttempts(q, page, rows)
	}
	return page, nil
}

// mergeAttempts orders rows as the query asks and cuts the page.
func mergeAttempts(q hermod.LogQuery, page, rows []*hermod.Attempt) []*hermod.Attempt {
	if len(rows) == 0 {
		return page
	}
	page = append(page, rows...)
	slices.SortFunc(page, func(a, b *hermod.Attempt) int {
		if q.Ascending {
			return a.Compare(b.AttemptKey)
		}
		return b.Compare(a.AttemptKey)
	})
	return page[:min(len(page), q.Limit)]
}

func subscriptionIDs(r reader, owner string) (ids []string, err error) {
	err = r.each(func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM subscriptions WHERE owner = ? ORDER BY id`, owner)
	return ids, err
}

// subscriptionLog is what one subscription can contribute to a page.
func (db *DB) subscriptionLog(r reader, q hermod.LogQuery, sub string) (rows []*hermod.Attempt, err error) {
	above, aboveRun, aboveNumber := bound(q.Above, sub, []byte{})
	below, belowRun, belowNumber := bound(q.Below, sub, afterAll)
	where, order := "", " ORDER BY event DESC, run DESC, number DESC LIMIT ?"
	if q.Ascending {
		order = " ORDER BY event, run, number LIMIT ?"
	}
	if q.Success != nil && *q.Success {
		where = " AND state = 'succeeded'"
	} else if q.Success != nil {
		where = " AND state <> 'succeeded'"
	}
	err = r.each(func(row scanner) error {
		a, err := scanAttempt(row)
		rows = append(rows, a)
		return err
	}, `SELECT `+attemptColumns+` FROM attempts WHERE subscription = ?
	    AND (event, run, number) > (?, ?, ?) AND (event, run, number) < (?, ?, ?)
	    AND owner = ? AND (retain_until IS NULL OR retain_until > ?)`+where+order,
		sub, above, aboveRun, aboveNumber, below, belowRun, belowNumber, q.Owner, timeValue(db.now()), q.Limit)
	return rows, err
}

// bound turns a bound in the order of the log, where the subscription comes
// before run and number, into one among the rows of one subscription.
func bound(key *hermod.AttemptKey, sub string, none []byte) (event []byte, run, number int) {
	switch {
	case key == nil:
		return none, 0, 0
	case sub < key.SubscriptionID: // its rows of that event are below the bound
		return key.EventID[:], math.MaxInt, 0
	case sub > key.SubscriptionID: // ... are above it
		return key.EventID[:], -1, 0
	default:
		return key.EventID[:], key.Run, key.Number
	}
}
