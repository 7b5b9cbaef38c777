package universign

import (
	"context"
	"fmt"
	"slices"

	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// An eventFilter is what a request selects of the events of a workspace.
type eventFilter struct {
	account string
	// above and below are exclusive bounds on ids; the zero id is none.
	above, below hermod.ID
	// types are names of the dialect's types, each once; none for all.
	types []string
	// apiKey is the key whose requests caused the events; "" for any.
	apiKey string
	// continued says that the list goes on from another page.
	continued bool
}

// eventFilterOf reads the filter. The names of its parameters are inferred, but for
// those of the period (wire facts, 2.2).
func eventFilterOf(q *input.Query, p *hermod.Principal) eventFilter {
	when := periodOf(q)
	f := eventFilter{account: p.Account, above: when.above(), below: when.below(), apiKey: q.One("apikey_id")}
	f.types = manyOf(q, "type")
	unknown := slices.ContainsFunc(f.types, func(name string) bool { return !isType(name) })
	q.Check("type", !unknown, "holds what is no event type")
	slices.Sort(f.types)
	f.types = slices.Compact(f.types)
	if text := q.One(paramStartingAfter); text != "" {
		id, ok := ParseEventID(text)
		q.Check(paramStartingAfter, ok && !id.IsZero(), "must be the id of an event")
		f.continued = true
		if f.below.IsZero() || id.Compare(f.below) < 0 {
			f.below = id
		}
	}
	return f
}

// wants tells what the log cannot select.
func (f *eventFilter) wants(e *hermod.Event) bool {
	return e.Sender == sender && e.AccountID == f.account && (f.apiKey == "" || e.Context.APIKeyID == f.apiKey)
}

// A eventsFound are the first events that match, the newest first.
type eventsFound struct {
	events []*hermod.Event
	// more says that there are, or may be, others behind them. next is the id to go on
	// from where that is not the last event's.
	more bool
	next hermod.ID
}

// No index knows the API key that caused an event, so events are read and dropped.
// These bound what one answer reads: scanPage events at a time, scanPages times.
const (
	scanPage  = 100
	scanPages = 10
)

// find reads at most so many events. It gives up where it has read enough without
// finding them.
func (e *Events) find(ctx context.Context, f eventFilter, limit int) (found eventsFound, err error) {
	size, pages := limit+1, 1
	if f.apiKey != "" {
		size, pages = scanPage, scanPages
	}
	for range pages {
		page, err := e.page(ctx, f, size)
		if err != nil {
			return eventsFound{}, err
		}
		for _, event := range page {
			if !f.wants(event) {
				continue
			}
			if len(found.events) == limit {
				found.more, found.next = true, hermod.ID{}
				return found, nil
			}
			found.events = append(found.events, event)
		}
		if len(page) < size {
			found.more, found.next = false, hermod.ID{}
			return found, nil
		}
		f.below = page[size-1].ID
		found.more, found.next = true, f.below
	}
	return found, nil
}

// page is a page of what the log can select, the newest first. A shorter one is the
// last.
func (e *Events) page(ctx context.Context, f eventFilter, size int) ([]*hermod.Event, error) {
	patterns := []hermod.Pattern{hermod.Pattern(sender + ":*")}
	if len(f.types) > 0 {
		patterns = patterns[:0]
		for _, name := range f.types {
			patterns = append(patterns, hermod.Pattern(sender+":"+name))
		}
	}
	var all []*hermod.Event
	for _, pattern := range patterns {
		events, err := e.Store.Events(ctx, hermod.EventQuery{
			Owner: f.account, Pattern: pattern, Above: f.above, Below: f.below, Limit: size,
		})
		if err != nil {
			return nil, fmt.Errorf("listing events: %w", err)
		}
		all = append(all, events...)
	}
	if len(patterns) > 1 {
		slices.SortFunc(all, func(a, b *hermod.Event) int { return b.ID.Compare(a.ID) })
	}
	return all[:min(size, len(all))], nil
}
