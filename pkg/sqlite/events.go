package sqlite

import (
	"context"
	"slices"
	"strings"

	"hermod/pkg/hermod"
)

const eventColumns = `account, id, type, organization, timestamp, expires_at, tags, context, matches, retain_until, internal,
	mock, subject, units, data`

func scanEvent(row scanner) (*hermod.Event, error) {
	e := &hermod.Event{}
	var typ, units string
	err := row.Scan(&e.AccountID, scanID(&e.ID), &typ, scanText(&e.OrganizationID), scanTime(&e.Timestamp),
		scanTime(&e.ExpiresAt), scanJSON(&e.Tags), scanJSON(&e.Context), scanJSON(&e.Matches),
		scanTime(&e.RetainUntil), &e.Internal, &e.Mock, scanText(&e.Subject), scanText(&units), (*[]byte)(&e.Data))
	if err != nil {
		return nil, err
	}
	e.Sender, e.Name, _ = strings.Cut(typ, ":")
	e.Units, err = hermod.ParseUnits(units)
	return e, err
}

// eventCost is about what an event takes in memory, in bytes.
func eventCost(e *hermod.Event) int { return 512 + len(e.Data) }

// PutEvents puts new events, each if absent.
func (db *DB) PutEvents(ctx context.Context, events []*hermod.Event) error {
	return db.update(ctx, func(t *tx) error { return db.putEvents(t, events) })
}

func (db *DB) putEvents(t *tx, events []*hermod.Event) error {
	used := usageSums{}
	for _, e := range events {
		n, err := t.exec(`INSERT INTO events (`+eventColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
			e.AccountID, e.ID[:], e.Type(), textValue(e.OrganizationID), timeValue(e.Timestamp), timeValue(e.ExpiresAt),
			listValue(e.Tags), contextValue(e.Context), listValue(e.Matches), timeValue(e.RetainUntil), e.Internal,
			e.Mock, textValue(e.Subject), textValue(hermod.FormatUnits(e.Units)), []byte(e.Data))
		if err != nil {
			return err
		}
		if n > 0 {
			t.bytes += len(e.Data)
			used.add(e)
			kept := cloneEvent(e)
			t.onCommit(func() { db.events.set(kept.Key(), kept) })
		}
	}
	return used.write(t)
}

// cloneEvent copies what a caller might still change.
func cloneEvent(e *hermod.Event) *hermod.Event {
	c := *e
	c.Tags, c.Matches, c.Data = slices.Clone(e.Tags), slices.Clone(e.Matches), slices.Clone(e.Data)
	c.Units = slices.Clone(e.Units)
	return &c
}

// EventsByKey reads events. Those that do not exist are missing.
func (db *DB) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	found := make(map[hermod.EventKey]*hermod.Event, len(keys))
	var missing []hermod.EventKey
	now := db.now()
	for _, k := range keys {
		e, _, ok := db.events.get(k)
		switch {
		case !ok:
			missing = append(missing, k)
		case e.RetainUntil.IsZero() || now.Before(e.RetainUntil):
			c := *e
			found[k] = &c
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	err := db.view(ctx, func(r reader) error { return db.eventsByKey(r, missing, found) })
	return found, err
}

func (db *DB) eventsByKey(r reader, keys []hermod.EventKey, found map[hermod.EventKey]*hermod.Event) error {
	now := timeValue(db.now())
	for _, k := range keys {
		err := r.each(func(row scanner) error {
			e, err := scanEvent(row)
			found[k] = e
			return err
		}, `SELECT `+eventColumns+` FROM events WHERE account = ? AND id = ?
		    AND (retain_until IS NULL OR retain_until > ?)`, k.Account, k.ID[:], now)
		if err != nil {
			return err
		}
	}
	return nil
}

// Event reads an event that the owner may see: the account it is of, or the
// organization it names. It fails with CodeNotFound.
func (db *DB) Event(ctx context.Context, owner string, id hermod.ID) (e *hermod.Event, err error) {
	if e, _, ok := db.events.get(hermod.EventKey{Account: owner, ID: id}); ok {
		if e.RetainUntil.IsZero() || db.now().Before(e.RetainUntil) {
			c := *e
			return &c, nil
		}
	}
	now := timeValue(db.now())
	err = db.view(ctx, func(r reader) error {
		for _, column := range []string{"account", "organization"} {
			err := r.each(func(row scanner) (err error) {
				e, err = scanEvent(row)
				return err
			}, `SELECT `+eventColumns+` FROM events WHERE `+column+` = ? AND id = ?
			    AND (retain_until IS NULL OR retain_until > ?)`, owner, id[:], now)
			if err != nil || e != nil {
				return err
			}
		}
		return hermod.Errorf(hermod.CodeNotFound, "no event has this id")
	})
	return e, err
}

// contextValue is NULL where nothing is known.
func contextValue(c hermod.Context) any {
	if c == (hermod.Context{}) {
		return nil
	}
	return jsonValue(c)
}
