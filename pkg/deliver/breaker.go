package deliver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
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

// held reports whether the delivery is to be parked. A mock never is: it is how an owner
// tries whether the endpoint is well.
func (w *work) held(s *hermod.Subscription) bool {
	return w.message.Trigger != hermod.TriggerMock && s.Health.Holds(w.message.RunKey())
}

// claimProbe has a delivery probe where one is due and nothing is parked that is older:
// then nobody has to look before it goes on.
func (w *work) claimProbe(ctx context.Context, s *hermod.Subscription) (bool, error) {
	h, now := *s.Health, w.Now()
	if h.Paused || now.Before(h.NextProbeAt) {
		return false, nil
	}
	parked, err := w.Store.ParkedOf(ctx, s.ID, 1)
	if err != nil || len(parked) > 0 {
		return false, err
	}
	h.Probe(w.message.RunKey(), now.Add(probeLease))
	err = w.Store.PutHealth(ctx, &h)
	if hermod.CodeOf(err) == hermod.CodePreconditionFailed {
		return false, nil // another one probes
	}
	w.probe = &h
	return err == nil, err
}

// health is how the endpoint did when this receive looked last.
func (w *work) health(s *hermod.Subscription) *hermod.Health {
	if w.probe != nil {
		return w.probe
	}
	return s.Health
}

// park keeps the delivery until the subscription receives again. Whoever drains a
// subscription is done when nothing is parked any more, and may just have looked: so
// the health is read once more behind the write. Where it no longer holds, the message
// comes back, unless the drain is made to look again: with what is parked on its way too,
// the delivery would be pushed twice. What was parked stays in any case, since another
// worker may have had the same message and deleted it.
func (w *work) park(ctx context.Context, last *hermod.Attempt, until time.Time) hermod.Outcome {
	now := w.Now()
	p := &hermod.Parked{Message: w.message, WakeAt: now.Add(jitter(parkedFor, w.Random()))}
	p.After = 0
	if last != nil {
		p.After = last.Number
	}
	p.Token = w.received.ID + "/" + strconv.Itoa(w.received.Receives) + "/" + strconv.FormatInt(now.UnixNano(), 36)
	if !until.IsZero() && until.Before(p.WakeAt) {
		p.WakeAt = until
	}
	if err := w.Store.Park(ctx, p); err != nil {
		return w.later(ctx, fmt.Errorf("parking the delivery: %w", err))
	}
	ref := w.message.Ref()
	subs, err := w.Store.SubscriptionsByRef(ctx, []hermod.Ref{ref})
	if err != nil {
		return w.later(ctx, fmt.Errorf("reading the health of the endpoint: %w", err))
	}
	if s := subs[ref]; s == nil || !w.held(s) && !w.drainedLater(ctx, s.Health) {
		return hermod.Outcome{Action: hermod.Again, At: now}
	}
	w.logParked(ctx, p)
	return hermod.Outcome{Action: hermod.Done}
}

// drainedLater reports whether what was parked before the health was read is drained. Who
// drains ends it by the version of the health that it has read: a new version makes that
// fail, and it looks again.
func (w *work) drainedLater(ctx context.Context, h *hermod.Health) bool {
	if h == nil || h.Circuit != hermod.Draining {
		return false
	}
	c := *h
	return w.Store.PutHealth(ctx, &c) == nil
}

// overtakeParked notes the row that a run overtakes which was parked before its first row:
// the message that started it is gone.
func (w *work) overtakeParked(ctx context.Context) error {
	run := w.message.RunKey()
	if !w.message.Unparked || w.message.Trigger != hermod.TriggerRedrive || run.Run == 0 || len(w.overtaken) > 0 {
		return nil
	}
	run.Run--
	before, err := w.Store.LastAttempt(ctx, run)
	if err == nil && before != nil && before.State == hermod.Dead {
		w.overtake(before)
	}
	return err
}

// jitter spreads a wait by ±10 %, by u in [0, 1).
func jitter(d time.Duration, u float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*u))
}

// noteHealth writes down what the attempt says of the endpoint. Nothing is written
// where it was well and is. What comes to nothing is logged: the next attempt says
// the same.
func (w *work) noteHealth(ctx context.Context, s *hermod.Subscription, result *Result) {
	var err error
	switch {
	case result.Succeeded():
		err = w.changeHealth(ctx, w.health(s), w.recovered)
	case result.Permanent == hermod.ReasonGone || !result.counts() || w.message.Trigger == hermod.TriggerMock:
		// What the subscription was switched off for needs no circuit; what its owner
		// tries out is no run of failures.
	case s.Health != nil && s.Health.Circuit == hermod.Open:
		err = w.probeFailed(ctx, w.health(s), result)
	default:
		err = w.failed(ctx, s.Ref(), result)
	}
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "health of endpoint not written",
			slog.String("subscription", s.ID), hermod.LogError(err))
	}
}

// failed counts a failure, and opens the circuit where it is one too many.
func (w *work) failed(ctx context.Context, ref hermod.Ref, result *Result) error {
	h, err := w.Store.Fail(ctx, ref, w.Now(), result.Class)
	if err != nil {
		return fmt.Errorf("counting a failure: %w", err)
	}
	return w.changeHealth(ctx, h, func(h *hermod.Health) bool {
		if !w.Breaker.trips(h) {
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
	return w.changeHealth(ctx, h, func(h *hermod.Health) bool {
		h.Well()
		h.Circuit = hermod.Draining
		h.Release(time.Time{})
		return true
	})
}

// recovered closes the circuit.
func (w *work) recovered(h *hermod.Health) bool {
	if h.Failures == 0 && h.Circuit != hermod.Open {
		return false
	}
	h.Well()
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
	if w.pushed || s == nil || !w.health(s).ProbedBy(w.message.RunKey()) || outcome.Action == hermod.Again {
		return
	}
	err := w.changeHealth(ctx, w.health(s), func(h *hermod.Health) bool {
		if !h.ProbedBy(w.message.RunKey()) {
			return false
		}
		h.Release(w.Now())
		return true
	})
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "probe not released", slog.String("subscription", s.ID), hermod.LogError(err))
	}
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
	if h.Failures == 0 && !h.Attended() {
		return store.DeleteHealth(ctx, h)
	}
	return store.PutHealth(ctx, h)
}
