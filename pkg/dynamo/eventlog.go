package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/hermod"
)

// The indexes of Events. All hold keys alone; bodies are read from the table.
const (
	byType             = "by-type"
	byOrganization     = "by-organization"
	byOrganizationType = "by-organization-type"
)

// maxNames is how many names of a sender are merged. The request for each of them is
// made again for every page, so past it the whole log is read and filtered instead.
const maxNames = 100

// An eventRef is an event found by a stream: with its body where the stream reads
// the table, nil where it reads an index.
type eventRef struct {
	key  hermod.EventKey
	body *hermod.Event
	// expired says that the row is past its time to live: no page shows it.
	expired bool
}

// Events is a page of the event log.
//
// An owner does not say whether it is an account or an organization, so both the
// account's events and those that name the organization are read and merged. The
// one that is not there costs half a read unit.
func (s *Store) Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error) {
	spans, filtered, err := s.eventSpans(ctx, q)
	if err != nil {
		return hermod.EventPage{}, wrap("reading events", err)
	}
	rows, step := pageOf(q.Limit, len(spans)), 0
	if filtered { // few rows may survive, so a request reads many
		rows, step = maxPage, maxBatchGet
	}
	m := &merge[eventRef]{db: s.db, compare: compareEvents(q.Ascending)}
	lo, hi := eventBounds(q)
	for _, sp := range spans {
		sp.lo, sp.hi, sp.page = sp.lo+lo, sp.hi+hi, rows
		m.streams = append(m.streams, &stream[eventRef]{span: sp, decode: s.decodeEventRef})
	}
	b := bounds{limit: q.Limit, step: step, examine: q.Examine}
	events, stopped, err := collect(ctx, m, b, s.loadEvents(selects(q.Pattern)))
	page := hermod.EventPage{Events: events}
	if stopped != nil {
		page.Next = stopped.key.ID
	}
	return page, wrap("reading events", err)
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

// eventSpans are the spans that hold the owner's events of the pattern, each in the
// order of ids. Their bounds are what comes before the id in the sort key. filtered
// says that they hold events of other types too.
func (s *Store) eventSpans(ctx context.Context, q hermod.EventQuery) (spans []span, filtered bool, err error) {
	if q.Subject != "" { // there are few events of one: those of other types are dropped
		return s.subjectSpans(q), false, nil
	}
	sender, name, typed := strings.Cut(string(q.Pattern), ":")
	names := []string{name}
	if typed && name == "*" {
		if names, err = s.namesOf(ctx, q.Owner, sender); err != nil {
			return nil, false, err
		}
	}
	if !typed || len(names) > maxNames {
		spans = append(s.tableSpans(q.Owner, q.Ascending), s.organizationSpans(q.Owner, q.Ascending)...)
		return spans, typed, nil
	}
	for _, ix := range []span{{index: byType, pkName: "typePK"}, {index: byOrganizationType, pkName: "orgTypePK"}} {
		ix.table, ix.skName, ix.ascending = s.tables.Events, "typeSK", q.Ascending
		if len(names) > 1 { // one request tells whether each name needs one
			inIndex, err := s.hasAny(ctx, s.typeSpans(ix, q.Owner, sender, ""))
			if err != nil {
				return nil, false, err
			}
			if !inIndex {
				continue
			}
		}
		spans = append(spans, s.typeSpans(ix, q.Owner, sender, names...)...)
	}
	return spans, false, nil
}

// namesOf are the names known of the sender's events, sorted: all of them up to
// maxNames, else more than that.
func (s *Store) namesOf(ctx context.Context, owner, sender string) ([]string, error) {
	prefix := typePrefix + sender + ":"
	in := s.configQuery(owner, prefix)
	in.Limit = aws.Int32(maxNames + 1)
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(out.Items))
	for i, it := range out.Items {
		names[i] = strings.TrimPrefix(item(it).str("SK"), prefix)
	}
	return names, nil
}

// typeSpans hold the keys of the owner's events of a sender's names in an index of
// types.
func (s *Store) typeSpans(index span, owner, sender string, names ...string) (spans []span) {
	for _, name := range names {
		for n := range s.shards() {
			index.pk, index.lo, index.hi = typePK(owner, sender, n), name+"#", name+"#"
			spans = append(spans, index)
		}
	}
	return spans
}

// tableSpans hold all of the account's events, whole.
func (s *Store) tableSpans(account string, ascending bool) (spans []span) {
	for n := range s.shards() {
		spans = append(spans, span{
			table: s.tables.Events, pkName: "PK", skName: "SK", pk: sharded(account, n), ascending: ascending,
		})
	}
	return spans
}

// organizationSpans hold the keys of the events that name the organization.
func (s *Store) organizationSpans(organization string, ascending bool) (spans []span) {
	for n := range s.shards() {
		spans = append(spans, span{
			table: s.tables.Events, index: byOrganization, pkName: "orgPK", skName: "SK",
			pk: sharded(organization, n), ascending: ascending,
		})
	}
	return spans
}

// subjectSpans hold the keys of the account's events of a subject.
func (s *Store) subjectSpans(q hermod.EventQuery) (spans []span) {
	for n := range s.shards() {
		spans = append(spans, span{
			table: s.tables.Events, index: bySubject, pkName: "subjectPK", skName: "SK",
			pk: subjectPK(q.Owner, q.Subject, n), ascending: q.Ascending,
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
		return eventRef{key: k, expired: true}, true, nil
	}
	e, err := s.eventOf(it)
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
