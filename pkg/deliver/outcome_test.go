package deliver_test

import (
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// TestOutcomeDecidesWhatIsNext is the second table of the design: what follows from
// what the destination answered.
func TestOutcomeDecidesWhatIsNext(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		name     string
		attempt  int // its number
		random   float64
		receives int
		result   func(deliver.Payload) deliver.Result
		state    hermod.State
		reason   hermod.Reason
		wait     time.Duration // of a waiting row
		due      bool          // by the due index
	}{
		{"2xx", 1, 0.5, 1, accepts, hermod.Succeeded, "", 0, false},
		{"2xx at the last attempt", 10, 0.5, 1, accepts, hermod.Succeeded, "", 0, false},
		{"first wait", 1, 0.5, 1, fails, hermod.Waiting, "", 5 * time.Second, false},
		{"shortest jitter", 1, 0, 1, fails, hermod.Waiting, "", 4500 * time.Millisecond, false},
		{"second wait", 2, 0.5, 2, fails, hermod.Waiting, "", 5 * time.Minute, false},
		{"third wait", 3, 0.5, 3, fails, hermod.Waiting, "", 30 * time.Minute, true},
		{"third wait, shortest", 3, 0, 3, fails, hermod.Waiting, "", 27 * time.Minute, true},
		{"last wait", 9, 0.5, 1, fails, hermod.Waiting, "", day, true},
		{"schedule exhausted", 10, 0.5, 1, fails, hermod.Dead, hermod.ReasonExhausted, 0, false},
		{"Retry-After longer than the schedule", 1, 0.5, 1, retryAfter(time.Minute), hermod.Waiting, "", time.Minute, false},
		{"Retry-After longer than the queue holds", 1, 0.5, 1, retryAfter(time.Hour), hermod.Waiting, "", time.Hour, true},
		{"Retry-After shorter than the schedule", 2, 0.5, 1, retryAfter(time.Second), hermod.Waiting, "", 5 * time.Minute, false},
		{"Retry-After beyond the bound", 1, 0.5, 1, retryAfter(48 * time.Hour), hermod.Waiting, "", day, true},
		{"Retry-After after the last attempt", 10, 0.5, 1, retryAfter(time.Second), hermod.Dead, hermod.ReasonExhausted, 0, false},
		{"410", 1, 0.5, 1, gone, hermod.Dead, hermod.ReasonGone, 0, false},
		{"blocked target", 1, 0.5, 1, blocked, hermod.Dead, hermod.ReasonBlockedTarget, 0, false},
		{"receives to spare", 2, 0.5, 6, fails, hermod.Waiting, "", 5 * time.Minute, false},
		{"receives run out", 2, 0.5, 7, fails, hermod.Waiting, "", 5 * time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.random, r.received.Receives, r.pusher.result = c.random, c.receives, c.result
			if c.attempt > 1 {
				r.has(c.attempt-1, row(hermod.Waiting, carrier, start))
			}
			outcome := r.receive(t)

			r.wantPushes(t, 1)
			a := r.last(t, 0, c.attempt)
			want(t, "state", a.State, c.state)
			want(t, "reason", a.Reason, c.reason)
			next, by, expected := time.Time{}, "", done
			switch {
			case c.state == hermod.Dead:
				by, expected = carrier, giveUp
			case c.due:
				next, by = start.Add(c.wait), hermod.CarrierDue
			case c.state == hermod.Waiting:
				next, by = start.Add(c.wait), carrier
				expected = again(next)
			}
			want(t, "outcome", outcome, expected)
			want(t, "next", a.NextAt, next)
			want(t, "carrier", a.Carrier, by)
			want(t, "in the due index", r.store.due[a.AttemptKey], c.due)
		})
	}
}

func TestQuarterOfAnHourStaysInTheQueueWhateverItsJitter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sub.Schedule, r.random, r.pusher.result = hermod.Schedule{15 * time.Minute}, 0.999, fails
	want(t, "action", r.receive(t).Action, hermod.Again)
}

func TestSubscriptionsOwnScheduleComesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sub.Schedule, r.pusher.result = hermod.Schedule{}, fails
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "reason", r.last(t, 0, 1).Reason, hermod.ReasonExhausted)
}

func TestRunEndsAtTheLastNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range hermod.MaxNumber {
		r.sub.Schedule = append(r.sub.Schedule, time.Second)
	}
	r.has(hermod.MaxNumber-1, row(hermod.Waiting, carrier, start))
	r.pusher.result = fails
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "reason", r.last(t, 0, hermod.MaxNumber).Reason, hermod.ReasonExhausted)
}

func TestNothingIsAttemptedOnceTheRunHasExpired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		run       int
		expiresAt time.Duration // of the event, from now; 0 for never
		until     time.Duration // of the run
		pushes    int
		state     hermod.State
		message   string
	}{
		{"the event never expires", 0, 0, 0, 1, hermod.Waiting, "the destination answered 503"},
		{"the event expires after the next attempt", 0, time.Minute, 0, 1, hermod.Waiting, "the destination answered 503"},
		{"the event expires at the next attempt", 0, 5 * time.Second, 0, 1, hermod.Dead, "the destination answered 503"},
		{"the event expires before the next attempt", 0, time.Second, 0, 1, hermod.Dead, "the destination answered 503"},
		{"the event expires now", 0, time.Nanosecond, 0, 1, hermod.Dead, "the destination answered 503"},
		{"the event has expired", 0, -time.Nanosecond, 0, 0, hermod.Dead, "the event expired before it could be delivered"},
		{"a later run outlives the event", 1, -time.Hour, 0, 1, hermod.Waiting, "the destination answered 503"},
		{"a later run has an end", 1, 0, time.Second, 1, hermod.Dead, "the destination answered 503"},
		{"a later run has ended", 1, 0, -time.Second, 0, hermod.Dead, "the event expired before it could be delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pusher.result, r.message.Run = fails, c.run
			if c.expiresAt != 0 {
				r.event.ExpiresAt = start.Add(c.expiresAt)
			}
			if c.until != 0 {
				r.message.Until = start.Add(c.until)
			}
			r.message.Replay = eventID(9)
			action := r.receive(t).Action
			r.wantPushes(t, c.pushes)
			a := r.last(t, c.run, 1)
			want(t, "state", a.State, c.state)
			want(t, "message", a.ErrorMessage, c.message)
			want(t, "until", a.Until, r.message.Until)
			want(t, "replay", a.Replay, r.message.Replay)
			if c.state == hermod.Waiting {
				want(t, "action", action, hermod.Again)
				return
			}
			want(t, "action", action, hermod.GiveUp)
			want(t, "reason", a.Reason, hermod.ReasonEventExpired)
		})
	}
}

// Where events are kept for less time than the schedule takes, the run ends with a
// row, not with one that is forgotten while it waits.
func TestRunEndsBeforeTheLogForgetsTheEvent(t *testing.T) {
	t.Parallel()
	for run := range 2 {
		r := newRig(t)
		r.event.RetainUntil, r.pusher.result, r.message.Run = start.Add(time.Second), fails, run
		want(t, "outcome", r.receive(t), giveUp)
		want(t, "reason", r.last(t, run, 1).Reason, hermod.ReasonEventExpired)
		r.wantPushes(t, 1)
	}
}

func TestExpiryAtThisVeryMomentIsExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.event.ExpiresAt = start
	want(t, "outcome", r.receive(t), giveUp)
	r.wantPushes(t, 0)
}

func TestUnwantedDeliveryIsDropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(r *rig)
		trigger hermod.Trigger
		reason  hermod.Reason // "" for delivered
	}{
		{"missing", func(r *rig) { clear(r.store.subs) }, hermod.TriggerMatch, hermod.ReasonSubDeleted},
		{"deleted", func(r *rig) { r.sub.DeletedAt = start }, hermod.TriggerMatch, hermod.ReasonSubDeleted},
		{"inactive", func(r *rig) { r.sub.Active = false }, hermod.TriggerMatch, hermod.ReasonSubDisabled},
		{"expired", func(r *rig) { r.sub.ExpiresAt = start }, hermod.TriggerMatch, hermod.ReasonSubExpired},
		{"expires soon", func(r *rig) { r.sub.ExpiresAt = start.Add(1) }, hermod.TriggerMatch, ""},
		{"mock, inactive", func(r *rig) { r.sub.Active = false }, hermod.TriggerMock, ""},
		{"mock, expired", func(r *rig) { r.sub.ExpiresAt = start }, hermod.TriggerMock, ""},
		{"mock, deleted", func(r *rig) { r.sub.DeletedAt = start }, hermod.TriggerMock, hermod.ReasonSubDeleted},
		{"replay, inactive", func(r *rig) { r.sub.Active = false }, hermod.TriggerReplay, hermod.ReasonSubDisabled},
		{"internal", func(r *rig) { r.event.Internal = true }, hermod.TriggerMatch, hermod.ReasonInternalEvent},
		{"internal, included", func(r *rig) { r.event.Internal, r.sub.IncludeInternal = true, true }, hermod.TriggerMatch, ""},
		{"internal, replayed", func(r *rig) { r.event.Internal = true }, hermod.TriggerReplay, hermod.ReasonInternalEvent},
		{"inactive, event missing", func(r *rig) { r.sub.Active = false; clear(r.store.events) }, hermod.TriggerMatch, hermod.ReasonSubDisabled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.message.Trigger = c.trigger
			c.change(r)
			want(t, "outcome", r.receive(t), done)
			a := r.last(t, 0, 1)
			want(t, "reason", a.Reason, c.reason)
			if c.reason == "" {
				want(t, "state", a.State, hermod.Succeeded)
				r.wantPushes(t, 1)
				return
			}
			want(t, "state", a.State, hermod.Dropped)
			want(t, "carrier", a.Carrier, "")
			want(t, "message is for people", strings.Contains(a.ErrorMessage, "subscription"), true)
			r.wantPushes(t, 0)
		})
	}
}

func TestGoneDisablesTheSubscription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = gone
	want(t, "outcome", r.receive(t), giveUp)
	s := r.store.subs[r.sub.Ref()]
	want(t, "active", s.Active, false)
	want(t, "reason", s.DisabledReason, string(hermod.ReasonGone))
	want(t, "updated", s.UpdatedAt, start)
	want(t, "version", s.Version, 2)
	want(t, "secret kept", s.Secrets.SigningSecret, "SECRET")
}

func TestOwnersConcurrentChangeStandsAgainstGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = func(p deliver.Payload) deliver.Result {
		r.store.subs[r.sub.Ref()] = &hermod.Subscription{ID: subID, Owner: owner, Active: true, Name: "moved", Version: 2}
		return gone(p)
	}
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "row", r.last(t, 0, 1).Reason, hermod.ReasonGone)
	want(t, "active", r.store.subs[r.sub.Ref()].Active, true)
	want(t, "logged as an error", strings.Contains(r.log.String(), "ERROR"), false)
}

func TestRowSaysWhatTheDestinationAnswered(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1000)
	for _, c := range []struct {
		name, class string
		length      int
	}{
		{"success", "", hermod.MaxResponseKept},
		{"failure", deliver.ClassServerError, hermod.MaxFailedResponseKept},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pusher.result = func(deliver.Payload) deliver.Result {
				r.now = r.now.Add(70 * time.Millisecond)
				return deliver.Result{StatusCode: 299, Class: c.class, Message: "m", Response: "a" + long, Target: "https://u.test/p"}
			}
			r.receive(t)
			a := r.last(t, 0, 1)
			want(t, "at", a.At, start)
			want(t, "duration", a.Duration, 70*time.Millisecond)
			want(t, "status", a.StatusCode, 299)
			want(t, "class", a.ErrorClass, c.class)
			want(t, "target", a.Target, "https://u.test/p")
			want(t, "response, cut at a character", a.Response, "a"+long[:c.length-2])
			want(t, "type", a.SubscriptionType, hermod.Webhook)
			want(t, "name", a.SubscriptionName, "name")
			want(t, "retained as long as the event", a.RetainUntil, r.event.RetainUntil)
			want(t, "owner", a.Owner, owner)
			want(t, "account", a.Account, owner)
		})
	}
}
