package deliver

import (
	"time"

	"hermod/pkg/hermod"
)

// A step is what a received message shall do, as read from the last row of its
// run alone.
type step int

const (
	stepAcknowledge step = iota // another carries the run on, or it has ended
	stepAttempt                 // make the attempt after the last row
	stepHide                    // not yet due
	stepWatch                   // not yet due, and another seems to carry the run on
	stepGiveUp                  // ended: let the queue's redrive take the message
	stepNextRun                 // an operator moved it back: a new run
	stepOverBudget              // the last receive the queue allows
)

// takeoverGrace is how long past its time a waiting row is left to the message
// that carries it before a message moved back from the dead letters takes it
// over. It is longer than a worker can hold a message: six times the function's
// timeout of 30 s.
const takeoverGrace = 3 * time.Minute

// decide is the table of the design: the last row of the run (nil for none), the
// message, and how often the queue may hand it out, say what is to be done.
// For stepHide and stepWatch the time is when to look again.
func decide(last *hermod.Attempt, m *hermod.Message, r *hermod.Received, maxReceives int, now time.Time) (step, time.Time) {
	s, at := decideByRow(last, m, r, now)
	if r.Receives < maxReceives {
		return s, at
	}
	switch s {
	case stepAttempt, stepHide:
		return stepOverBudget, time.Time{}
	case stepWatch: // it is not this message's to end
		return stepGiveUp, time.Time{}
	default:
		return s, at
	}
}

func decideByRow(last *hermod.Attempt, m *hermod.Message, r *hermod.Received, now time.Time) (step, time.Time) {
	if last == nil {
		if m.After > 0 {
			return stepAcknowledge, time.Time{} // the row it carries on has aged out of the log
		}
		return stepAttempt, time.Time{}
	}
	switch last.State {
	case hermod.Succeeded, hermod.Dropped:
		return stepAcknowledge, time.Time{}
	case hermod.Dead:
		switch {
		case last.Carrier == r.ID:
			return stepGiveUp, time.Time{}
		case r.Redriven && last.At.Before(r.SentAt):
			return stepNextRun, time.Time{}
		case r.Redriven:
			// A duplicate that was moved back too has come to this end already; or the
			// clock has stepped back, and the message may be the only one there is.
			return stepGiveUp, time.Time{}
		case deserted(last, m): // then this one is all that can be redriven
			return stepGiveUp, time.Time{}
		default:
			return stepAcknowledge, time.Time{}
		}
	case hermod.Waiting:
		return decideWaiting(last, m, r, now)
	default:
		return stepAcknowledge, time.Time{}
	}
}

func decideWaiting(last *hermod.Attempt, m *hermod.Message, r *hermod.Received, now time.Time) (step, time.Time) {
	due, early := last.NextAt, stepHide
	switch {
	case last.Carrier == r.ID || m.After == last.Number:
	case last.Carrier == hermod.CarrierDue:
		return stepAcknowledge, time.Time{}
	case r.Redriven || deserted(last, m):
		// The message that carried the row may have been the one that died.
		due, early = due.Add(takeoverGrace), stepWatch
	default:
		return stepAcknowledge, time.Time{}
	}
	if now.Before(due) {
		return early, due
	}
	return stepAttempt, time.Time{}
}

// deserted reports whether the row may stand by a message that is deleted. A queue may
// hand a message out twice: one worker parks its delivery and deletes it, and the other
// makes the attempt. The message of what was parked is there then.
func deserted(last *hermod.Attempt, m *hermod.Message) bool {
	return m.Unparked && last.Number == m.After+1
}
