package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// DefaultQueueWait is the longest wait that stays in the queue: 15 minutes before
// jitter. A hidden message counts as in flight, of which a queue has some 120,000.
const DefaultQueueWait = 15*time.Minute + 15*time.Minute/10

const (
	// forgotten is the age from which an event that is not there will not come any
	// more: its put was given up, or its retention has ended.
	forgotten = time.Hour
	// spareReceives are kept for crashes and throttling: a wait that would leave
	// fewer goes by the due index, which comes back as a message with all of them.
	spareReceives = 3
)

// work is one message being handled.
type work struct {
	Options
	message  hermod.Message
	received *hermod.Received
	loaded   loaded
	// lost says that another worker put the row of this receive's attempt.
	lost bool
	// overtaken are the dead rows of the runs before the one that this receive starts.
	overtaken []hermod.AttemptKey
	// probe is the health by which this receive claimed to probe; nil where it did not.
	probe *hermod.Health
	// pushed says that the destination was asked.
	pushed bool
	// as is the type that the event was translated to; "" for not.
	as string
}

// carryOn reads where the run stands and does what is next.
func (w *work) carryOn(ctx context.Context) hermod.Outcome {
	for {
		last, err := w.Store.LastAttempt(ctx, w.message.RunKey())
		if err != nil {
			return w.later(ctx, fmt.Errorf("reading the last attempt: %w", err))
		}
		if last == nil {
			if err := w.overtakeParked(ctx); err != nil {
				return w.later(ctx, fmt.Errorf("reading the run before: %w", err))
			}
		}
		s, at := decide(last, &w.message, w.received, w.MaxReceives, w.Now())
		switch s {
		case stepAcknowledge:
			return hermod.Outcome{Action: hermod.Done}
		case stepHide, stepWatch:
			return hermod.Outcome{Action: hermod.Again, At: at}
		case stepGiveUp:
			return hermod.Outcome{Action: hermod.GiveUp}
		case stepNextRun:
			w.overtake(last)
			w.message.Run++
			w.message.After = 0
			w.message.Trigger = hermod.TriggerRedrive
			w.message.Replay = hermod.ID{}
			w.message.Until = time.Time{}
		case stepOverBudget:
			return w.end(ctx, w.newRow(last), hermod.ReasonReceiveBudget, "Hermod could not make this attempt")
		case stepAttempt:
			if w.lost { // one push a receive: there is no time for two
				return hermod.Outcome{Action: hermod.Again, At: w.Now()}
			}
			return w.attempt(ctx, last)
		}
	}
}

func (w *work) newRow(last *hermod.Attempt) *hermod.Attempt {
	m := &w.message
	row := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: m.RunKey(), Number: 1},
		Owner:      m.Owner, Account: m.Account, Trigger: m.Trigger, Replay: m.Replay, Until: m.Until,
		At: w.Now(),
	}
	row.RetainUntil = row.At.Add(hermod.DefaultRetention)
	if last != nil {
		row.Number = last.Number + 1
	}
	if s := w.subscription(); s != nil {
		row.SubscriptionType, row.SubscriptionName = s.Type, s.Name
	}
	if e := w.event(); e != nil && e.RetainUntil.After(row.At) {
		row.RetainUntil = e.RetainUntil
	}
	return row
}

func (w *work) event() *hermod.Event {
	return w.loaded.events[hermod.EventKey{Account: w.message.Account, ID: w.message.EventID}]
}

func (w *work) subscription() *hermod.Subscription {
	return w.loaded.subscriptions[w.message.Ref()]
}

