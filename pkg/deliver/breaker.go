package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// A Breaker says when the circuit of an endpoint opens, how it is probed, and when it is
// given up. Zero members are those of DefaultBreaker.
type Breaker struct {
	// Failures in a row open the circuit.
	Failures int
	// For is how long there must have been only failures, at least two of them, for
	// fewer to open it.
	For time.Duration
	// Probes are the waits before the first probe, the second, and so on. The last one
	// is kept to.
	Probes hermod.Schedule
	// DisableAfter is how long there must have been only failures for the subscription
	// to be switched off.
	DisableAfter time.Duration
}

// DefaultBreaker opens after 10 failures in a row or 5 minutes of only failures. It
// probes as the default schedule retries, up to once an hour: whoever is well again after
// days should not wait for another one. It switches the subscription off after 5 days, as
// Svix does.
func DefaultBreaker() Breaker {
	return Breaker{
		Failures:     10,
		For:          5 * time.Minute,
		Probes:       hermod.Schedule{5 * time.Second, 5 * time.Minute, 30 * time.Minute, time.Hour},
		DisableAfter: 5 * 24 * time.Hour,
	}
}

func (b Breaker) orDefault() Breaker {
	d := DefaultBreaker()
	b.Failures, b.For = cmp.Or(b.Failures, d.Failures), cmp.Or(b.For, d.For)
	b.DisableAfter = cmp.Or(b.DisableAfter, d.DisableAfter)
	if len(b.Probes) == 0 {
		b.Probes = d.Probes
	}
	return b
}

const (
	// atLeast is how many failures there must be, however long they go on.
	atLeast = 2
	// probeLease is how long a probe may take before another one is sent: longer than
	// the queue hides the message of a worker that died.
	probeLease = 5 * time.Minute
	// parkedFor is how long a delivery is parked before its message is sent whatever
	// the health says: nothing that is parked depends on another row to be found.
	parkedFor = 12 * time.Hour
	// healthTries is how often a change of the health is made anew that met another one.
	healthTries = 3
)

// trips reports whether the failures are enough to open the circuit.
func (b *Breaker) trips(h *hermod.Health) bool {
	return h.Circuit != hermod.Open &&
		(h.Failures >= b.Failures || h.Failures >= atLeast && h.LastAt.Sub(h.Since) >= b.For)
}

// probeWait is how long to wait before the next probe, when so many have failed.
func (b *Breaker) probeWait(probes int, retryAfter time.Duration, u float64) time.Duration {
	wait, _ := b.Probes.Wait(min(probes+1, len(b.Probes)), retryAfter, u)
	return wait
}

// counts reports whether the failure is one of the endpoint: what says something of one
// payload alone, or of what Hermod can do, is not. A credential that is refused and a
// queue that is not there are: they fail every event in the same way.
func (r *Result) counts() bool {
	switch r.Class {
	case ClassTooLarge, ClassConfiguration, ClassUnsupported, ClassInterrupted:
		return false
	default:
		return true
	}
}

// noteHealth writes down what the attempt says of the endpoint. Nothing is written
// where it was well and is. What comes to nothing is logged: the next attempt says
// the same.
func (w *work) noteHealth(ctx context.Context, s *hermod.Subscription, row *hermod.Attempt, result *Result) {
	var err error
	switch {
	case result.Succeeded():
		err = w.changeHealth(ctx, w.health(s), w.recovered)
	case w.message.Trigger == hermod.TriggerMock:
		// What its owner tries out is no run of failures.
	case result.Permanent == hermod.ReasonGone:
		err = w.attend(ctx, s, func(h *hermod.Health) bool { h.Drain(); return true })
	case !result.counts():
		err = w.leaveTurn(ctx, s)
	case s.Health != nil && s.Health.Circuit == hermod.Open:
		err = w.probeFailed(ctx, w.health(s), result)
	default:
		err = w.failed(ctx, s.Ref(), result)
	}
	if row.Reason == hermod.ReasonExhausted && w.message.Trigger != hermod.TriggerMock && !w.tells() {
		err = errors.Join(err, w.attend(ctx, s, exhausted(row.At)))
	}
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "health of endpoint not written",
			slog.String("subscription", s.ID), hermod.LogError(err))
	}
}

// tells reports whether the event is itself a notice of Hermod's. What becomes of one must not
// be the cause of another, or an endpoint that fails would be told of for ever.
func (w *work) tells() bool { return w.event().Sender == hermod.NoticeSender }

// exhausted has the owner be told that the schedule of a delivery was used up at the time.
func exhausted(at time.Time) func(*hermod.Health) bool {
	return func(h *hermod.Health) bool {
		if !h.Exhausted.IsZero() {
			return false
		}
		h.Exhausted = at
		return true
	}
}

