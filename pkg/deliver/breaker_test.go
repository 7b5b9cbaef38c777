package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// next has the rig's message be of a fresh event.
func (r *rig) next(n byte) {
	e := new(*r.event)
	e.ID = eventID(n)
	r.store.events[e.Key()] = e
	r.message = hermod.Message{EventID: e.ID, Account: owner, Owner: owner, SubscriptionID: subID, Trigger: hermod.TriggerMatch}
	r.received = hermod.Received{ID: fmt.Sprint("m-", n), Receives: 1, SentAt: r.now}
}

// health is how the endpoint of the rig's subscription does; nil for well.
func (r *rig) health() *hermod.Health { return r.store.health[r.sub.Ref()] }

// open has the circuit open, with the next probe due in a second.
func (r *rig) open() *hermod.Health {
	h := &hermod.Health{
		Owner: owner, SubscriptionID: subID, Version: 7, Circuit: hermod.Open, Failures: 10,
		Since: start.Add(-time.Hour), LastAt: start, OpenedAt: start, NextProbeAt: start.Add(time.Second),
	}
	r.store.health[r.sub.Ref()] = h
	return h
}

func (r *rig) sweeper(q *fakeQueue) *deliver.Sweeper {
	return &deliver.Sweeper{Store: r.store, Queue: q, Now: func() time.Time { return r.now }, Log: r.options.Log, Rate: 2}
}

// probeDue has the next probe be due now.
func (r *rig) probeDue() { r.health().NextProbeAt = r.now }

func (r *rig) round(t *testing.T, q *fakeQueue, draining bool) {
	t.Helper()
	got, err := r.sweeper(q).Round(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "draining", got, draining)
}

// take has the message that the sweeper sent last handled.
func (r *rig) take(t *testing.T, q *fakeQueue) hermod.Outcome {
	t.Helper()
	r.message = q.sent[len(q.sent)-1]
	r.received = hermod.Received{ID: fmt.Sprint("sent-", len(q.sent)), Receives: 1, SentAt: r.now}
	return r.receive(t)
}

func TestAnEndpointThatIsWellCostsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var calls []string
	r.store.fault = func(call string, done bool) error {
		if !done {
			calls = append(calls, call)
		}
		return nil
	}
	want(t, "outcome", r.receive(t), done)
	want(t, "calls", fmt.Sprint(calls), "[EventsByKey SubscriptionsByRef LastAttempt PutAttempt]")
}

func TestCircuitOpens(t *testing.T) {
	t.Parallel()
	of := func(class string) func(deliver.Payload) deliver.Result {
		return func(deliver.Payload) deliver.Result { return deliver.Result{Class: class, Message: "m"} }
	}
	credential := func(deliver.Payload) deliver.Result {
		return deliver.Result{Class: deliver.ClassCredential, Permanent: hermod.ReasonCredential}
	}
	for _, c := range []struct {
		name     string
		result   func(deliver.Payload) deliver.Result
		trigger  hermod.Trigger
		failures int
		every    time.Duration
		open     bool
	}{
		{"not before the tenth failure", fails, "", 9, time.Second, false},
		{"after ten in a row", fails, "", 10, time.Second, true},
		{"not by one, however long", fails, "", 1, time.Hour, false},
		{"after five minutes of only failures", fails, "", 2, 5 * time.Minute, true},
		{"not within five minutes", fails, "", 3, 2 * time.Minute, false},
		{"not by failures days apart", fails, "", 2, 50 * time.Hour, false},
		{"by timeouts", of(deliver.ClassTimeout), "", 10, time.Second, true},
		{"by what cannot be reached", of(deliver.ClassConnect), "", 10, time.Second, true},
		{"by names that are not resolved", of(deliver.ClassDNS), "", 10, time.Second, true},
		{"by throttling", of(deliver.ClassThrottled), "", 10, time.Second, true},
		{"by a credential that is refused", credential, "", 10, time.Second, true},
		{"not by payloads that are too large", of(deliver.ClassTooLarge), "", 20, time.Second, false},
		{"not by a configuration that cannot be read", of(deliver.ClassConfiguration), "", 20, time.Second, false},
		{"not by what our shutdown broke off", of(deliver.ClassInterrupted), "", 20, time.Second, false},
		{"not by mocks", fails, hermod.TriggerMock, 20, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pusher.result = c.result
			for n := range c.failures {
				r.now = start.Add(time.Duration(n) * c.every)
				r.next(byte(n))
				if c.trigger != "" {
					r.message.Trigger = c.trigger
				}
				r.receive(t)
			}
			want(t, "open", r.health() != nil && r.health().Circuit == hermod.Open, c.open)
			if c.open {
				want(t, "next probe", r.health().NextProbeAt, r.now.Add(5*time.Second))
			}
		})
	}
}

func TestASuccessForgetsFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range byte(30) {
		r.next(n)
		if r.pusher.result = fails; n%10 == 9 {
			r.pusher.result = accepts
		}
		r.receive(t)
	}
	want(t, "well", r.health() == nil, true)
	r.wantPushes(t, 30)
}

