package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// A Sweeper looks after the subscriptions whose deliveries are parked: it sends the
// probes of open circuits and drains closed ones. It keeps nothing in mind, and two
// Sweepers at once do no harm.
type Sweeper struct {
	Store SweepStore
	Queue Queue
	// Notifier tells owners; nil tells nobody.
	Notifier Notifier
	// Rate is how many parked deliveries of a subscription a Round sends; 0 is
	// DefaultDrainRate.
	Rate int
	Now  func() time.Time
	Log  *slog.Logger
}

// DefaultDrainRate is how many parked deliveries a second go to an endpoint that is well
// again, where a Round is made each second.
const DefaultDrainRate = 50

// sweepEvery is how long Sweep rests between two rounds.
const sweepEvery = time.Second

// Sweep makes a Round each second until nothing is left to drain or ctx is about to end.
func (s *Sweeper) Sweep(ctx context.Context) error {
	for {
		draining, err := s.Round(ctx)
		if err != nil || !draining {
			return err
		}
		deadline, ok := ctx.Deadline()
		if ok && deadline.Sub(s.Now()) <= wakeMargin {
			return nil // the next minute goes on
		}
		rest := time.NewTimer(sweepEvery)
		select {
		case <-ctx.Done():
			rest.Stop()
			return nil
		case <-rest.C:
		}
	}
}

// Round looks after each subscription once, and reports whether any of them is draining.
// A fault with one of them leaves the others alone.
func (s *Sweeper) Round(ctx context.Context) (draining bool, err error) {
	refs, err := s.Store.Attended(ctx)
	if err != nil {
		return false, fmt.Errorf("reading which subscriptions do not receive: %w", err)
	}
	if len(refs) == 0 {
		return false, nil
	}
	subs, err := s.Store.SubscriptionsByRef(ctx, refs)
	if err != nil {
		return false, fmt.Errorf("reading their health: %w", err)
	}
	var errs []error
	for _, ref := range refs {
		sub := subs[ref]
		if sub == nil || sub.Health == nil {
			continue
		}
		more, err := s.attend(ctx, sub)
		draining = draining || more
		// Whoever has changed the health meanwhile knows better.
		if err != nil && hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			s.Log.LogAttrs(ctx, slog.LevelError, "subscription not attended",
				slog.String("subscription", ref.ID), hermod.LogError(err))
			errs = append(errs, fmt.Errorf("attending to subscription %s: %w", ref.ID, err))
		}
	}
	return draining, errors.Join(errs...)
}

func (s *Sweeper) attend(ctx context.Context, sub *hermod.Subscription) (draining bool, err error) {
	if err := s.tell(ctx, sub); err != nil {
		return true, err
	}
	now, h := s.Now(), sub.Health
	switch {
	case !sub.InForce(now): // what is parked ends with a row that says so
		return s.drain(ctx, sub)
	case h.Paused:
		return false, nil
	case h.Circuit == hermod.Draining:
		return s.drain(ctx, sub)
	case h.Circuit == hermod.Open && !now.Before(h.NextProbeAt):
		return false, s.probe(ctx, h)
	default:
		return false, nil
	}
}

// probe sends the oldest parked delivery. It is named in the health before: only the
// named one is not parked again. Where nothing is parked, the next to come probes.
func (s *Sweeper) probe(ctx context.Context, h *hermod.Health) error {
	parked, err := s.Store.ParkedOf(ctx, h.SubscriptionID, 1)
	if err != nil || len(parked) == 0 {
		return err
	}
	c := *h
	c.Probe(parked[0].RunKey(), s.Now().Add(probeLease))
	if err := s.Store.PutHealth(ctx, &c); err != nil {
		return err
	}
	return unpark(ctx, s.Queue, s.Store, parked)
}

// drain sends the oldest of what is parked. When there is nothing, the subscription
// needs no further attention, unless it is paused and may come back.
func (s *Sweeper) drain(ctx context.Context, sub *hermod.Subscription) (draining bool, err error) {
	h := *sub.Health
	rate := s.Rate
	if rate == 0 {
		rate = DefaultDrainRate
	}
	parked, err := s.Store.ParkedOf(ctx, sub.ID, rate)
	if err != nil {
		return true, err
	}
	if len(parked) > 0 {
		return true, unpark(ctx, s.Queue, s.Store, parked)
	}
	inForce := sub.InForce(s.Now())
	if !inForce {
		if h.Paused && !sub.Deleted() {
			return false, nil
		}
		h.Paused = false
		h.Well()
	}
	h.Circuit = hermod.Closed
	return false, keepHealth(ctx, s.Store, &h)
}
