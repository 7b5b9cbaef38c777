package sqlite

import (
	"cmp"
	"context"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// Owners reads the rows of the owners. Those that do not exist are missing.
//
// That there is no row of hermod.EveryOwner is remembered too: as long as nobody
// has a global subscription, every event asks for it.
func (db *DB) Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error) {
	found := make(map[string]hermod.Owner, len(ids))
	for _, id := range ids {
		o, generation, kept := db.owners.get(id)
		if !kept {
			var there bool
			var err error
			if o, there, err = db.readOwner(ctx, id); err != nil {
				return nil, err
			}
			if there || id == hermod.EveryOwner {
				db.owners.put(id, o, generation)
			}
		}
		if o.ID != "" {
			found[id] = o
		}
	}
	return found, nil
}

func (db *DB) readOwner(ctx context.Context, id string) (o hermod.Owner, found bool, err error) {
	err = db.view(ctx, func(r reader) (err error) {
		found, err = r.one([]any{&o.ID, scanText(&o.Organization), (*int64)(&o.Retention), &o.Version, scanTime(&o.CreatedAt)},
			`SELECT id, organization, retention, version, created_at FROM owners WHERE id = ?`, id)
		return err
	})
	return o, found, err
}

// CreateOwner puts an owner if absent. It fails with CodeConflict where the owner
// exists.
func (db *DB) CreateOwner(ctx context.Context, o hermod.Owner) error {
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO owners (id, organization, retention, version, created_at) VALUES (?,?,?,?,?)
			ON CONFLICT DO NOTHING`,
			o.ID, textValue(o.Organization), int64(o.Retention), o.Version, timeValue(o.CreatedAt))
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "owner %s exists", o.ID)
		}
		if err != nil {
			return err
		}
		return db.audit(ctx, t, hermod.Change{Owner: o.ID, Action: hermod.OwnerCreated, Target: o.ID})
	})
}

const subscriptionColumns = `owner, id, dialect, name, active, disabled_reason, filters, tags, type, signing, schedule,
	expires_at, created_at, updated_at, deleted_at, version, sealed, include_internal, global,
	tenant, description, backoff, translate, format, rate_limit`

func scanSubscription(row scanner) (*hermod.Subscription, error) {
	s := &hermod.Subscription{}
	err := row.Scan(&s.Owner, &s.ID, (*textColumn)(&s.Dialect), scanText(&s.Name), &s.Active, scanText(&s.DisabledReason),
		scanJSON(&s.Filters), scanJSON(&s.Tags), scanText(&s.Type), (*textColumn)(&s.Signing), scanJSON(&s.Schedule),
		scanTime(&s.ExpiresAt), scanTime(&s.CreatedAt), scanTime(&s.UpdatedAt), scanTime(&s.DeletedAt), &s.Version, &s.Sealed,
		&s.IncludeInternal, &s.Global, scanText(&s.Tenant), scanText(&s.Description), scanText(&s.Backoff), &s.Translate,
		(*textColumn)(&s.Format), &s.RateLimit)
	return s, err
}

// subscriptionValues are the columns but for the key, in their order.
func subscriptionValues(s *hermod.Subscription, version int64) []any {
	return []any{
		textValue(s.Dialect), textValue(s.Name), s.Active, textValue(s.DisabledReason),
		listValue(s.Filters), listValue(s.Tags), textValue(s.Type), textValue(s.Signing), listValue(s.Schedule),
		timeValue(s.ExpiresAt), timeValue(s.CreatedAt), timeValue(s.UpdatedAt), timeValue(s.DeletedAt), version, s.Sealed,
		s.IncludeInternal, s.Global, textValue(s.Tenant), textValue(s.Description), textValue(s.Backoff), s.Translate,
		textValue(s.Format), s.RateLimit,
	}
}

// cloneSubscription copies what a caller may change; stores keep no secrets in the
// clear, in memory neither.
func cloneSubscription(s *hermod.Subscription) *hermod.Subscription {
	c := *s
	c.Filters, c.Tags, c.Schedule, c.Sealed = slices.Clone(s.Filters), slices.Clone(s.Tags), slices.Clone(s.Schedule), slices.Clone(s.Sealed)
	c.Secrets, c.Health = hermod.Secrets{}, nil
	return &c
}

// Subscriptions reads all subscriptions of an owner, tombstones included, in the
// order of their ids; of hermod.EveryOwner all global ones that are not deleted.
// Their secrets stay sealed.
func (db *DB) Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error) {
	kept, err := db.subscriptions(ctx, owner)
	if err != nil {
		return nil, err
	}
	subs := make([]*hermod.Subscription, len(kept))
	for i, s := range kept {
		subs[i] = cloneSubscription(s)
	}
	return subs, nil
}

// subscriptions are the owner's as they are kept: not to be changed.
func (db *DB) subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error) {
	subs, generation, ok := db.subs.get(owner)
	if ok {
		return subs, nil
	}
	query, args := `WHERE owner = ? AND (retain_until IS NULL OR retain_until > ?) ORDER BY id`, []any{owner, timeValue(db.now())}
	if owner == hermod.EveryOwner {
		query, args = `WHERE global AND deleted_at IS NULL ORDER BY owner, id`, nil
	}
	err := db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			s, err := scanSubscription(row)
			subs = append(subs, s)
			return err
		}, `SELECT `+subscriptionColumns+` FROM subscriptions `+query, args...)
	})
	if err != nil {
		return nil, err
	}
	db.subs.put(owner, subs, generation)
	return subs, nil
}

// SubscriptionsByRef reads subscriptions with their health, tombstones included. Those
// that do not exist are missing.
func (db *DB) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	found := make(map[hermod.Ref]*hermod.Subscription, len(refs))
	for _, ref := range refs {
		if ref.Owner == hermod.EveryOwner {
			continue // it owns none
		}
		subs, err := db.subscriptions(ctx, ref.Owner)
		if err != nil {
			return nil, err
		}
		i, ok := slices.BinarySearchFunc(subs, ref.ID, func(s *hermod.Subscription, id string) int {
			return cmp.Compare(s.ID, id)
		})
		if ok {
			found[ref] = cloneSubscription(subs[i])
			found[ref].Health = db.unwell.of(ref)
		}
	}
	return found, nil
}

// Subscription reads one row, tombstones included. It fails with CodeNotFound.
func (db *DB) Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error) {
	found, err := db.SubscriptionsByRef(ctx, []hermod.Ref{ref})
	if err != nil {
		return nil, err
	}
	if s := found[ref]; s != nil {
		return s, nil
	}
	return nil, hermod.Errorf(hermod.CodeNotFound, "no subscription has this id")
}

// CreateSubscription puts s as version 1 and bumps its owner's version. It fails
// with CodeConflict where the id is taken and with CodeNotFound where the owner
// does not exist.
func (db *DB) CreateSubscription(ctx context.Context, s *hermod.Subscription) error {
	err := db.update(ctx, func(t *tx) error {
		found, err := t.one([]any{new(int)}, `SELECT 1 FROM owners WHERE id = ?`, s.Owner)
		if err != nil {
			return err
		}
		if !found {
			return hermod.Errorf(hermod.CodeNotFound, "no owner %s", s.Owner)
		}
		var standing int
		if _, err := t.one([]any{&standing}, `SELECT count(*) FROM subscriptions WHERE owner = ? AND deleted_at IS NULL`, s.Owner); err != nil {
			return err
		}
		if standing >= db.maxSubscriptions {
			return hermod.SubscriptionLimit(db.maxSubscriptions)
		}
		n, err := t.exec(`INSERT INTO subscriptions (`+subscriptionColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT DO NOTHING`, append([]any{s.Owner, s.ID}, subscriptionValues(s, 1)...)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "subscription %s exists", s.ID)
		}
		if err := db.bumpOwners(t, s); err != nil {
			return err
		}
		return db.audit(ctx, t, s.ChangeOf(nil))
	})
	if err == nil {
		s.Version = 1
	}
	return err
}

