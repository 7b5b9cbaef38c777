package dynamo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// putTimeout bounds the put of one event, retries included. Ids are stamped just
// before the put; with this bound a reader of the tail knows that behind its
// horizon nothing can still appear.
const putTimeout = 2 * time.Second

// PutEvents puts new events, each if absent. An event that is there already is
// this very event: ids hold 62 random bits, so only an earlier try put it.
func (s *Store) PutEvents(ctx context.Context, events []*hermod.Event) error {
	err := forEach(ctx, len(events), func(ctx context.Context, i int) error {
		row, err := s.eventRow(events[i])
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, s.putTimeout)
		defer cancel()
		_, err = s.putNew(ctx, s.tables.Events, row)
		return err
	})
	return wrap("putting events", err)
}

// EventsByKey reads events. Those that do not exist are missing, and no other: one that
// has just been put is found.
func (s *Store) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	rowKeys := make([]key, len(keys))
	for i, k := range keys {
		rowKeys[i] = s.eventKey(k)
	}
	rows, err := s.getUnchanging(ctx, s.tables.Events, rowKeys)
	if err != nil {
		return nil, wrap("reading events", err)
	}
	events := make(map[hermod.EventKey]*hermod.Event, len(rows))
	for _, row := range rows {
		if s.expired(row) {
			continue
		}
		e, err := s.eventOf(row)
		if err != nil {
			return nil, err
		}
		events[e.Key()] = e
	}
	return events, nil
}

// Event reads an event that the owner may see; CodeNotFound.
func (s *Store) Event(ctx context.Context, owner string, id hermod.ID) (*hermod.Event, error) {
	own := hermod.EventKey{Account: owner, ID: id}
	found, err := s.EventsByKey(ctx, []hermod.EventKey{own})
	if err != nil {
		return nil, err
	}
	if e := found[own]; e != nil {
		return e, nil
	}
	// An owner that is an organization has the event in its index.
	sp := s.organizationSpans(owner, true)[s.shard(id)]
	sp.lo, sp.hi = id.String()[:len(id.String())-1], id.String()+"~"
	sp.page = 2
	st := &stream[eventRef]{span: sp, decode: s.decodeEventRef}
	m := &merge[eventRef]{db: s.db, streams: []*stream[eventRef]{st}, compare: compareEvents(true)}
	events, _, err := collect(ctx, m, bounds{limit: 1}, s.loadEvents(func(e *hermod.Event) bool { return e.ID == id }))
	if err != nil {
		return nil, wrap("reading an event", err)
	}
	if len(events) == 0 {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such event")
	}
	return events[0], nil
}

// expired reports whether a row is past its time to live. DynamoDB deletes such
// rows days late.
func (s *Store) expired(row item) bool {
	r := reader{item: row}
	end := r.retainUntil()
	return !end.IsZero() && !s.now().Before(end)
}

func (s *Store) eventRow(e *hermod.Event) (item, error) {
	row := s.eventKey(e.Key()).item()
	n := s.shard(e.ID)
	row.text("typePK", typePK(e.AccountID, e.Sender, n))
	row.text("typeSK", e.Name+"#"+e.ID.String())
	if e.OrganizationID != "" {
		row.text("org", e.OrganizationID)
		if e.OrganizationID != e.AccountID { // else the table itself finds it
			row.text("orgPK", sharded(e.OrganizationID, n))
			row.text("orgTypePK", typePK(e.OrganizationID, e.Sender, n))
		}
	}
	switch {
	case len(e.Units) > 0:
		row.text("subjectPK", usagePK(e.AccountID, n))
		row.text("u", hermod.FormatUnits(e.Units))
	case e.Subject != "":
		row.text("subjectPK", subjectPK(e.AccountID, e.Subject, n))
	}
	row.text("s", e.Sender)
	row.text("n", e.Name)
	row.time("at", e.Timestamp)
	if err := s.data.pack(row, e.Data); err != nil {
		return nil, err
	}
	row.time("x", e.ExpiresAt)
	row.flag("i", e.Internal)
	row.flag("mk", e.Mock)
	row.list("tg", len(e.Tags), func(i int) string { return e.Tags[i] })
	row.list("m", len(e.Matches), func(i int) string { return formatMatch(e, e.Matches[i]) })
	if e.Context != (hermod.Context{}) {
		caused, err := json.Marshal(e.Context)
		if err != nil {
			return nil, fmt.Errorf("encoding the context of an event: %w", err)
		}
		row.binary("c", caused)
	}
	row.retain(e.RetainUntil)
	return row, nil
}

// formatMatch writes a match as owner#id, and the account as no owner at all:
// most matches are the account's, and its id is long.
func formatMatch(e *hermod.Event, m hermod.Ref) string {
	if m.Owner == e.AccountID {
		return "#" + m.ID
	}
	return m.Owner + "#" + m.ID
}

func (s *Store) eventOf(row item) (*hermod.Event, error) {
	k, err := eventKeyOf(keyOf(row))
	if err != nil {
		return nil, err
	}
	r := reader{item: row}
	e := &hermod.Event{
		ID:             k.ID,
		Timestamp:      r.at("at"),
		Sender:         r.str("s"),
		Name:           r.str("n"),
		AccountID:      k.Account,
		OrganizationID: r.str("org"),
		ExpiresAt:      r.at("x"),
		Tags:           r.strs("tg"),
		Internal:       r.isSet("i"),
		Mock:           r.isSet("mk"),
		RetainUntil:    r.retainUntil(),
		Subject:        subjectOf(k.Account, r.str("subjectPK")),
	}
	e.Data, err = s.data.unpack(row)
	r.fail(compressedData, err)
	e.Units, err = hermod.ParseUnits(r.str("u"))
	r.fail("u", err)
	for _, m := range r.strs("m") {
		owner, id, _ := strings.Cut(m, "#")
		if owner == "" {
			owner = e.AccountID
		}
		e.Matches = append(e.Matches, hermod.Ref{Owner: owner, ID: id})
	}
	if caused := r.bytes("c"); caused != nil {
		r.fail("c", json.Unmarshal(caused, &e.Context))
	}
	return e, r.err
}
