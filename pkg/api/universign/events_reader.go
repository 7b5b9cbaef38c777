package universign

import (
	"context"
	"fmt"

	"hermod/pkg/hermod"
)

// An eventReader reads what the log can select of a filter, the newest first. The log
// selects by one type at a time: several are read side by side and merged, and what was
// read of one waits until it is its turn, so that no event is read twice.
type eventReader struct {
	store   EventStore
	streams []*typeStream
	// left is how many events may still be read.
	left int
	// spent says that reading ended for want of them.
	spent bool
	// last is the event that was given last; zero before the first.
	last hermod.ID
}

// A typeStream is the events of one type, or of all.
type typeStream struct {
	query  hermod.EventQuery
	unread []*hermod.Event
	// size is how many are read next, and ended says that there are no more.
	size  int
	ended bool
}

// maxChunk bounds how many events are read at a time.
const maxChunk = 200

// newEventReader makes a reader for whoever needs about so many events, which reads no
// more than most. All types together begin with so many, and each of them goes on with
// twice as many every time: what is read of it and not needed is at most what was needed,
// and its first part.
func newEventReader(store EventStore, f eventFilter, about, most int) *eventReader {
	patterns := []hermod.Pattern{hermod.Pattern(sender + ":*")}
	if len(f.types) > 0 {
		patterns = patterns[:0]
		for _, name := range f.types {
			patterns = append(patterns, hermod.Pattern(sender+":"+name))
		}
	}
	r := &eventReader{store: store, left: most}
	first := (about + len(patterns) - 1) / len(patterns)
	for _, pattern := range patterns {
		r.streams = append(r.streams, &typeStream{size: min(first, maxChunk), query: hermod.EventQuery{
			Owner: f.account, Pattern: pattern, Above: f.above, Below: f.below,
		}})
	}
	return r
}

// next gives the next event; nil where there is none, or where reading is spent.
func (r *eventReader) next(ctx context.Context) (*hermod.Event, error) {
	var newest *typeStream
	for _, s := range r.streams {
		if err := r.fill(ctx, s); err != nil {
			return nil, err
		}
		if r.spent {
			return nil, nil
		}
		if len(s.unread) > 0 && (newest == nil || s.unread[0].ID.Compare(newest.unread[0].ID) > 0) {
			newest = s
		}
	}
	if newest == nil {
		return nil, nil
	}
	event := newest.unread[0]
	newest.unread, r.last = newest.unread[1:], event.ID
	return event, nil
}

// fill reads on where nothing of a type is left to take.
func (r *eventReader) fill(ctx context.Context, s *typeStream) error {
	if len(s.unread) > 0 || s.ended {
		return nil
	}
	if r.left == 0 {
		r.spent = true
		return nil
	}
	s.query.Limit = min(s.size, r.left)
	page, err := r.store.Events(ctx, s.query)
	if err != nil {
		return fmt.Errorf("listing events: %w", err)
	}
	events := page.Events
	s.unread, s.ended = events, len(events) < s.query.Limit
	r.left -= len(events)
	s.size = min(2*s.size, maxChunk)
	if n := len(events); n > 0 {
		s.query.Below = events[n-1].ID
	}
	return nil
}
