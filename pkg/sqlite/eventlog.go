package sqlite

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"hermod/pkg/hermod"
)

// afterAll is greater than every id.
var afterAll = bytes.Repeat([]byte{0xff}, len(hermod.ID{})+1)

// Events is a page of the event log. Indexes find what is wanted, so that it never looks
// at more.
func (db *DB) Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error) {
	var page hermod.EventPage
	limit := q.Limit
	if q.Examine > 0 {
		q.Limit = min(q.Limit, q.Examine)
	}
	err := db.snapshot(ctx, func(r reader) error {
		keys, err := db.eventKeys(r, q)
		if err != nil {
			return err
		}
		page.Events, err = db.eventsOf(r, keys)
		return err
	})
	if n := len(page.Events); n == q.Limit && n < limit {
		page.Next = page.Events[n-1].ID
	}
	return page, err
}

// eventsOf reads events in the order of their keys.
func (db *DB) eventsOf(r reader, keys []hermod.EventKey) ([]*hermod.Event, error) {
	found := make(map[hermod.EventKey]*hermod.Event, len(keys))
	if err := db.eventsByKey(r, keys, found); err != nil {
		return nil, err
	}
	var page []*hermod.Event
	for _, k := range keys {
		if e := found[k]; e != nil {
			page = append(page, e)
		}
	}
	return page, nil
}

// eventKeys finds the keys of a page. An owner is an account or an organization,
// and its ids are no one's else, so both are looked for and merged.
func (db *DB) eventKeys(r reader, q hermod.EventQuery) ([]hermod.EventKey, error) {
	if q.Subject != "" {
		return db.keysOfSubject(r, q)
	}
	own, err := db.keysBy(r, q, "account")
	if err != nil {
		return nil, err
	}
	shared, err := db.keysBy(r, q, "organization")
	if err != nil {
		return nil, err
	}
	return mergeKeys(q, append(own, shared...)), nil
}

// mergeKeys orders keys as the query asks and cuts the page.
func mergeKeys(q hermod.EventQuery, keys []hermod.EventKey) []hermod.EventKey {
	slices.SortFunc(keys, func(a, b hermod.EventKey) int {
		if q.Ascending {
			return a.ID.Compare(b.ID)
		}
		return b.ID.Compare(a.ID)
	})
	keys = slices.Compact(keys)
	return keys[:min(len(keys), q.Limit)]
}

// keysBy are the first keys of the events that have the owner in the column:
// account or organization. Both columns have an index by id, and one by type and
// id.
func (db *DB) keysBy(r reader, q hermod.EventQuery, column string) ([]hermod.EventKey, error) {
	sender, name, typed := strings.Cut(string(q.Pattern), ":")
	if !typed {
		return db.selectKeys(r, q, "events WHERE "+column+" = ?", q.Owner)
	}
	byType := typedEvents[column]
	if name != "*" {
		return db.selectKeys(r, q, byType, q.Owner, string(q.Pattern))
	}
	// The sender's types one after another: each is in the order of ids within the
	// index, together they are not.
	var keys []hermod.EventKey
	typ := sender + ":"
	for {
		// "sender;" is the first text after all that starts with "sender:".
		found, err := r.one([]any{&typ}, `SELECT type FROM events WHERE `+column+` = ? AND type > ? AND type < ?
			ORDER BY type LIMIT 1`, q.Owner, typ, sender+";")
		if err != nil || !found {
			return keys, err
		}
		more, err := db.selectKeys(r, q, byType, q.Owner, typ)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
}

// keysOfSubject are the first keys of an account's events of a subject. There are few
// of one: its pattern is held against each.
func (db *DB) keysOfSubject(r reader, q hermod.EventQuery) ([]hermod.EventKey, error) {
	from := "events INDEXED BY events_by_subject WHERE account = ? AND subject = ?"
	sender, name, typed := strings.Cut(string(q.Pattern), ":")
	switch {
	case !typed:
		return db.selectKeys(r, q, from, q.Owner, q.Subject)
	case name == "*":
		return db.selectKeys(r, q, from+" AND type > ? AND type < ?", q.Owner, q.Subject, sender+":", sender+";")
	default:
		return db.selectKeys(r, q, from+" AND type = ?", q.Owner, q.Subject, string(q.Pattern))
	}
}

// typedEvents are an owner's events of a type. They name their index because SQLite
// would rather go through all of an account's events by the primary key.
var typedEvents = map[string]string{
	"account":      "events INDEXED BY events_by_type WHERE account = ? AND type = ?",
	"organization": "events INDEXED BY events_by_organization_type WHERE organization = ? AND type = ?",
}

// selectKeys are the first keys within the bounds of what from, a table with a
// condition, selects.
func (db *DB) selectKeys(r reader, q hermod.EventQuery, from string, args ...any) ([]hermod.EventKey, error) {
	order := " ORDER BY id DESC LIMIT ?"
	if q.Ascending {
		order = " ORDER BY id ASC LIMIT ?"
	}
	below := afterAll
	if !q.Below.IsZero() {
		below = q.Below[:]
	}
	var keys []hermod.EventKey
	err := r.each(func(row scanner) error {
		var k hermod.EventKey
		err := row.Scan(&k.Account, scanID(&k.ID))
		keys = append(keys, k)
		return err
	}, `SELECT account, id FROM `+from+` AND id > ? AND id < ?
	    AND (retain_until IS NULL OR retain_until > ?)`+order,
		append(args, q.Above[:], below, timeValue(db.now()), q.Limit)...)
	return keys, err
}
