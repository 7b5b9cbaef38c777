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
	// Random draws from [0, 1) for the order of a Round; nil keeps to the store's. Safe for
	// concurrent use where Rounds are made side by side.
	Random func() float64
	Log    *slog.Logger
}

// DefaultDrainRate is how many parked deliveries a second go to an endpoint that is well
// again, where a Round is made each second.
const DefaultDrainRate = 50

const (
	// sweepEvery is how often Sweep begins a round, and how long a round goes on beginning
	// visits: whoever has many subscriptions slows his own, not the rounds of the others.
	sweepEvery = time.Second
	// sweepMargin is what must be left of the time given for another round, or a visit, to
	// begin.
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

// Round looks after the subscriptions, each at most once, for as long as it may begin
// another visit, in an order that is another one each time. It reports whether there is more
// to do than to wait: any of them is draining or has had no turn. A fault with one of them
// leaves the others alone.
func (s *Sweeper) Round(ctx context.Context) (draining bool, err error) {
	refs, err := s.Store.Attended(ctx)
	if err != nil {
		return false, fmt.Errorf("reading which subscriptions do not receive: %w", err)
	}
	if len(refs) == 0 {
		return false, nil
	}
	found, err := s.Store.SubscriptionsByRef(ctx, refs)
	if err != nil {
		return false, fmt.Errorf("reading their health: %w", err)
	}
	subs := s.inTurn(refs, found)
	until := s.until(ctx)
	more, errs := make([]bool, len(subs)), make([]error, len(subs))
	visit := func(i int) {
		defer func() {
			if p := recover(); p != nil {
				errs[i] = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		if !s.Now().Before(until) {
			more[i] = true
			return
		}
		more[i], errs[i] = s.attend(ctx, subs[i])
	}
	if len(subs) == 1 {
		visit(0)
	} else {
		sideBySide(len(subs), sweepParallel, visit)
	}
	for i, err := range errs {
		// Whoever has changed the health meanwhile knows better.
		if hermod.CodeOf(err) == hermod.CodePreconditionFailed {
			errs[i] = nil
		} else if err != nil {
			s.Log.LogAttrs(ctx, slog.LevelError, "subscription not attended",
				slog.String("subscription", subs[i].ID), hermod.LogError(err))
			errs[i] = fmt.Errorf("attending to subscription %s: %w", subs[i].ID, err)
		}
	}
	return slices.Contains(more, true), errors.Join(errs...)
}

// until is when a round that begins its visits now begins no more.
func (s *Sweeper) until(ctx context.Context) time.Time {
	until := s.Now().Add(sweepEvery)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-sweepMargin).Before(until) {
		return deadline.Add(-sweepMargin)
	}
	return until
}

// inTurn puts the subscriptions in the order in which they are visited: one of each owner and
// duty, then the next one of each, the quick duties first. So nobody waits for all that is to
// be done for another. Which ones come first is left to chance, since there may be no time for
// all, and nothing is kept that says who had his turn.
func (s *Sweeper) inTurn(refs []hermod.Ref, found map[hermod.Ref]*hermod.Subscription) []*hermod.Subscription {
	type line struct {
		owner string
		duty  duty
	}
	type turn struct {
		sub   *hermod.Subscription
		place int
		duty  duty
	}
	turns := make([]turn, 0, len(refs))
	for _, ref := range refs {
		if sub := found[ref]; sub != nil && sub.Health != nil {
			turns = append(turns, turn{sub: sub, duty: s.duty(sub)})
		}
	}
	for i := len(turns) - 1; i > 0 && s.Random != nil; i-- {
		j := int(s.Random() * float64(i+1))
		turns[i], turns[j] = turns[j], turns[i]
	}
	standing := map[line]int{}
	for i := range turns {
		l := line{turns[i].sub.Owner, turns[i].duty}
		turns[i].place = standing[l]
		standing[l]++
	}
	slices.SortStableFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.duty, b.duty))
	})
	subs := make([]*hermod.Subscription, len(turns))
	for i := range turns {
		subs[i] = turns[i].sub
	}
	return subs
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

// A duty is what a subscription needs beside a notice. Those that take longer are greater.
type duty int

const (
	dutyNone duty = iota
	dutyProbe
	dutyDrain
)

func (s *Sweeper) duty(sub *hermod.Subscription) duty {
	now, h := s.Now(), sub.Health
	switch {
	case h.Circuit == hermod.Closed && !h.Paused:
		return dutyNone
	case !sub.InForce(now): // what is parked ends with a row that says so
		return dutyDrain
	case h.Paused || h.Circuit == hermod.Open && now.Before(h.NextProbeAt):
		return dutyNone
	case h.Circuit == hermod.Open:
		return dutyProbe
	default:
		return dutyDrain
	}
}

func (s *Sweeper) attend(ctx context.Context, sub *hermod.Subscription) (draining bool, err error) {
	told, err := s.tell(ctx, sub)
	if err != nil {
		return true, err
	}
	switch s.duty(sub) {
	case dutyProbe:
		return false, s.probe(ctx, sub.Health)
	case dutyDrain:
		return s.drain(ctx, sub, told)
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
