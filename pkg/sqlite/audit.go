package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// audit puts the row of a change into the transaction that makes it.
func (db *DB) audit(ctx context.Context, t *tx, c hermod.Change) error {
	c.ID, c.Actor = db.ids.Next(), hermod.ActorOf(ctx)
	_, err := t.exec(`INSERT INTO audit (owner, id, action, target, body) VALUES (?,?,?,?,?)`,
		c.Owner, c.ID[:], string(c.Action), c.Target, jsonValue(&c))
	return err
}

// Record puts the row of a change that is no transaction of the store.
func (db *DB) Record(ctx context.Context, c hermod.Change) error {
	return db.update(ctx, func(t *tx) error { return db.audit(ctx, t, c) })
}

// Changes is a page of an owner's audit log, the newest first.
func (db *DB) Changes(ctx context.Context, q hermod.ChangeQuery) (page hermod.ChangePage, err error) {
	below, above := afterAll, hermod.LastIDAt(db.now().Add(-hermod.ChangeRetention))
	if !q.Below.IsZero() {
		below = q.Below[:]
	}
	if q.Above.Compare(above) > 0 {
		above = q.Above
	}
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var c *hermod.Change
			err := row.Scan(scanJSON(&c))
			page.Changes = append(page.Changes, c)
			return err
		}, `SELECT body FROM audit WHERE owner = ? AND id > ? AND id < ? AND (? = '' OR target = ?) AND (? = '' OR action = ?)
			ORDER BY id DESC LIMIT ?`,
			q.Owner, above[:], below, q.Target, q.Target, string(q.Action), string(q.Action), q.Limit+1)
	})
	if len(page.Changes) > q.Limit {
		page.Changes = page.Changes[:q.Limit]
		page.Next = page.Changes[q.Limit-1].ID
	}
	return page, err
}

// purgeAudit goes through all owners' rows, in the order of their keys: they are few.
func (db *DB) purgeAudit(ctx context.Context) (int, error) {
	var owner string
	var id hermod.ID
	return db.purgeBy(ctx, true, func(r reader) (seen int, ds []deletion, err error) {
		past := hermod.LastIDAt(db.now().Add(-hermod.ChangeRetention))
		err = r.each(func(row scanner) error {
			err := row.Scan(&owner, scanID(&id))
			if seen++; id.Compare(past) <= 0 {
				old := id
				ds = append(ds, deletion{query: `DELETE FROM audit WHERE owner = ? AND id = ?`, args: []any{owner, old[:]}})
			}
			return err
		}, `SELECT owner, id FROM audit WHERE (owner, id) > (?, ?) ORDER BY owner, id LIMIT ?`, owner, id[:], purgeChunk)
		return seen, ds, err
	})
}
