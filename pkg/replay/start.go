// Package replay delivers again: one event, or what a filter selects of the event
// log. Delivering again is a new run of a delivery, whose message goes the way of
// every other; what a replay adds is which deliveries, how fast, and how far it is.
package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hermod/pkg/hermod"
)

// A Starter delivers one event again.
type Starter struct {
	Deliveries Deliveries
	Queue      Queue
	Now        func() time.Time
	// Trigger is what the runs are started by; "" is hermod.TriggerReplay.
	Trigger hermod.Trigger
}

// ToMatching starts a new run to each subscription that the event matches now, of
// the owners' and of the global ones. It does not matter when the subscription was
// made, what the event matched when it was accepted, or that the event has expired.
// A mock goes to the subscription that it was made for alone, where it matches that.
func (s *Starter) ToMatching(ctx context.Context, e *hermod.Event, owners []string) error {
	all, err := load(ctx, s.Deliveries, append(slices.Clone(owners), hermod.EveryOwner))
	if err != nil {
		return err
	}
	return s.start(ctx, e, all.of(e, s.Now()))
}

// To starts a new run to one subscription, whatever its filters. It fails with
// CodeConflict where the subscription is not in force, where the event is a mock for
// another, and where the event is internal and the subscription does not include such.
func (s *Starter) To(ctx context.Context, e *hermod.Event, sub *hermod.Subscription) error {
	if err := s.check(e, sub); err != nil {
		return err
	}
	return s.start(ctx, e, []hermod.Ref{sub.Ref()})
}

// check fails with CodeConflict where the subscription does not take the event now.
func (s *Starter) check(e *hermod.Event, sub *hermod.Subscription) error {
	if reason := whyNot(sub, s.Now()); reason != "" {
		return errNotInForce(reason)
	}
	if e.Mock && !slices.Contains(e.Matches, sub.Ref()) {
		return hermod.Errorf(hermod.CodeConflict, "a mocked event is replayed to the subscription that it was mocked for alone")
	}
	if e.Internal && !sub.IncludeInternal {
		return hermod.Errorf(hermod.CodeConflict, "the subscription does not include internal events")
	}
	return nil
}

// Redrive starts the run after the one that the dead letter ended, and answers its first
// attempt. Of two redrives at once both name that run, whose rows make one of them. It
// fails as To does.
func (s *Starter) Redrive(ctx context.Context, letter *hermod.Attempt, e *hermod.Event, sub *hermod.Subscription) (hermod.AttemptKey, error) {
	if err := s.check(e, sub); err != nil {
		return hermod.AttemptKey{}, err
	}
	return s.next(ctx, letter, hermod.TriggerRedrive)
}

// Retry starts another run of a delivery, whatever became of the last one, and answers
// its first attempt. It fails with CodeConflict while a run is under way, besides as To
// does, and with CodeNotFound where the delivery has no row.
func (s *Starter) Retry(ctx context.Context, e *hermod.Event, sub *hermod.Subscription) (hermod.AttemptKey, error) {
	if err := s.check(e, sub); err != nil {
		return hermod.AttemptKey{}, err
	}
	last, err := s.Deliveries.LastOf(ctx, sub.ID, e.ID)
	switch {
	case err != nil:
		return hermod.AttemptKey{}, fmt.Errorf("reading the last attempt of a delivery: %w", err)
	case last == nil:
		return hermod.AttemptKey{}, hermod.Errorf(hermod.CodeNotFound, "no attempt of this delivery was made")
	case last.State == hermod.Waiting:
		return hermod.AttemptKey{}, hermod.Errorf(hermod.CodeConflict, "the delivery is being tried again as it is")
	}
	return s.next(ctx, last, hermod.TriggerRetry)
}

