package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
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
	// Rate is how many parked deliveries a Round sends of a subscription that names no
	// limit of its own; 0 is DefaultDrainRate.
	Rate int
	Now  func() time.Time
	Log  *slog.Logger
}

// DefaultDrainRate is how many parked deliveries a second go to an endpoint that is well
// again, where a Round is made each second.
const DefaultDrainRate = 50

const (
	// sweepEvery is how often Sweep begins a round.
	sweepEvery = time.Second
	// sweepMargin is what must be left of the time given for another round to begin.
	sweepMargin = 5 * time.Second
	// sweepParallel is how many subscriptions are attended to at a time: none waits until
	// all that is parked of those before it has been sent.
	sweepParallel = 8
)

// Sweep makes a Round each second until nothing is left to drain or ctx is about to end. A
// fault with one subscription does not end it; the last one is answered.
func (s *Sweeper) Sweep(ctx context.Context) (last error) {
	for {
		begun := s.Now()
		draining, err := s.Round(ctx)
		if err != nil {
			last = err
		}
		if !draining {
			return last
		}
		now := s.Now()
		deadline, ok := ctx.Deadline()
		if ok && deadline.Sub(now) <= sweepMargin {
			return last // the next minute goes on
		}
		rest := time.NewTimer(min(max(sweepEvery-now.Sub(begun), 0), sweepEvery))
		select {
		case <-ctx.Done():
			rest.Stop()
			return last
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
	more, errs := make([]bool, len(refs)), make([]error, len(refs))
	look := func(i int) {
		defer func() {
			if p := recover(); p != nil {
				errs[i] = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		if sub := subs[refs[i]]; sub != nil && sub.Health != nil {
			more[i], errs[i] = s.attend(ctx, sub)
		}
	}
	if len(refs) == 1 {
		look(0)
	} else {
		sideBySide(len(refs), sweepParallel, look)
	}
	for i, err := range errs {
		// Whoever has changed the health meanwhile knows better.
		if hermod.CodeOf(err) == hermod.CodePreconditionFailed {
			errs[i] = nil
		} else if err != nil {
			s.Log.LogAttrs(ctx, slog.LevelError, "subscription not attended",
				slog.String("subscription", refs[i].ID), hermod.LogError(err))
			errs[i] = fmt.Errorf("attending to subscription %s: %w", refs[i].ID, err)
		}
	}
	return slices.Contains(more, true), errors.Join(errs...)
}

// sideBySide does n things, at most so many at a time, and returns when all are done.
func sideBySide(n, limit int, do func(i int)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, limit)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			do(i)
		})
	}
	wg.Wait()
}

func (s *Sweeper) attend(ctx context.Context, sub *hermod.Subscription) (draining bool, err error) {
	told, err := s.tell(ctx, sub)
	if err != nil {
		return true, err
	}
	now, h := s.Now(), sub.Health
	switch {
	case h.Circuit == hermod.Closed && !h.Paused:
		return false, nil
	case !sub.InForce(now): // what is parked ends with a row that says so
		return s.drain(ctx, sub, told)
	case h.Paused:
		return false, nil
	case h.Circuit == hermod.Open && now.Before(h.NextProbeAt):
		return false, nil
	case h.Circuit == hermod.Open:
		return false, s.probe(ctx, h)
	default:
		return s.drain(ctx, sub, told)
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

// drain sends the oldest of what is parked: as many as the subscription's limit lets through,
// or as the Sweeper's rate has it. When there is nothing, the subscription needs no further
// attention, unless it is paused and may come back, or its owner has yet to be told.
//
// Whoever parks a delivery looks behind his write whether what comes is parked. So there is a
// round in which it no longer is before the one that finds nothing parked and ends it.
func (s *Sweeper) drain(ctx context.Context, sub *hermod.Subscription, told bool) (draining bool, err error) {
	parked, err := s.Store.ParkedOf(ctx, sub.ID, s.rate(sub))
	if err != nil {
		return true, err
	}
	if len(parked) > 0 {
		return true, unpark(ctx, s.Queue, s.Store, parked)
	}
	h, inForce := *sub.Health, sub.InForce(s.Now())
	switch {
	case !inForce && h.Paused && !sub.Deleted(), !told:
		return false, nil
	case h.Paused || h.Circuit != hermod.Draining:
		h.Paused, h.Circuit = false, hermod.Draining
		return true, s.Store.PutHealth(ctx, &h)
	case !inForce:
		h.Forget()
	case h.Told == hermod.NoticeFailing:
		if !s.notify(ctx, sub, hermod.NoticeRecovered, h.OpenedAt) {
			return false, nil
		}
		h.Told = hermod.NoticeRecovered
		if err := s.Store.PutHealth(ctx, &h); err != nil {
			return false, err
		}
	}
	h.Circuit = hermod.Closed
	return false, keepHealth(ctx, s.Store, &h)
}

// rate is how many parked deliveries of a subscription go in one round.
func (s *Sweeper) rate(sub *hermod.Subscription) int {
	rate := cmp.Or(s.Rate, DefaultDrainRate)
	switch {
	case sub.RateLimit == 0:
		return rate
	case sub.InForce(s.Now()):
		return sub.RateLimit
	default: // what ends without an attempt is not limited
		return max(rate, sub.RateLimit)
	}
}
