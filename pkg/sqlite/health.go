package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// unwell keeps the rows of health in memory, all of them: only endpoints that do not do
// well have one, and every attempt asks.
type unwell struct {
	mu   sync.RWMutex
	rows map[hermod.Ref]hermod.Health
}

// of is the health of a subscription, nil for none.
func (u *unwell) of(ref hermod.Ref) *hermod.Health {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if h, ok := u.rows[ref]; ok {
		return &h
	}
	return nil
}

func (u *unwell) set(h hermod.Health) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rows[h.Ref()] = h
}

func (u *unwell) drop(ref hermod.Ref) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.rows, ref)
}

func (u *unwell) attended() (refs []hermod.Ref) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for ref, h := range u.rows {
		if h.Attended() {
			refs = append(refs, ref)
		}
	}
	return refs
}

// forgotten are those whose failures do not count any more.
func (u *unwell) forgotten(now time.Time) (refs []hermod.Ref) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for ref, h := range u.rows {
		if h.Forgotten(now) && !h.Attended() {
			refs = append(refs, ref)
		}
	}
	return refs
}

// attendedOf are those of an owner that are attended.
func (u *unwell) attendedOf(owner string) (all []*hermod.Health) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for _, h := range u.rows {
		if h.Owner == owner && h.Attended() {
			all = append(all, &h)
		}
	}
	return all
}

// loadHealth reads the rows into memory.
func (db *DB) loadHealth(t *tx) error {
	rows := map[hermod.Ref]hermod.Health{}
	err := t.each(func(row scanner) error {
		var h hermod.Health
		err := row.Scan(scanJSON(&h))
		rows[h.Ref()] = h
		return err
	}, `SELECT body FROM health`)
	db.unwell.rows = rows
	return err
}

// healthIn reads a row within a transaction, which may have changed it already.
func healthIn(t *tx, ref hermod.Ref) (h hermod.Health, found bool, err error) {
	found, err = t.one([]any{scanJSON(&h)}, `SELECT body FROM health WHERE owner = ? AND subscription = ?`, ref.Owner, ref.ID)
	return h, found, err
}

func (db *DB) putHealth(t *tx, h hermod.Health) error {
	t.onCommit(func() { db.unwell.set(h) })
	_, err := t.exec(`INSERT INTO health (owner, subscription, body) VALUES (?,?,?)
		ON CONFLICT DO UPDATE SET body = excluded.body`, h.Owner, h.SubscriptionID, jsonValue(&h))
	return err
}

// Fail counts a failure of a subscription's endpoint and answers the row after it.
func (db *DB) Fail(ctx context.Context, ref hermod.Ref, at time.Time, class string) (*hermod.Health, error) {
	var h hermod.Health
	err := db.update(ctx, func(t *tx) error {
		var found bool
		var err error
		if h, found, err = healthIn(t, ref); err != nil {
			return err
		}
		if !found {
			h = hermod.Health{Owner: ref.Owner, SubscriptionID: ref.ID, Version: 1}
		}
		h.Fail(at, class)
		return db.putHealth(t, h)
	})
	if err != nil {
		return nil, err
	}
	return &h, nil
}

var errHealthChanged = hermod.Errorf(hermod.CodePreconditionFailed, "the health has changed meanwhile")

// PutHealth puts or replaces the row whose version is h.Version, 0 for no row, and bumps
// it. It fails with CodePreconditionFailed.
func (db *DB) PutHealth(ctx context.Context, h *hermod.Health) error {
	return db.replaceHealth(ctx, h, func(*tx) error { return nil })
}

// PauseHealth is PutHealth where the owner has paused the deliveries or had them go on.
func (db *DB) PauseHealth(ctx context.Context, h *hermod.Health) error {
	return db.replaceHealth(ctx, h, func(t *tx) error { return db.audit(ctx, t, h.PauseChange()) })
}

func (db *DB) replaceHealth(ctx context.Context, h *hermod.Health, also func(*tx) error) error {
	err := db.update(ctx, func(t *tx) error {
		standing, _, err := healthIn(t, h.Ref())
		if err != nil {
			return err
		}
		if standing.Version != h.Version {
			return errHealthChanged
		}
		next := *h
		next.Version++
		if err := db.putHealth(t, next); err != nil {
			return err
		}
		return also(t)
	})
	if err == nil {
		h.Version++
	}
	return err
}