// UpdateSubscription replaces the row whose version is s.Version, and bumps the
// version of the row, of s and of the row's owner. It fails with
// CodePreconditionFailed where the row has another version or is gone, or where
// one is global and the other is not: that is for good.
func (db *DB) UpdateSubscription(ctx context.Context, s *hermod.Subscription) error {
	err := db.update(ctx, func(t *tx) error {
		was, err := subscriptionIn(t, s.Ref())
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE subscriptions SET (dialect, name, active, disabled_reason, filters, tags, type, signing,
			schedule, expires_at, created_at, updated_at, deleted_at, version, sealed, include_internal, global,
			tenant, description, backoff, translate, format, rate_limit)
			= (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) WHERE owner = ? AND id = ? AND version = ? AND global = ?`,
			append(subscriptionValues(s, s.Version+1), s.Owner, s.ID, s.Version, s.Global)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return hermod.Errorf(hermod.CodePreconditionFailed, "subscription %s has changed", s.ID)
		}
		if err := retainTombstone(t, s); err != nil {
			return err
		}
		if err := db.bumpOwners(t, s); err != nil {
			return err
		}
		return db.audit(ctx, t, s.ChangeOf(was))
	})
	if err == nil {
		s.Version++
	}
	return err
}

// retainTombstone sets until when the row of a deleted subscription is kept.
func retainTombstone(t *tx, s *hermod.Subscription) error {
	if !s.Deleted() {
		return nil
	}
	var retention int64
	if _, err := t.one([]any{&retention}, `SELECT retention FROM owners WHERE id = ?`, s.Owner); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE subscriptions SET retain_until = ? WHERE owner = ? AND id = ?`,
		timeValue(s.RetainUntil(time.Duration(retention))), s.Owner, s.ID)
	return err
}

// purgeTombstones deletes what is left of subscriptions once nothing asks for it.
func (db *DB) purgeTombstones(ctx context.Context) (deleted int, err error) {
	for {
		var past []hermod.Ref
		now := timeValue(db.now())
		err := db.view(ctx, func(r reader) error {
			return r.each(func(row scanner) error {
				var ref hermod.Ref
				err := row.Scan(&ref.Owner, &ref.ID)
				past = append(past, ref)
				return err
			}, `SELECT owner, id FROM subscriptions WHERE retain_until <= ? LIMIT ?`, now, purgeChunk)
		})
		if err != nil || len(past) == 0 {
			return deleted, err
		}
		err = db.update(ctx, func(t *tx) error {
			for _, ref := range past {
				db.forgetOwner(t, ref.Owner)
				if _, err := t.exec(`DELETE FROM subscriptions WHERE owner = ? AND id = ? AND retain_until <= ?`, ref.Owner, ref.ID, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return deleted, err
		}
		deleted += len(past)
	}
}

// subscriptionIn reads a row within a transaction, nil for none.
func subscriptionIn(t *tx, ref hermod.Ref) (s *hermod.Subscription, err error) {
	err = t.each(func(row scanner) (err error) {
		s, err = scanSubscription(row)
		return err
	}, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE owner = ? AND id = ?`, ref.Owner, ref.ID)
	return s, err
}

// bumpOwners bumps the versions of those whose subscriptions s is among.
func (db *DB) bumpOwners(t *tx, s *hermod.Subscription) error {
	if err := db.bumpOwner(t, s.Owner); err != nil || !s.Global {
		return err
	}
	db.forgetOwner(t, hermod.EveryOwner)
	_, err := t.exec(`INSERT INTO owners (id, retention, version) VALUES (?, 0, 1)
		ON CONFLICT (id) DO UPDATE SET version = version + 1`, hermod.EveryOwner)
	return err
}

func (db *DB) bumpOwner(t *tx, owner string) error {
	db.forgetOwner(t, owner)
	_, err := t.exec(`UPDATE owners SET version = version + 1 WHERE id = ?`, owner)
	return err
}

// forgetOwner drops what is cached of an owner that the transaction changes.
func (db *DB) forgetOwner(t *tx, owner string) {
	t.onCommit(func() {
		db.subs.forget(owner)
		db.owners.forget(owner)
	})
}

// RegisterTypes makes the types known as types of the account's events.
func (db *DB) RegisterTypes(ctx context.Context, account string, types []string) error {
	var unknown []string
	for _, typ := range types {
		if _, _, ok := db.types.get(typeKey{account, typ}); !ok {
			unknown = append(unknown, typ)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return db.update(ctx, func(t *tx) error {
		for _, typ := range unknown {
			if _, err := t.exec(`INSERT INTO types (account, type) VALUES (?,?) ON CONFLICT DO NOTHING`, account, typ); err != nil {
				return err
			}
			t.onCommit(func() { db.types.set(typeKey{account, typ}, struct{}{}) })
		}
		return nil
	})
}

// Types are the types known of the account's events, sorted.
func (db *DB) Types(ctx context.Context, account string) (types []string, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var typ string
			err := row.Scan(&typ)
			types = append(types, typ)
			return err
		}, `SELECT type FROM types WHERE account = ? ORDER BY type`, account)
	})
	return types, err
}
