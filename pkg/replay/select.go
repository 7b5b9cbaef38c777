package replay

import (
	"context"
	"fmt"
	"slices"

	"hermod/pkg/hermod"
)

// pageSize is how many events are read at a time.
const pageSize = 100

// page reads the next events of the replay's types above a position, in the order of
// the log, and whether they are the last ones. Several types are read each by
// itself, which an index serves, and merged.
func page(ctx context.Context, s Store, r *hermod.Replay, above hermod.ID) (events []*hermod.Event, last bool, err error) {
	for _, pattern := range patterns(r) {
		more, err := s.Events(ctx, hermod.EventQuery{
			Owner: r.Owner, Pattern: pattern, Above: above, Below: r.Below, Ascending: true, Limit: pageSize,
		})
		if err != nil {
			return nil, false, fmt.Errorf("reading the event log: %w", err)
		}
		for _, e := range more.Events {
			slim := *e
			if hermod.Equivalents(e.Type()) == nil { // by its data an event may mean what a subscription asks for
				slim.Data = nil // it is most of an event, and messages carry ids alone
			}
			events = append(events, &slim)
		}
	}
	slices.SortFunc(events, func(a, b *hermod.Event) int { return a.ID.Compare(b.ID) })
	events = slices.CompactFunc(events, func(a, b *hermod.Event) bool { return a.Key() == b.Key() })
	if len(events) < pageSize {
		return events, true, nil
	}
	return events[:pageSize], false, nil
}

// patterns are the replay's, "" alone where they select every type.
func patterns(r *hermod.Replay) []hermod.Pattern {
	if len(r.Patterns) == 0 || slices.Contains(r.Patterns, hermod.AnyType) {
		return []hermod.Pattern{""}
	}
	return r.Patterns
}

// selects reports whether the replay's filter selects an event of its types. It
// never selects a mock: that has tried what it was made for.
func selects(r *hermod.Replay, e *hermod.Event) bool {
	shared := func(tag string) bool { return slices.Contains(e.Tags, tag) }
	return !e.Mock && (len(r.Tags) == 0 || slices.ContainsFunc(r.Tags, shared))
}
