package universign

import (
	"context"
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
	return shows(f.account, e) && (f.apiKey == "" || e.Context.APIKeyID == f.apiKey)
}

// shows reports whether an event is one that an account is shown in this dialect. A
// mock did not happen: what it tried was a delivery.
func shows(account string, e *hermod.Event) bool {
	return e.Sender == sender && e.AccountID == account && !e.Mock
}

// An eventsFound are the first events that match, the newest first.
type eventsFound struct {
	events []*hermod.Event
	// more says that there are, or may be, others behind them. next is the id to go on
	// from where that is not the last event's.
	more bool
	next hermod.ID
}

// maxEventsRead bounds the events that one answer reads, of all types together. No index knows
// the API key that caused an event, nor which are mocks: these are read and dropped.
const maxEventsRead = 1000

// find reads at most so many events. It gives up where it has read enough without
// finding them.
func (e *Events) find(ctx context.Context, f eventFilter, limit int) (found eventsFound, err error) {
	about := limit + 1
	if f.apiKey != "" {
		about = maxPage
	}
	r := newEventReader(e.Store, f, about, maxEventsRead)
	for {
		event, err := r.next(ctx)
		switch {
		case err != nil:
			return eventsFound{}, err
		case event == nil:
			if r.spent {
				found.more, found.next = true, r.last
			}
			return found, nil
		case !f.wants(event):
		case len(found.events) == limit:
			found.more = true
			return found, nil
		default:
			found.events = append(found.events, event)
		}
	}
}
