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
	for n := range shards {
		spans = append(spans, s.organizationSpan(q.Owner, n, q.Ascending))
	}
	m := &merge[eventRef]{db: s.db, compare: compareEvents(q.Ascending)}
	lo, hi := eventBounds(q)
	for _, sp := range spans {
		sp.lo, sp.hi = sp.lo+lo, sp.hi+hi
		sp.page = pageOf(q.Limit, len(spans))
		m.streams = append(m.streams, &stream[eventRef]{span: sp, decode: s.decodeEventRef})
	}
	wanted := func(e *hermod.Event) bool { return q.Pattern == "" || q.Pattern.Matches(e.Sender, e.Name) }
	events, err := collect(ctx, m, q.Limit, s.loadEvents(wanted))
	return events, wrap("reading events", err)
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
	var spans []span
	if !typed {
		for n := range shards {
			spans = append(spans, span{
				table: s.tables.Events, pkName: "PK", skName: "SK", pk: sharded(q.Owner, n), ascending: q.Ascending,
			})
		}
		return spans, nil
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

func (s *Store) organizationSpan(organization string, shard int, ascending bool) span {
	return span{
		table: s.tables.Events, index: byOrganization, pkName: "orgPK", skName: "SK",
		pk: sharded(organization, shard), ascending: ascending,
	}
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
		return eventRef{}, false, nil
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
			if ref.body == nil {
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
