package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// How far a reader of the tail stays behind the present. The put of an event is
// given up within 4 s of the stamp of its id (ingest), and clocks differ by a
// second at most: what was stamped before tableHorizon is in the table by now, or
// never will be. An index follows its table, as a rule within a second; indexHorizon
// leaves it ten.
const (
	tableHorizon = 5 * time.Second
	indexHorizon = 15 * time.Second
)

// tailPages bounds the pages that a tail reads of one partition for one answer:
// 4 MB, whatever of it matches.
const tailPages = 4

// Settled is the id up to which Events shows all of the owner's log. It is that of
// the horizon of the table for an account's whole log, and that of the indexes for
// what Events finds by an index.
func (s *Store) Settled(ctx context.Context, q hermod.EventQuery) (hermod.ID, error) {
	table, index := s.horizons()
	if q.Pattern != "" && q.Pattern != hermod.AnyType {
		return index, nil
	}
	inIndex, err := s.hasAny(ctx, s.organizationSpans(q.Owner, true))
	if err != nil || inIndex {
		return index, wrap("finding the end of the log", err)
	}
	inTable, err := s.hasAny(ctx, s.tableSpans(q.Owner, true))
	if err != nil || !inTable { // see Tail
		return index, wrap("finding the end of the log", err)
	}
	return table, nil
}

// Tail is what has entered the log since a position. The account's own events are
// read from the table, consistently, and not by type: the index of types is not as
// certain. An organization's are read from their index, with its horizon.
//
// An owner does not say which of the two it is; that no owner is both is what tells.
// What has an entry in the index is an organization. What has none but rows in the
// table is an account. What has neither may be an organization whose first entry is
// on its way, so its position stays behind the horizon of the index, and rows that
// come meanwhile are found all the same.
func (s *Store) Tail(ctx context.Context, q hermod.TailQuery) (hermod.TailPage, error) {
	inIndex, err := s.hasAny(ctx, s.organizationSpans(q.Owner, true))
	if err != nil {
		return hermod.TailPage{}, wrap("following the log", err)
	}
	table, index := s.horizons()
	spans, horizon := s.tableSpans(q.Owner, true), table
	if inIndex {
		spans, horizon = append(spans, s.organizationSpans(q.Owner, true)...), index
	}
	t := s.tailReader(q, spans, horizon, inIndex)
	ended, err := t.read(ctx)
	if err != nil {
		return hermod.TailPage{}, wrap("following the log", err)
	}
	if !inIndex && t.scanned == 0 {
		horizon = index
	}
	if ended && horizon.Compare(t.page.Position) > 0 {
		t.page.Position = horizon
	}
	return t.page, nil
}

// horizons are the greatest ids that are as old as the horizons of the table and of
// an index.
func (s *Store) horizons() (table, index hermod.ID) {
	now := s.now()
	return hermod.LastIDAt(now.Add(-tableHorizon)), hermod.LastIDAt(now.Add(-indexHorizon))
}

// hasAny reports whether any of the spans has a row.
func (s *Store) hasAny(ctx context.Context, spans []span) (bool, error) {
	found := make([]bool, len(spans))
	err := forEach(ctx, len(spans), func(ctx context.Context, i int) error {
		sp := spans[i]
		sp.lo, sp.hi, sp.page = belowIDs, aboveIDs, 1
		out, err := s.db.Query(ctx, sp.input(nil))
		found[i] = err == nil && len(out.Items) > 0
		return err
	})
	return slices.Contains(found, true), err
}

// A tailReader reads what came since a position, in the order of ids.
type tailReader struct {
	query hermod.TailQuery
	rows  *merge[eventRef]
	load  func(ctx context.Context, refs []eventRef) ([]*hermod.Event, error)
	// step is how many rows are taken at a time.
	step int
	// scanned counts the rows that were read, whether they match or not.
	scanned int
	page    hermod.TailPage
}

func (s *Store) tailReader(q hermod.TailQuery, spans []span, horizon hermod.ID, bodiless bool) *tailReader {
	t := &tailReader{
		query: q, load: s.loadEvents(selects(q.Pattern)), step: maxPage,
		rows: &merge[eventRef]{db: s.db, compare: compareEvents(true)},
		page: hermod.TailPage{Position: q.After},
	}
	switch {
	case q.Pattern == "" || q.Pattern == hermod.AnyType:
		t.step = q.Limit
	case bodiless:
		t.step = maxBatchGet
	}
	for _, sp := range spans {
		// "!" makes the least text after an id: After is left out, the horizon is not.
		sp.lo, sp.hi, sp.page = q.After.String()+belowIDs, horizon.String()+belowIDs, t.step
		t.rows.streams = append(t.rows.streams, &stream[eventRef]{span: sp, decode: s.decodeEventRef, pages: tailPages})
	}
	return t
}

// read fills the page. It reports whether it came to the end of the spans.
func (t *tailReader) read(ctx context.Context) (ended bool, err error) {
	for len(t.page.Events) < t.query.Limit {
		refs, err := t.rows.next(ctx, t.step)
		spent := errors.Is(err, errPagesRead)
		if err != nil && !spent {
			return false, err
		}
		t.scanned += len(refs)
		whole, err := t.take(ctx, refs)
		if err != nil || spent || !whole {
			return false, err
		}
		if len(refs) < t.step {
			return true, nil
		}
	}
	return false, nil
}

// take adds the events of the rows that match. It reports whether the page had room
// for all of them.
func (t *tailReader) take(ctx context.Context, refs []eventRef) (whole bool, err error) {
	if len(refs) == 0 {
		return true, nil
	}
	events, err := t.load(ctx, refs)
	if err != nil {
		return false, err
	}
	if room := t.query.Limit - len(t.page.Events); len(events) > room {
		t.page.Events = append(t.page.Events, events[:room]...)
		t.page.Position = events[room-1].ID
		return false, nil
	}
	t.page.Events = append(t.page.Events, events...)
	t.page.Position = refs[len(refs)-1].key.ID
	return true, nil
}