// DeleteHealth deletes the row whose version is h.Version. It fails with
// CodePreconditionFailed.
func (db *DB) DeleteHealth(ctx context.Context, h *hermod.Health) error {
	return db.update(ctx, func(t *tx) error {
		standing, found, err := healthIn(t, h.Ref())
		if err != nil {
			return err
		}
		if !found || standing.Version != h.Version {
			return errHealthChanged
		}
		return db.dropHealth(t, h.Ref())
	})
}

func (db *DB) dropHealth(t *tx, ref hermod.Ref) error {
	t.onCommit(func() { db.unwell.drop(ref) })
	_, err := t.exec(`DELETE FROM health WHERE owner = ? AND subscription = ?`, ref.Owner, ref.ID)
	return err
}

// Health reads how the endpoint of a subscription does, nil for well.
func (db *DB) Health(ctx context.Context, ref hermod.Ref) (*hermod.Health, error) {
	return db.unwell.of(ref), ctx.Err()
}

// Unwell are the attended ones of an owner, in no order.
func (db *DB) Unwell(ctx context.Context, owner string) ([]*hermod.Health, error) {
	return db.unwell.attendedOf(owner), ctx.Err()
}

// Attended are the subscriptions of all owners whose health is attended, in no order.
func (db *DB) Attended(ctx context.Context) ([]hermod.Ref, error) {
	return db.unwell.attended(), ctx.Err()
}

// purgeHealth deletes what does not count any more.
func (db *DB) purgeHealth(ctx context.Context) (deleted int, err error) {
	db.paces.forget(db.now())
	for refs := range slices.Chunk(db.unwell.forgotten(db.now()), purgeChunk) {
		err := db.update(ctx, func(t *tx) error {
			for _, ref := range refs {
				h, found, err := healthIn(t, ref)
				if err != nil {
					return err
				}
				if !found || h.Attended() || !h.Forgotten(db.now()) {
					continue
				}
				if err := db.dropHealth(t, ref); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return deleted, err
		}
		deleted += len(refs)
	}
	return deleted, nil
}

const parkedColumns = `message, token, wake_at`

func scanParked(row scanner) (*hermod.Parked, error) {
	p := &hermod.Parked{}
	err := row.Scan(scanJSON(&p.Message), &p.Token, scanTime(&p.WakeAt))
	return p, err
}

// Park puts p, in the place of one that is parked after the same row.
func (db *DB) Park(ctx context.Context, p *hermod.Parked) error {
	return db.update(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO parked (subscription, event, run, after, `+parkedColumns+`) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT DO UPDATE SET (`+parkedColumns+`) = (excluded.message, excluded.token, excluded.wake_at)`,
			p.SubscriptionID, p.EventID[:], p.Run, p.After, jsonValue(&p.Message), p.Token, timeValue(p.WakeAt))
		return err
	})
}

// ParkedOf reads what is parked of a subscription, at most limit, the oldest event first.
func (db *DB) ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error) {
	return db.parked(ctx, `WHERE subscription = ? ORDER BY event, run, after LIMIT ?`, subscriptionID, limit)
}

// ParkedDue reads what is parked and whose WakeAt is not after until, the earliest
// first, at most limit.
func (db *DB) ParkedDue(ctx context.Context, until time.Time, limit int) ([]*hermod.Parked, error) {
	return db.parked(ctx, `WHERE wake_at <= ? ORDER BY wake_at LIMIT ?`, timeValue(until), limit)
}

func (db *DB) parked(ctx context.Context, query string, args ...any) (parked []*hermod.Parked, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			p, err := scanParked(row)
			parked = append(parked, p)
			return err
		}, `SELECT `+parkedColumns+` FROM parked `+query, args...)
	})
	return parked, err
}

// Unpark removes, in one transaction, what still has the token it has here.
func (db *DB) Unpark(ctx context.Context, parked []*hermod.Parked) error {
	return db.update(ctx, func(t *tx) error {
		for _, p := range parked {
			if _, err := t.exec(`DELETE FROM parked WHERE subscription = ? AND event = ? AND run = ? AND after = ? AND token = ?`,
				p.SubscriptionID, p.EventID[:], p.Run, p.After, p.Token); err != nil {
				return err
			}
		}
		return nil
	})
}