func TestAnOpenCircuitParksWhatComes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig){
		"a first attempt": func(*rig) {},
		"a retry":         func(r *rig) { r.has(2, row(hermod.Waiting, carrier, start)) },
		"a replay": func(r *rig) {
			r.message.Run, r.message.Trigger, r.message.Replay = 3, hermod.TriggerReplay, eventID(9)
		},
		"what is paused": func(r *rig) {
			r.health().Circuit, r.health().Paused = hermod.Closed, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, q := newRig(t), &fakeQueue{}
			r.open()
			change(r)
			rows, m := len(r.store.rows[r.message.RunKey()]), r.message
			want(t, "outcome", r.receive(t), done)
			want(t, "parked", len(r.store.parked), 1)
			want(t, "rows", len(r.store.rows[m.RunKey()]), rows)
			r.wantPushes(t, 0)
			// Its message is the same one, and goes on with the run.
			r.health().Circuit, r.health().Paused = hermod.Draining, false
			r.round(t, q, true)
			m.After, m.Unparked = rows, true
			want(t, "message", q.sent[0], m)
			want(t, "outcome", r.take(t, q), done)
			want(t, "number", r.last(t, m.Run, rows+1).State, hermod.Succeeded)
		})
	}
}

// What would end without an attempt ends, open or not.
func TestAnOpenCircuitLetsRunsEnd(t *testing.T) {
	t.Parallel()
	for reason, change := range map[hermod.Reason]func(*rig){
		hermod.ReasonSubDeleted:   func(r *rig) { r.sub.DeletedAt = start },
		hermod.ReasonSubDisabled:  func(r *rig) { r.sub.Active = false },
		hermod.ReasonSubExpired:   func(r *rig) { r.sub.ExpiresAt = start },
		hermod.ReasonEventExpired: func(r *rig) { r.event.ExpiresAt = start },
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.open()
			change(r)
			r.receive(t)
			want(t, "reason", r.last(t, 0, 1).Reason, reason)
			want(t, "parked", len(r.store.parked), 0)
		})
	}
}

func TestAMockGoesThroughAnOpenCircuit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.message.Trigger = hermod.TriggerMock
	want(t, "outcome", r.receive(t), done)
	r.wantPushes(t, 1)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
}

// A parked delivery is woken when its event expires, and after half a day at the latest.
func TestAParkedDeliveryWakesByItself(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]time.Duration{"it expires": time.Hour, "it does not": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, q, wakeAt := newRig(t), &fakeQueue{}, start.Add(12*time.Hour)
			if r.open().NextProbeAt = start.AddDate(1, 0, 0); expires > 0 {
				r.event.ExpiresAt = start.Add(expires)
				wakeAt = r.event.ExpiresAt
			}
			r.receive(t)
			w := newWaker(r.store, q)
			w.Now = func() time.Time { return wakeAt.Add(-time.Second) }
			wake(t, w, 0)
			w.Now = func() time.Time { return wakeAt }
			wake(t, w, 1)
			want(t, "parked", len(r.store.parked), 0)
			r.now = wakeAt
			if r.take(t, q); expires > 0 {
				want(t, "reason", r.last(t, 0, 1).Reason, hermod.ReasonEventExpired)
			} else {
				want(t, "parked again", len(r.store.parked), 1)
			}
			r.wantPushes(t, 0)
		})
	}
}

// Whoever drains may have looked just before the delivery was parked.
func TestAParkedDeliveryGoesOnWhereTheCircuitHasClosedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.store.fault = func(call string, done bool) error {
		if call == "Park" && done {
			delete(r.store.health, r.sub.Ref())
		}
		return nil
	}
	want(t, "outcome", r.receive(t), again(start))
	r.received.Receives++
	want(t, "then", r.receive(t), done)
	r.wantPushes(t, 1)
}

// Parked while it is drained, a delivery is carried by the drain alone, which looks again
// even where it had looked just before.
func TestADeliveryParkedBehindTheDrainIsPushedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	stale := *r.health()
	r.store.fault = func(call string, done bool) error {
		if call == "Park" && done {
			h := r.store.health[r.sub.Ref()]
			h.Circuit = hermod.Draining
			h.Version++
			stale = *h
		}
		return nil
	}
	want(t, "outcome", r.receive(t), done)
	r.store.fault = func(string, bool) error { return nil }
	stale.Circuit = hermod.Closed
	err := r.store.DeleteHealth(t.Context(), &stale)
	want(t, "the end of a drain that had looked before", hermod.CodeOf(err), hermod.CodePreconditionFailed)
	want(t, "parked", len(r.store.parked), 1)
	r.wantPushes(t, 0)
}

// Where the drain has looked again meanwhile, the message goes on by itself.
func TestADeliveryParkedBehindAnotherChangeGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.store.fault = func(call string, done bool) error {
		switch {
		case call == "Park" && done:
			r.store.health[r.sub.Ref()].Circuit = hermod.Draining
		case call == "PutHealth" && !done:
			return hermod.Errorf(hermod.CodePreconditionFailed, "changed")
		}
		return nil
	}
	want(t, "outcome", r.receive(t), again(start))
}

// A lone delivery need not wait until somebody looks.
func TestADeliveryProbesAtOnceWhereNothingIsParked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.probeDue()
	r.pusher.result = fails
	want(t, "outcome", r.receive(t).Action, hermod.Again)
	r.wantPushes(t, 1)
	want(t, "probes that failed", r.health().Probes, 1)
	want(t, "next probe", r.health().NextProbeAt, start.Add(5*time.Minute))
	r.next(9)
	want(t, "the next one", r.receive(t), done)
	want(t, "parked", len(r.store.parked), 1)
	r.probeDue() // but an older one is parked
	r.next(10)
	want(t, "one more", r.receive(t), done)
	want(t, "parked", len(r.store.parked), 2)
	r.wantPushes(t, 1)
}
