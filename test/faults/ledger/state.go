package ledger

import (
	"context"
	"fmt"

	"hermod/pkg/hermod"
)

// A Log is what an engine says of itself.
type Log interface {
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
}

// A State is an engine's log, whole, at one moment.
type State struct {
	// Events are those of the owners that were asked about, by their ids.
	Events []*hermod.Event
	// Attempts are the rows of the owners' subscriptions in the order of their keys.
	Attempts []*hermod.Attempt
	// DeadLetters are the bodies in the dead-letter queue of deliveries; nil where
	// nobody looked. Empty is another thing: there are none.
	DeadLetters [][]byte
	// Refused are the bodies in the dead-letter queue of events.
	Refused [][]byte
	// Pending says what is under way beside the log, such as messages in a queue and
	// parked deliveries; "" for nothing.
	Pending string
}

// page is how much is read at once.
const page = 1000

// Read reads the events and the attempts of the owners. DeadLetters and Pending are the
// caller's to fill in.
func Read(ctx context.Context, log Log, owners ...string) (*State, error) {
	s := &State{}
	for _, owner := range owners {
		events := hermod.EventQuery{Owner: owner, Ascending: true, Limit: page}
		for more := true; more; {
			found, err := log.Events(ctx, events)
			if err != nil {
				return nil, fmt.Errorf("reading the events of %s: %w", owner, err)
			}
			s.Events = append(s.Events, found.Events...)
			if more = len(found.Events) == page; more {
				events.Above = found.Events[page-1].ID
			}
		}
		rows := hermod.LogQuery{Owner: owner, Ascending: true, Limit: page}
		for more := true; more; {
			found, err := log.Attempts(ctx, rows)
			if err != nil {
				return nil, fmt.Errorf("reading the attempts of %s: %w", owner, err)
			}
			s.Attempts = append(s.Attempts, found.Attempts...)
			if more = len(found.Attempts) == page; more {
				rows.Above = &found.Attempts[page-1].AttemptKey
			}
		}
	}
	return s, nil
}

// Unfinished names a delivery that has not come to its end; "" where all have and
// nothing is pending. Call Judge then. What is among the dead letters has, whatever its
// last row says: who could not write that one, for all the receives there are, could not
// write the next one either.
func (s *State) Unfinished() string {
	if s.Pending != "" {
		return s.Pending
	}
	last, letters := s.lastRows(), s.letters()
	for _, e := range s.Events {
		for _, ref := range e.Matches {
			d := delivery{event: e.ID, subscription: ref.ID}
			switch row := last[d]; {
			case letters[d]:
			case row == nil:
				return fmt.Sprintf("event %s has no attempt for subscription %s", e.ID, ref.ID)
			case row.State == hermod.Waiting:
				return fmt.Sprintf("attempt %s waits until %s, carried by %q", row.AttemptKey, row.NextAt, row.Carrier)
			}
		}
	}
	return ""
}

// letters are the deliveries that are among the dead letters.
func (s *State) letters() map[delivery]bool {
	found := map[delivery]bool{}
	for _, body := range s.DeadLetters {
		if m, err := hermod.DecodeMessage(body); err == nil {
			found[deliveryOf(m.RunKey())] = true
		}
	}
	return found
}

// lastRows are the last rows of the deliveries.
func (s *State) lastRows() map[delivery]*hermod.Attempt {
	last := map[delivery]*hermod.Attempt{}
	for _, a := range s.Attempts {
		d := deliveryOf(a.RunKey)
		if was := last[d]; was == nil || was.Compare(a.AttemptKey) < 0 {
			last[d] = a
		}
	}
	return last
}
