package deliver_test

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

const grace = 3 * time.Minute

// row gives the change that makes a row of the state.
func row(state hermod.State, by string, next time.Time) func(*hermod.Attempt) {
	return func(a *hermod.Attempt) { a.State, a.Carrier, a.NextAt = state, by, next }
}

// TestLastRowDecides is the first table of the design: what a message does by the
// last row of its run.
func TestLastRowDecides(t *testing.T) {
	t.Parallel()
	now, ago, soon := start, start.Add(-time.Minute), start.Add(time.Minute)
	for _, c := range []struct {
		name     string
		last     func(*hermod.Attempt) // nil for none; it is row 2
		after    int
		redriven bool
		want     hermod.Outcome
		pushes   int
	}{
		{"no row", nil, 0, false, done, 1},
		{"no row, moved back", nil, 0, true, done, 1},
		{"no row any more", nil, 2, false, done, 0},
		{"success", row(hermod.Succeeded, "", time.Time{}), 0, false, done, 0},
		{"success, moved back", row(hermod.Succeeded, "", time.Time{}), 0, true, done, 0},
		{"carried by this message, due", row(hermod.Waiting, carrier, now), 0, false, done, 1},
		{"carried by this message, overdue", row(hermod.Waiting, carrier, ago), 0, false, done, 1},
		{"carried by this message, not yet due", row(hermod.Waiting, carrier, soon), 0, false, again(soon), 0},
		{"the message is after the row, due", row(hermod.Waiting, hermod.CarrierDue, now), 2, false, done, 1},
		{"the message is after the row, not yet due", row(hermod.Waiting, hermod.CarrierDue, soon), 2, false, again(soon), 0},
		{"the message is after an earlier row", row(hermod.Waiting, "m-2", ago), 1, false, done, 0},
		{"carried by another message", row(hermod.Waiting, "m-2", ago), 0, false, done, 0},
		{"carried by another message, not yet due", row(hermod.Waiting, "m-2", soon), 0, false, done, 0},
		{"carried by the due index", row(hermod.Waiting, hermod.CarrierDue, ago), 0, false, done, 0},
		{"carried by the due index, moved back", row(hermod.Waiting, hermod.CarrierDue, ago), 0, true, done, 0},
		{"the carrier may have died, within grace", row(hermod.Waiting, "m-2", ago), 0, true, again(ago.Add(grace)), 0},
		{"the carrier has died", row(hermod.Waiting, "m-2", now.Add(-grace)), 0, true, done, 1},
		{"dead, by this message", row(hermod.Dead, carrier, time.Time{}), 0, false, giveUp, 0},
		{"dead, by another message", row(hermod.Dead, "m-2", time.Time{}), 0, false, done, 0},
		{"dead, moved back", row(hermod.Dead, "m-2", time.Time{}), 0, true, done, 1},
		{"dropped", row(hermod.Dropped, "", time.Time{}), 0, false, done, 0},
		{"dropped, moved back", row(hermod.Dropped, "", time.Time{}), 0, true, done, 0},
		{"unknown state", row("new", "", time.Time{}), 0, false, done, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.message.After, r.received.Redriven = c.after, c.redriven
			if c.last != nil {
				r.has(2, c.last)
			}
			want(t, "outcome", r.receive(t), c.want)
			r.wantPushes(t, c.pushes)
		})
	}
}

func TestAttemptContinuesTheNumbering(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(4, row(hermod.Waiting, carrier, start))
	want(t, "outcome", r.receive(t), done)
	want(t, "state", r.last(t, 0, 5).State, hermod.Succeeded)
	want(t, "id pushed", r.pusher.pushed[0].Header.Get(attemptHeader), subID+"-"+r.event.ID.String()+"-0-5")
}

// The duplicates of a message find each other's rows.
func TestDuplicateAcknowledgesItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = fails
	want(t, "first", r.receive(t).Action, hermod.Again)
	r.received.ID = "m-2"
	want(t, "duplicate", r.receive(t), done)
	r.wantPushes(t, 1)
	want(t, "carrier", r.last(t, 0, 1).Carrier, carrier)
}

func TestRedrivenDeadLetterStartsTheNextRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(3, row(hermod.Dead, "m-0", time.Time{}))
	r.message.After, r.message.Until, r.received.Redriven = 2, start.Add(-time.Hour), true
	r.message.Replay = eventID(9)
	r.pusher.result = fails

	want(t, "first receive", r.receive(t), again(start.Add(5*time.Second)))
	a := r.last(t, 1, 1)
	want(t, "trigger", a.Trigger, hermod.TriggerRedrive)
	want(t, "carrier", a.Carrier, carrier)
	want(t, "until", a.Until, time.Time{})
	want(t, "replay", a.Replay, hermod.ID{})

	// Its body still names run 0, at every receive.
	r.now, r.pusher.result = start.Add(5*time.Second), accepts
	want(t, "second receive", r.receive(t), done)
	want(t, "state", r.last(t, 1, 2).State, hermod.Succeeded)
	r.last(t, 0, 3)
	want(t, "third receive", r.receive(t), done)
	r.wantPushes(t, 2)
}

