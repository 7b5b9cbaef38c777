package sqlite

import (
	"context"
	"time"

	"hermod/pkg/hermod"
)

// usageSpans are the lengths of time, in milliseconds, that units are summed over as
// events are put: a report reads sums of whole hours, at its two ends those of ten
// seconds, and events for what is left. Each divides the one before it.
func usageSpans() [2]int64 {
	return [2]int64{time.Hour.Milliseconds(), (10 * time.Second).Milliseconds()}
}

// spanOf is the start of the span that a moment lies in, in milliseconds since 1970.
func spanOf(id hermod.ID, span int64) int64 {
	ms := id.Time().UnixMilli()
	return ms - ms%span
}

// A usageKey finds a row of usage.
type usageKey struct {
	account     string
	span, start int64
	kind        string
	level       int
}

// usageSums is what events add to rows of usage.
type usageSums map[usageKey]*usageSum

type usageSum struct {
	n int
	// until is when the first of the events is forgotten; zero for never.
	until time.Time
}

func (s usageSums) add(e *hermod.Event) {
	for _, u := range e.Units {
		for _, span := range usageSpans() {
			k := usageKey{e.AccountID, span, spanOf(e.ID, span), u.Kind, u.Level}
			sum := s[k]
			if sum == nil {
				sum = &usageSum{until: e.RetainUntil}
				s[k] = sum
			}
			sum.n += u.N
			if sum.until.IsZero() || (!e.RetainUntil.IsZero() && e.RetainUntil.Before(sum.until)) {
				sum.until = e.RetainUntil
			}
		}
	}
}

// write adds the sums to the rows, in the transaction that put their events.
func (s usageSums) write(t *tx) error {
	for k, sum := range s {
		// min of two arguments is NULL if either is, and NULL here is never.
		if _, err := t.exec(`INSERT INTO usage (account, span, start, kind, level, n, retain_until) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT DO UPDATE SET n = n + excluded.n,
			retain_until = min(coalesce(retain_until, excluded.retain_until), coalesce(excluded.retain_until, retain_until))`,
			k.account, k.span, k.start, k.kind, k.level, sum.n, timeValue(sum.until)); err != nil {
			return err
		}
	}
	return nil
}

// unuse takes the units of an event that is deleted from their sums, which go with
// the last of their events. Until then their retain_until stays, and is past: it tells
// that what is left of them is to be read from finer ones.
func unuse(account string, id hermod.ID, units []hermod.Unit) (ds []deletion) {
	for _, span := range usageSpans() {
		start := spanOf(id, span)
		for _, u := range units {
			ds = append(ds, deletion{
				query: `UPDATE usage SET n = n - ? WHERE account = ? AND span = ? AND start = ? AND kind = ? AND level = ?`,
				args:  []any{u.N, account, span, start, u.Kind, u.Level},
			})
		}
		if len(units) > 0 {
			ds = append(ds, deletion{
				query: `DELETE FROM usage WHERE account = ? AND span = ? AND start = ? AND n <= 0`,
				args:  []any{account, span, start},
			})
		}
	}
	return ds
}

// Usage sums up what the events of an account used up, by kind and level.
func (db *DB) Usage(ctx context.Context, q hermod.UsageQuery) ([]hermod.Unit, error) {
	u := usageReader{account: q.Account, now: timeValue(db.now()), sum: hermod.Usage{}}
	err := db.snapshot(ctx, func(r reader) error { return u.add(r, 0, q.Above, q.Below) })
	return u.sum.Units(), err
}

// A usageReader sums up units.
type usageReader struct {
	account string
	now     any
	sum     hermod.Usage
}

// endOfIDs is a time that no id reaches, in milliseconds since 1970: ids hold 48
// bits of them.
const endOfIDs = 1 << 48

// add adds the units of the events between two ids, both exclusive, from the spans
// of a depth on: 0 is the longest, past the shortest come the events.
func (u *usageReader) add(r reader, depth int, above, below hermod.ID) error {
	spans := usageSpans()
	if depth == len(spans) {
		return u.addEvents(r, above, below)
	}
	span, from, to := spans[depth], int64(0), int64(endOfIDs)
	if !above.IsZero() {
		from = spanOf(above, span) + span
	}
	if !below.IsZero() {
		to = spanOf(below, span)
	}
	if from >= to {
		return u.add(r, depth+1, above, below)
	}
	if !above.IsZero() {
		if err := u.add(r, depth+1, above, firstAt(from)); err != nil {
			return err
		}
	}
	if err := u.addSpans(r, depth, from, to); err != nil {
		return err
	}
	if !below.IsZero() {
		return u.add(r, depth+1, lastBefore(to), below)
	}
	return nil
}

// firstAt and lastBefore are the ids on either side of a moment, in milliseconds
// since 1970: none is made between them.
func firstAt(ms int64) hermod.ID    { return hermod.FirstIDAt(time.UnixMilli(ms)) }
func lastBefore(ms int64) hermod.ID { return hermod.LastIDAt(time.UnixMilli(ms).Add(-1)) }

// addSpans adds the sums of the spans that start from one moment on and before
// another. A sum with an event past its retention is not right any more, whether
// Purge has come by or not: of its span the finer sums are read.
func (u *usageReader) addSpans(r reader, depth int, from, to int64) error {
	span := usageSpans()[depth]
	const past = `SELECT start FROM usage WHERE account = ? AND span = ? AND start >= ? AND start < ? AND retain_until <= ?`
	args := []any{u.account, span, from, to, u.now}
	var stale []int64
	err := r.each(func(row scanner) error {
		var start int64
		err := row.Scan(&start)
		stale = append(stale, start)
		return err
	}, past+` GROUP BY start`, args...)
	if err != nil {
		return err
	}
	err = r.each(func(row scanner) error {
		var unit hermod.Unit
		err := row.Scan(&unit.Kind, &unit.Level, &unit.N)
		u.sum.Add(unit)
		return err
	}, `SELECT kind, level, sum(n) FROM usage WHERE account = ? AND span = ? AND start >= ? AND start < ?
	    AND start NOT IN (`+past+`) GROUP BY kind, level`, append(args[:4:4], args...)...)
	if err != nil {
		return err
	}
	for _, start := range stale {
		if err := u.add(r, depth+1, lastBefore(start), firstAt(start+span)); err != nil {
			return err
		}
	}
	return nil
}

// addEvents adds the units of events one by one, from an index that holds them.
func (u *usageReader) addEvents(r reader, above, below hermod.ID) error {
	end := afterAll
	if !below.IsZero() {
		end = below[:]
	}
	return r.each(func(row scanner) error {
		var text string
		var events int
		if err := row.Scan(&text, &events); err != nil {
			return err
		}
		units, err := hermod.ParseUnits(text)
		for _, unit := range units {
			unit.N *= events
			u.sum.Add(unit)
		}
		return err
	}, `SELECT units, count(*) FROM events INDEXED BY events_with_units
	    WHERE account = ? AND units IS NOT NULL AND id > ? AND id < ?
	    AND (retain_until IS NULL OR retain_until > ?) GROUP BY units`, u.account, above[:], end, u.now)
}