// attempt makes the attempt after the last row, or writes down why there is none.
func (w *work) attempt(ctx context.Context, last *hermod.Attempt) hermod.Outcome {
	row := w.newRow(last)
	if reason := w.unwanted(row.At); reason != "" {
		return w.end(ctx, row, reason, "")
	}
	e, s := w.event(), w.subscription()
	if e == nil && row.At.Sub(w.message.EventID.Time()) > forgotten {
		return w.end(ctx, row, hermod.ReasonEventExpired, "the log no longer holds the event")
	}
	if e == nil {
		return w.later(ctx, hermod.Errorf(hermod.CodeUnavailable, "the event is not there yet"))
	}
	if e.Internal && !s.IncludeInternal && w.message.Trigger != hermod.TriggerMock {
		return w.end(ctx, row, hermod.ReasonInternalEvent, "")
	}
	if until := w.until(e); !until.IsZero() && !row.At.Before(until) {
		return w.end(ctx, row, hermod.ReasonEventExpired, "")
	}
	if outcome, parked := w.waits(ctx, s, row.Number-1, w.until(e)); parked {
		return outcome
	}
	encoder, ok := w.Encoders[s.Dialect]
	if !ok {
		return w.later(ctx, fmt.Errorf("no encoder for dialect %q", s.Dialect))
	}
	sent, ok := w.translate(e, s)
	if !ok {
		return w.end(ctx, row, hermod.ReasonNoEquivalent, "")
	}
	payload, err := encoder.Encode(ctx, Delivery{Event: sent, Subscription: s, Key: row.AttemptKey, At: row.At})
	if err != nil {
		return w.later(ctx, fmt.Errorf("encoding for %s: %w", s.Dialect, err))
	}
	w.pushed = true
	result := w.Pusher.Push(ctx, s, payload)
	if result.Class == ClassInterrupted {
		return w.later(ctx, errors.New("the push was interrupted"))
	}
	row.Duration = w.Now().Sub(row.At)
	note(row, result)
	outcome := w.settle(ctx, row, result, w.schedule(s, encoder), w.until(e))
	w.noteHealth(ctx, s, row, &result)
	return outcome
}

// unwanted says why the subscription no longer receives; "" where it does. A mock
// goes to its subscription also while that is switched off.
func (w *work) unwanted(at time.Time) hermod.Reason {
	s := w.subscription()
	switch {
	case s == nil || s.Deleted():
		return hermod.ReasonSubDeleted
	case w.message.Trigger == hermod.TriggerMock:
		return ""
	case !s.Active:
		return hermod.ReasonSubDisabled
	case s.Expired(at):
		return hermod.ReasonSubExpired
	default:
		return ""
	}
}

// until is when the run's attempts end: with the event for run 0, by its own bound
// for a later run, and at the latest when the log forgets the event, which no row
// and no push could outlive. Zero is no bound.
func (w *work) until(e *hermod.Event) time.Time {
	until := w.message.Until
	if w.message.Run == 0 {
		until = e.ExpiresAt
	}
	if !e.RetainUntil.IsZero() && (until.IsZero() || e.RetainUntil.Before(until)) {
		until = e.RetainUntil
	}
	return until
}

func (w *work) schedule(s *hermod.Subscription, encoder Encoder) hermod.Schedule {
	if s.Schedule != nil {
		return s.Schedule
	}
	return encoder.Schedule()
}

// settle writes down an attempt that was made and decides what is next.
func (w *work) settle(ctx context.Context, row *hermod.Attempt, result Result, schedule hermod.Schedule, until time.Time) hermod.Outcome {
	if result.Succeeded() {
		row.State = hermod.Succeeded
		return w.put(ctx, row, hermod.Outcome{Action: hermod.Done})
	}
	if result.Permanent != "" {
		outcome := w.end(ctx, row, result.Permanent, row.ErrorMessage)
		if result.Permanent == hermod.ReasonGone {
			w.disable(ctx, hermod.ReasonGone)
		}
		return outcome
	}
	wait, ok := schedule.Wait(row.Number, result.RetryAfter, w.Random())
	if !ok || row.Number >= hermod.MaxNumber {
		return w.end(ctx, row, hermod.ReasonExhausted, row.ErrorMessage)
	}
	next := w.Now().Add(wait)
	if !until.IsZero() && !next.Before(until) {
		return w.end(ctx, row, hermod.ReasonEventExpired, row.ErrorMessage)
	}
	row.State, row.NextAt = hermod.Waiting, next
	if wait > w.QueueWait || w.received.Receives+spareReceives >= w.MaxReceives {
		row.Carrier = hermod.CarrierDue
		return w.put(ctx, row, hermod.Outcome{Action: hermod.Done})
	}
	row.Carrier = w.received.ID
	return w.put(ctx, row, hermod.Outcome{Action: hermod.Again, At: next})
}

