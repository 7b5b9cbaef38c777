package dynamo

import (
	"context"
	"strings"

	"hermod/pkg/hermod"
)

// The indexes of Events. Both hold keys alone; bodies are read from the table.
const (
	byType         = "by-type"
	byOrganization = "by-organization"
)

// An eventRef is an event found by a stream: with its body where the stream reads
// the table, nil where it reads an index.
type eventRef struct {
	key  hermod.EventKey
	body *hermod.Event
	// expired says that the row is past its time to live. Only a tail keeps those.
	expired bool
}

// Events is a page of the event log.
//
// An owner does not say whether it is an account or an organization, so both the
// account's events and those that name the organization are read and merged. The
// one that is not there costs half a read unit.
func (s *Store) Events(ctx context.Context, q hermod.EventQuery) ([]*hermod.Event, error) {
	spans, err := s.accountSpans(ctx, q)
	if err != nil {
		return nil, wrap("reading events", err)
	}
	spans = append(spans, s.organizationSpans(q.Owner, q.Ascending)...)
	m := &merge[eventRef]{db: s.db, compare: compareEvents(q.Ascending)}
	lo, hi := eventBounds(q)
	for _, sp := range spans {
		sp.lo, sp.hi = sp.lo+lo, sp.hi+hi
		sp.page = pageOf(q.Limit, len(spans))
		m.streams = append(m.streams, &stream[eventRef]{span: sp, decode: s.decodeEventRef})
	}
	events, err := collect(ctx, m, q.Limit, s.loadEvents(selects(q.Pattern)))
	return events, wrap("reading events", err)
}

// selects tells which events a pattern selects; "" selects all.
func selects(p hermod.Pattern) func(*hermod.Event) bool {
	return func(e *hermod.Event) bool { return p == "" || p.Matches(e.Sender, e.Name) }
}

// The least and greatest sort key that no id reaches.
const (
	belowIDs = "!"
	aboveIDs = "~"
)

// eventBounds are the exclusive bounds of a query in the form of ids.
func eventBounds(q hermod.EventQuery) (lo, hi string) {
	lo, hi = belowIDs, aboveIDs
	if !q.Above.IsZero() {
		lo = q.Above.String()
	}
	if !q.Below.IsZero() {
		hi = q.Below.String()
	}
	return lo, hi
}

// accountSpans are the spans that hold the account's events of the pattern, each
// in the order of ids. Their bounds are what comes before the id in the sort key.
func (s *Store) accountSpans(ctx context.Context, q hermod.EventQuery) ([]span, error) {
	sender, name, typed := strings.Cut(string(q.Pattern), ":")
	if !typed {
		return s.tableSpans(q.Owner, q.Ascending), nil
	}
	names := []string{name}
	if name == "*" {
		known, err := s.types(ctx, q.Owner, sender+":")
		if err != nil {
			return nil, err
		}
		names = known
		for i := range names {
			names[i] = strings.TrimPrefix(names[i], sender+":")
		}
	}
	var spans []span
	for _, name := range names {
		for n := range shards {
			spans = append(spans, span{
				table: s.tables.Events, index: byType, pkName: "typePK", skName: "typeSK",
				pk: typePK(q.Owner, sender, n), lo: name + "#", hi: name + "#", ascending: q.Ascending,
			})
		}
	}
	return spans, nil
}

// tableSpans hold all of the account's events, whole.
func (s *Store) tableSpans(account string, ascending bool) (spans []span) {
	for n := range shards {
		spans = append(spans, span{
			table: s.tables.Events, pkName: "PK", skName: "SK", pk: sharded(account, n), ascending: ascending,
		})
	}
	return spans
}

// organizationSpans hold the keys of the events that name the organization.
func (s *Store) organizationSpans(organization string, ascending bool) (spans []span) {
	for n := range shards {
		spans = append(spans, span{
			table: s.tables.Events, index: byOrganization, pkName: "orgPK", skName: "SK",
			pk: sharded(organization, n), ascending: ascending,
		})
	}
	return spans
}

func compareEvents(ascending bool) func(a, b eventRef) int {
	if ascending {
		return func(a, b eventRef) int { return a.key.ID.Compare(b.key.ID) }
	}
	return func(a, b eventRef) int { return b.key.ID.Compare(a.key.ID) }
}

func (s *Store) decodeEventRef(it item) (eventRef, bool, error) {
	k, err := eventKeyOf(keyOf(it))
	if err != nil {
		return eventRef{}, false, err
	}
	if _, whole := it["s"]; !whole { // an index
		return eventRef{key: k}, true, nil
	}
	if s.expired(it) {
		return eventRef{key: k, expired: true}, false, nil
	}
	e, err := eventOf(it)
	return eventRef{key: k, body: e}, true, err
}

// loadEvents reads the bodies that are missing and keeps the events that are
// wanted.
func (s *Store) loadEvents(wanted func(e *hermod.Event) bool) func(ctx context.Context, refs []eventRef) ([]*hermod.Event, error) {
	return func(ctx context.Context, refs []eventRef) ([]*hermod.Event, error) {
		var missing []hermod.EventKey
		for _, ref := range refs {
			if ref.body == nil && !ref.expired {
				missing = append(missing, ref.key)
			}
		}
		loaded, err := s.EventsByKey(ctx, missing)
		if err != nil {
			return nil, err
		}
		var events []*hermod.Event
		for _, ref := range refs {
			e := ref.body
			if e == nil {
				e = loaded[ref.key]
			}
			if e != nil && wanted(e) {
				events = append(events, e)
			}
		}
		return events, nil
	}
}