// attend changes the health as it is now, of an endpoint that is well too, so that the
// Sweeper looks after the subscription.
func (w *work) attend(ctx context.Context, s *hermod.Subscription, change func(*hermod.Health) bool) error {
	for try := 1; ; try++ {
		now, err := w.reread(ctx)
		if err != nil || now == nil {
			return err
		}
		h := hermod.Health{Owner: s.Owner, SubscriptionID: s.ID}
		if now.Health != nil {
			h = *now.Health
		}
		if !change(&h) {
			return nil
		}
		err = w.Store.PutHealth(ctx, &h)
		if err == nil || hermod.CodeOf(err) != hermod.CodePreconditionFailed || try == healthTries {
			return err
		}
	}
}

// failed counts a failure, and opens the circuit where it is one too many.
func (w *work) failed(ctx context.Context, ref hermod.Ref, result *Result) error {
	h, err := w.Store.Fail(ctx, ref, w.Now(), result.Class)
	if err != nil {
		return fmt.Errorf("counting a failure: %w", err)
	}
	return w.changeHealth(ctx, h, func(h *hermod.Health) bool {
		if w.tells() || !w.Breaker.trips(h) {
			return false
		}
		h.Circuit, h.OpenedAt, h.Probes = hermod.Open, w.Now(), 0
		h.Release(w.Now().Add(w.Breaker.probeWait(0, result.RetryAfter, w.Random())))
		return true
	})
}

// probeFailed has the next probe wait longer, and switches the subscription off where
// there have been only failures for too long. The failure of an attempt that had begun
// before the circuit was opened says nothing new.
func (w *work) probeFailed(ctx context.Context, h *hermod.Health, result *Result) error {
	disable := false
	err := w.changeHealth(ctx, h, func(h *hermod.Health) bool {
		if !h.ProbedBy(w.message.RunKey()) {
			return false
		}
		now := w.Now()
		h.Fail(now, result.Class)
		h.Probes++
		h.Release(now.Add(w.Breaker.probeWait(h.Probes, result.RetryAfter, w.Random())))
		disable = now.Sub(h.Since) >= w.Breaker.DisableAfter
		return true
	})
	if err != nil || !disable {
		return err
	}
	if !w.disable(ctx, hermod.ReasonFailing) {
		return nil
	}
	// What is parked ends with a row that says so. Should its owner switch it on again,
	// it starts anew.
	return w.changeHealth(ctx, h, func(h *hermod.Health) bool { h.Drain(); return true })
}

// recovered closes the circuit.
func (w *work) recovered(h *hermod.Health) bool {
	if h.Failures == 0 && h.Circuit != hermod.Open {
		return false
	}
	h.Forget()
	if h.Circuit == hermod.Open {
		h.Circuit = hermod.Draining
	}
	h.Release(time.Time{})
	return true
}

// releaseProbe has another delivery probe where this one's run went on or ended without
// asking the destination.
func (w *work) releaseProbe(ctx context.Context, outcome hermod.Outcome) {
	s := w.subscription()
	if w.pushed || s == nil || outcome.Action == hermod.Again {
		return
	}
	if err := w.leaveTurn(ctx, s); err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "probe not released", slog.String("subscription", s.ID), hermod.LogError(err))
	}
}

// leaveTurn has another delivery probe at once, where this one was to and has found out
// nothing of the endpoint.
func (w *work) leaveTurn(ctx context.Context, s *hermod.Subscription) error {
	if !w.health(s).ProbedBy(w.message.RunKey()) {
		return nil
	}
	return w.changeHealth(ctx, w.health(s), func(h *hermod.Health) bool {
		if !h.ProbedBy(w.message.RunKey()) {
			return false
		}
		h.Release(w.Now())
		return true
	})
}

// changeHealth writes what change makes of the health, unless it answers false. Where
// another has changed it meanwhile, change gets what stands now, once.
func (w *work) changeHealth(ctx context.Context, h *hermod.Health, change func(*hermod.Health) bool) error {
	for again := false; h != nil; again = true {
		c := *h
		was := c.Circuit
		if !change(&c) {
			return nil
		}
		err := keepHealth(ctx, w.Store, &c)
		if err == nil && c.Circuit != was {
			w.logCircuit(ctx, &c)
		}
		if err == nil || hermod.CodeOf(err) != hermod.CodePreconditionFailed || again {
			return err
		}
		subs, err := w.Store.SubscriptionsByRef(ctx, []hermod.Ref{h.Ref()})
		if err != nil {
			return err
		}
		h = nil
		if s := subs[c.Ref()]; s != nil {
			h = s.Health
		}
	}
	return nil
}

// keepHealth writes a health, or deletes it where there is nothing left to say.
func keepHealth(ctx context.Context, store HealthStore, h *hermod.Health) error {
	if h.Well() {
		return store.DeleteHealth(ctx, h)
	}
	return store.PutHealth(ctx, h)
}