// end writes the row that ends the run. A dead one leaves its message to the
// queue's redrive; a dropped one leaves nothing to redrive.
func (w *work) end(ctx context.Context, row *hermod.Attempt, reason hermod.Reason, message string) hermod.Outcome {
	row.Reason = reason
	row.ErrorMessage = message
	if row.ErrorMessage == "" {
		row.ErrorMessage = describe(reason)
	}
	switch reason {
	case hermod.ReasonSubDeleted, hermod.ReasonSubDisabled, hermod.ReasonSubExpired, hermod.ReasonInternalEvent,
		hermod.ReasonNoEquivalent:
		row.State = hermod.Dropped
		return w.put(ctx, row, hermod.Outcome{Action: hermod.Done})
	default:
		row.State, row.Carrier = hermod.Dead, w.received.ID
		return w.put(ctx, row, hermod.Outcome{Action: hermod.GiveUp})
	}
}

func describe(reason hermod.Reason) string {
	switch reason {
	case hermod.ReasonEventExpired:
		return "the event expired before it could be delivered"
	case hermod.ReasonSubDeleted:
		return "the subscription was deleted"
	case hermod.ReasonSubDisabled:
		return "the subscription is not active"
	case hermod.ReasonSubExpired:
		return "the subscription has expired"
	case hermod.ReasonInternalEvent:
		return "the subscription no longer includes internal events"
	case hermod.ReasonNoEquivalent:
		return "the event cannot be told in a form that the subscription asks for"
	default:
		return string(reason)
	}
}

// put writes the row and answers the outcome. Whoever loses the row to another
// worker goes by the row that stands. Mostly that means to acknowledge, since the
// winner's message carries the run on. But the winner may have had this very
// message, which queues hand out twice at times, or have been this very put, tried
// twice: acknowledged, it would leave a run that nothing carries on.
func (w *work) put(ctx context.Context, row *hermod.Attempt, outcome hermod.Outcome) hermod.Outcome {
	err := w.Store.PutAttempt(ctx, row)
	w.logAttempt(ctx, row, err)
	switch {
	case err == nil:
		w.clearDead(ctx)
		return outcome
	case hermod.CodeOf(err) == hermod.CodeConflict && !w.lost:
		w.lost = true
		return w.carryOn(ctx)
	default:
		return w.later(ctx, fmt.Errorf("putting the attempt: %w", err))
	}
}

// overtake notes the row of a run that ended, after which another is started.
func (w *work) overtake(last *hermod.Attempt) {
	if !last.Cleared {
		w.overtaken = append(w.overtaken, last.AttemptKey)
	}
}

// clearDead takes out of the dead index what the row just put has overtaken. Where that
// fails, the row says as much.
func (w *work) clearDead(ctx context.Context) {
	if len(w.overtaken) == 0 {
		return
	}
	if err := w.Store.ClearDead(ctx, w.overtaken); err != nil {
		w.Log.LogAttrs(ctx, slog.LevelWarn, "dead rows not cleared",
			slog.String("event", w.message.EventID.String()), slog.String("subscription", w.message.SubscriptionID), hermod.LogError(err))
	}
}

// disable switches off a subscription whose destination answered 410 Gone, or nothing
// good for days. Where its owner has just changed it, the change stands.
func (w *work) disable(ctx context.Context, reason hermod.Reason) bool {
	s := *w.subscription()
	s.Active = false
	s.DisabledReason = string(reason)
	s.UpdatedAt = w.Now()
	err := w.Store.UpdateSubscription(ctx, &s)
	switch {
	case err == nil:
		w.Log.LogAttrs(ctx, slog.LevelWarn, "subscription disabled",
			slog.String("subscription", s.ID), slog.String("owner", s.Owner), slog.String("reason", string(reason)))
	case hermod.CodeOf(err) != hermod.CodePreconditionFailed:
		w.Log.LogAttrs(ctx, slog.LevelError, "subscription not disabled",
			slog.String("subscription", s.ID), hermod.LogError(err))
	}
	return err == nil
}

// later puts the message off after a fault of ours.
func (w *work) later(ctx context.Context, err error) hermod.Outcome {
	pause := hermod.FaultPause(w.received.Receives)
	w.Log.LogAttrs(ctx, slog.LevelError, "delivery put off",
		slog.String("event", w.message.EventID.String()),
		slog.String("subscription", w.message.SubscriptionID),
		slog.Int("receives", w.received.Receives),
		slog.Duration("pause", pause), hermod.LogError(err))
	return hermod.Outcome{Action: hermod.Again, At: w.Now().Add(pause)}
}