func TestRedrivenMessageOfADeadRunGoesBackToTheDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(1, row(hermod.Dead, "m-0", time.Time{}))
	r.received.Redriven = true
	r.pusher.result = blocked
	want(t, "first receive", r.receive(t), giveUp)
	want(t, "reason", r.last(t, 1, 1).Reason, hermod.ReasonBlockedTarget)
	want(t, "second receive", r.receive(t), giveUp)
	r.wantPushes(t, 1)

	// Moved back once more, it is run 2's.
	r.received.ID, r.received.SentAt, r.received.Receives = "m-2", start.Add(time.Minute), 1
	r.now, r.pusher.result = start.Add(time.Minute), accepts
	want(t, "third receive", r.receive(t), done)
	want(t, "state", r.last(t, 2, 1).State, hermod.Succeeded)
}

// An operator may move back a message and its duplicate.
func TestTwoRedrivenDuplicatesMakeOneRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(1, row(hermod.Dead, "m-0", time.Time{}))
	r.received.Redriven = true
	r.pusher.result = fails
	want(t, "first", r.receive(t), again(start.Add(5*time.Second)))
	other := r.received
	r.received.ID = "m-2"
	want(t, "second waits whether the first dies", r.receive(t), again(start.Add(5*time.Second+grace)))
	r.received = other
	r.now, r.pusher.result = start.Add(5*time.Second), accepts
	want(t, "first", r.receive(t), done)
	r.received.ID = "m-2"
	want(t, "second", r.receive(t), done)
	r.wantPushes(t, 2)
	r.last(t, 1, 2)
	want(t, "runs", len(r.store.rows), 2)
}

// A run that ended after the message was moved back is not the reason it was moved
// back for: another message had it. And where the clock has stepped back since, it
// is; so the message is not thrown away.
func TestRedrivenMessageLeavesALaterDeadRunAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(1, func(a *hermod.Attempt) { a.State, a.Carrier, a.At = hermod.Dead, "m-2", start.Add(time.Second) })
	r.received.Redriven = true
	want(t, "outcome", r.receive(t), giveUp)
	r.wantPushes(t, 0)
	want(t, "runs", len(r.store.rows), 1)
}

func TestRedrivenMessageTakesOverFromADeadCarrier(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.has(2, row(hermod.Waiting, "m-0", start))
	r.received.Redriven = true
	r.pusher.result = fails
	want(t, "too early", r.receive(t), again(start.Add(grace)))
	r.now = start.Add(grace)
	r.received.Receives++
	want(t, "takeover", r.receive(t).Action, hermod.Done) // the third wait is long
	want(t, "carrier", r.last(t, 0, 3).Carrier, hermod.CarrierDue)
	r.received.ID, r.received.Redriven = "m-0", false // it was alive after all
	want(t, "the former carrier", r.receive(t), done)
	r.wantPushes(t, 1)
}

// The queue hands out each message maxReceives times: the last is kept for the row
// that says so.
func TestLastReceiveEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		last     func(*hermod.Attempt) // row 2
		after    int
		redriven bool
		want     hermod.Outcome
		dead     int // the number of the row, 0 for none
	}{
		{"no attempt was made", nil, 0, false, giveUp, 1},
		{"the attempt is due", row(hermod.Waiting, carrier, start), 0, false, giveUp, 3},
		{"the attempt is not yet due", row(hermod.Waiting, carrier, start.Add(time.Hour)), 0, false, giveUp, 3},
		{"woken", row(hermod.Waiting, hermod.CarrierDue, start), 2, false, giveUp, 3},
		{"taken over", row(hermod.Waiting, "m-2", start.Add(-time.Hour)), 0, true, giveUp, 3},
		{"another message carries it", row(hermod.Waiting, "m-2", start), 0, true, giveUp, 0},
		{"another message carries it on", row(hermod.Waiting, "m-2", start), 0, false, done, 0},
		{"it has succeeded", row(hermod.Succeeded, "", time.Time{}), 0, false, done, 0},
		{"it has ended", row(hermod.Dead, carrier, time.Time{}), 0, false, giveUp, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if c.last != nil {
				r.has(2, c.last)
			}
			r.message.After, r.received.Redriven, r.received.Receives = c.after, c.redriven, maxReceives
			want(t, "outcome", r.receive(t), c.want)
			r.wantPushes(t, 0)
			if c.dead == 0 {
				if c.last != nil {
					r.last(t, 0, 2)
				}
				return
			}
			a := r.last(t, 0, c.dead)
			want(t, "state", a.State, hermod.Dead)
			want(t, "reason", a.Reason, hermod.ReasonReceiveBudget)
			want(t, "carrier", a.Carrier, carrier)
		})
	}
}