// next starts the run after the one that the row ended.
func (s *Starter) next(ctx context.Context, last *hermod.Attempt, trigger hermod.Trigger) (hermod.AttemptKey, error) {
	m := nextRun(last, trigger)
	if err := s.send(ctx, []hermod.Message{m}, overtaken(nil, last)); err != nil {
		return hermod.AttemptKey{}, err
	}
	return hermod.AttemptKey{RunKey: m.RunKey(), Number: 1}, nil
}

// nextRun is the message that starts the run after the one that the row is of.
func nextRun(last *hermod.Attempt, trigger hermod.Trigger) hermod.Message {
	return hermod.Message{
		EventID: last.EventID, Account: last.Account, Owner: last.Owner, SubscriptionID: last.SubscriptionID,
		Run: last.Run + 1, Trigger: trigger,
	}
}

// overtaken adds the last row of a delivery that is started again to those that leave
// the dead index for it.
func overtaken(keys []hermod.AttemptKey, last *hermod.Attempt) []hermod.AttemptKey {
	if last != nil && last.State == hermod.Dead && !last.Cleared {
		return append(keys, last.AttemptKey)
	}
	return keys
}

// send sends the messages that start runs, and then clears the dead rows that those
// overtake. After a crash in between, the row of the new run says as much.
func (s *Starter) send(ctx context.Context, messages []hermod.Message, dead []hermod.AttemptKey) error {
	if err := s.Queue.Send(ctx, messages); err != nil {
		return fmt.Errorf("sending %d messages of a replay: %w", len(messages), err)
	}
	if len(dead) == 0 {
		return nil
	}
	if err := s.Deliveries.ClearDead(ctx, dead); err != nil {
		return fmt.Errorf("clearing %d dead rows: %w", len(dead), err)
	}
	return nil
}

func (s *Starter) start(ctx context.Context, e *hermod.Event, refs []hermod.Ref) error {
	deliveries := make([]delivery, len(refs))
	for i, ref := range refs {
		deliveries[i] = delivery{e, ref}
	}
	messages, dead, err := nextRuns(ctx, s.Deliveries, deliveries, hermod.ID{})
	if err != nil || len(messages) == 0 {
		return err
	}
	for i := range messages {
		messages[i].Trigger = cmp.Or(s.Trigger, messages[i].Trigger)
	}
	return s.send(ctx, messages, dead)
}

// A delivery is an event and who receives it.
type delivery struct {
	event *hermod.Event
	to    hermod.Ref
}

// reading is how many deliveries are read at a time.
const reading = 16

// nextRuns makes the messages that start the next run of each delivery, and says which
// dead rows those overtake. One whose last run is the replay's own has been started
// already and is left out.
//
// The next run is the one after the last that has a row, and never the match's run 0,
// which may have none yet. Two replays before the first attempt name the same run,
// whose rows make one of them. That is what makes sending again after a crash
// harmless.
func nextRuns(ctx context.Context, d Deliveries, deliveries []delivery, replay hermod.ID) (messages []hermod.Message, dead []hermod.AttemptKey, err error) {
	last := make([]*hermod.Attempt, len(deliveries))
	g, reads := errgroup.WithContext(ctx)
	g.SetLimit(reading)
	for i, one := range deliveries {
		g.Go(func() (err error) {
			last[i], err = d.LastOf(reads, one.to.ID, one.event.ID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, fmt.Errorf("reading the last attempts of deliveries: %w", err)
	}
	messages = make([]hermod.Message, 0, len(deliveries))
	for i, one := range deliveries {
		m := hermod.Message{
			EventID: one.event.ID, Account: one.event.AccountID, Owner: one.to.Owner, SubscriptionID: one.to.ID,
			Run: 1, Trigger: hermod.TriggerReplay, Replay: replay,
		}
		if last[i] != nil {
			if !replay.IsZero() && last[i].Replay == replay {
				continue
			}
			m.Run = last[i].Run + 1
			dead = overtaken(dead, last[i])
		}
		messages = append(messages, m)
	}
	return messages, dead, nil
}
