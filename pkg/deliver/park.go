package deliver

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"hermod/pkg/hermod"
)

// held reports whether the delivery, which has made so many attempts, is to be parked. A
// mock never is: it is how an owner tries whether the endpoint is well.
func (w *work) held(s *hermod.Subscription, attempts int) bool {
	if w.message.Trigger == hermod.TriggerMock {
		return false
	}
	return s.Health.Holds(w.message.RunKey()) || queues(s) && !w.hasTurn(attempts)
}

// queues reports whether what comes goes behind what is parked: more comes than the
// subscription's limit lets through.
func queues(s *hermod.Subscription) bool {
	return s.RateLimit > 0 && s.Health != nil && s.Health.Circuit == hermod.Limited
}

// hasTurn reports whether the delivery was parked for this very attempt, and woken.
func (w *work) hasTurn(attempts int) bool { return w.message.Unparked && w.message.After == attempts }

// waits parks a delivery that is not to be attempted now. It answers what becomes of the
// message, and false where the attempt may begin.
func (w *work) waits(ctx context.Context, s *hermod.Subscription, attempts int, until time.Time) (hermod.Outcome, bool) {
	if w.held(s, attempts) {
		claimed, err := w.claimProbe(ctx, s)
		if err != nil {
			return w.later(ctx, fmt.Errorf("claiming the probe: %w", err)), true
		}
		if !claimed {
			return w.park(ctx, attempts, until, false), true
		}
	}
	admitted, err := w.admit(ctx, s)
	if err != nil {
		return w.later(ctx, fmt.Errorf("asking whether the limit leaves room: %w", err)), true
	}
	if !admitted {
		return w.park(ctx, attempts, until, true), true
	}
	return hermod.Outcome{}, false
}

// admit asks whether the attempt may begin, of a subscription with a limit. Nobody else
// pays for the question. A mock is not asked for.
func (w *work) admit(ctx context.Context, s *hermod.Subscription) (bool, error) {
	if s.RateLimit == 0 || w.message.Trigger == hermod.TriggerMock {
		return true, nil
	}
	return w.Store.Admit(ctx, s.Ref(), w.message.EventID, s.RateLimit, w.Now())
}

// claimProbe has a delivery probe where one is due and nothing is parked that is older:
// then nobody has to look before it goes on.
func (w *work) claimProbe(ctx context.Context, s *hermod.Subscription) (bool, error) {
	h, now := *s.Health, w.Now()
	if h.Paused || h.Circuit != hermod.Open || now.Before(h.NextProbeAt) {
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

// park keeps the delivery, which has made so many attempts, until the subscription
// receives again, or, where it is its limit that left no room, until there is some. Whoever
// drains a subscription is done when nothing is parked any more, and may just have looked: so
// the health is read once more behind the write. Where nobody will look again, the message
// comes back. What was parked stays even so, since another worker may have had the same
// message and deleted it.
func (w *work) park(ctx context.Context, attempts int, until time.Time, limited bool) hermod.Outcome {
	now := w.Now()
	p := &hermod.Parked{Message: w.message, WakeAt: now.Add(jitter(parkedFor, w.Random()))}
	p.After = attempts
	p.Token = w.received.ID + "/" + strconv.Itoa(w.received.Receives) + "/" + strconv.FormatInt(now.UnixNano(), 36)
	if !until.IsZero() && until.Before(p.WakeAt) {
		p.WakeAt = until
	}
	if err := w.Store.Park(ctx, p); err != nil {
		return w.later(ctx, fmt.Errorf("parking the delivery: %w", err))
	}
	for range healthTries {
		s, err := w.reread(ctx)
		if err != nil {
			return w.later(ctx, err)
		}
		attended, err := w.attended(ctx, s, attempts, limited)
		if err != nil && hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return w.later(ctx, fmt.Errorf("writing the health of the endpoint: %w", err))
		}
		if attended {
			w.logParked(ctx, p)
			return hermod.Outcome{Action: hermod.Done}
		}
		if err == nil {
			break
		}
	}
	return hermod.Outcome{Action: hermod.Again, At: now}
}

// attended reports whether somebody will look after what was parked before the health was
// read, and sees to it where that takes a write. Whoever drains ends it by the version that
// he has read: a new one makes that fail, and he looks again. It fails with
// CodePreconditionFailed where another has changed the health meanwhile.
func (w *work) attended(ctx context.Context, s *hermod.Subscription, attempts int, limited bool) (bool, error) {
	if s == nil {
		return false, nil
	}
	h := hermod.Health{Owner: s.Owner, SubscriptionID: s.ID}
	if s.Health != nil {
		h = *s.Health
	}
	was := h.Circuit
	switch {
	case w.held(s, attempts), limited && (was == hermod.Open || queues(s)):
		return true, nil
	case limited && s.RateLimit > 0:
		h.Circuit = hermod.Limited
	case was != hermod.Draining:
		return false, nil
	}
	err := w.Store.PutHealth(ctx, &h)
	if err == nil && h.Circuit != was {
		w.logCircuit(ctx, &h)
	}
	return err == nil, err
}

// reread reads the subscription with its health as it is now; nil where there is none.
func (w *work) reread(ctx context.Context) (*hermod.Subscription, error) {
	ref := w.message.Ref()
	subs, err := w.Store.SubscriptionsByRef(ctx, []hermod.Ref{ref})
	if err != nil {
		return nil, fmt.Errorf("reading the health of the endpoint: %w", err)
	}
	return subs[ref], nil
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
