package deliver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

func TestOneProbesAtATime(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open()
	for n := range byte(3) {
		r.next(n)
		r.receive(t)
	}
	r.pusher.result = fails
	r.probeDue()
	r.round(t, q, false)
	r.round(t, q, false)
	want(t, "messages", len(q.sent), 1)
	want(t, "the oldest", q.sent[0].EventID, eventID(0))
	want(t, "outcome", r.take(t, q).Action, hermod.Again)
	r.wantPushes(t, 1)
	for n, wait := range []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, time.Hour} {
		want(t, "next probe", r.health().NextProbeAt, r.now.Add(wait))
		r.now = r.health().NextProbeAt.Add(-time.Second)
		r.round(t, q, false)
		want(t, "messages", len(q.sent), n+1)
		r.now = r.health().NextProbeAt
		r.next(byte(10 + n))
		want(t, "what comes", r.receive(t), done)
		r.round(t, q, false)
		want(t, "messages", len(q.sent), n+2)
		r.take(t, q)
	}
	r.wantPushes(t, 5)
}

func TestAProbeThatDiedIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open()
	for n := range byte(2) {
		r.next(n)
		r.receive(t)
	}
	r.probeDue()
	r.round(t, q, false) // and its message is never handled
	r.now = start.Add(5*time.Minute - time.Second)
	r.round(t, q, false)
	want(t, "messages", len(q.sent), 1)
	r.now = start.Add(5 * time.Minute)
	r.round(t, q, false)
	want(t, "messages", len(q.sent), 2)
	late := q.sent[0]
	want(t, "outcome", r.take(t, q), done)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
	q.sent = append(q.sent, late)
	want(t, "the late one", r.take(t, q), done)
	r.wantPushes(t, 2)
}

func TestAProbeWithoutAPushLeavesItsTurn(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open()
	for n := range byte(2) {
		r.next(n)
		r.receive(t)
	}
	r.store.events[hermod.EventKey{Account: owner, ID: eventID(0)}].ExpiresAt = start.Add(time.Second)
	r.now = start.Add(time.Second)
	r.probeDue()
	r.round(t, q, false)
	r.take(t, q)
	want(t, "reason", r.last(t, 0, 1).Reason, hermod.ReasonEventExpired)
	r.round(t, q, false)
	want(t, "the next one probes", q.sent[1].EventID, eventID(1))
}

// What says nothing of the endpoint is no probe: the next delivery goes in its place, and does
// not wait for the lease.
func TestAProbeThatSaysNothingOfTheEndpointLeavesItsTurn(t *testing.T) {
	t.Parallel()
	tooLarge := deliver.Result{Class: deliver.ClassTooLarge, Message: "m", Permanent: hermod.ReasonTooLarge}
	for _, c := range []struct {
		result deliver.Result
		then   hermod.Action
	}{
		{tooLarge, hermod.GiveUp},
		{deliver.Result{Class: deliver.ClassConfiguration, Message: "m"}, hermod.Again},
		{deliver.Result{Class: deliver.ClassUnsupported, Message: "m"}, hermod.Again},
	} {
		for _, parked := range []bool{true, false} { // or it comes when the probe is due
			t.Run(fmt.Sprint(c.result.Class, parked), func(t *testing.T) {
				t.Parallel()
				r, q := newRig(t), &fakeQueue{}
				r.open()
				r.pusher.result = func(deliver.Payload) deliver.Result { return c.result }
				if parked {
					r.receive(t)
					r.probeDue()
					r.round(t, q, false)
					want(t, "outcome", r.take(t, q).Action, c.then)
				} else {
					r.probeDue()
					want(t, "outcome", r.receive(t).Action, c.then)
				}
				r.wantPushes(t, 1)
				h := r.health()
				want(t, "circuit", h.Circuit, hermod.Open)
				want(t, "failures", h.Failures, 10)
				want(t, "probes that failed", h.Probes, 0)
				r.pusher.result = accepts
				r.next(2)
				want(t, "the next one", r.receive(t), done)
				r.wantPushes(t, 2)
				want(t, "circuit", r.health().Circuit, hermod.Draining)
			})
		}
	}
}

func TestASuccessDrainsInOrder(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open()
	for n := range byte(6) {
		r.next(5 - n)
		r.receive(t)
	}
	r.probeDue()
	r.round(t, q, false)
	want(t, "outcome", r.take(t, q), done)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
	r.next(9)
	want(t, "what comes goes on", r.receive(t), done)
	for range 3 { // two a round
		r.round(t, q, true)
	}
	r.round(t, q, false)
	want(t, "well", r.health() == nil, true)
	want(t, "in order", slices.IsSortedFunc(q.sent, func(a, b hermod.Message) int { return a.EventID.Compare(b.EventID) }), true)
	want(t, "messages", len(q.sent), 6)
	r.round(t, q, false)
}

func TestACircuitOpensAgainWhileItDrains(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	h := r.open()
	for n := range byte(3) {
		r.next(n)
		r.receive(t)
	}
	h.Circuit, h.Failures = hermod.Draining, 0
	r.round(t, q, true)
	r.pusher.result = fails
	for n := range byte(10) {
		r.next(10 + n)
		r.receive(t)
	}
	want(t, "circuit", r.health().Circuit, hermod.Open)
	want(t, "left", len(r.store.parked), 1)
	r.round(t, q, false)
	want(t, "messages", len(q.sent), 2)
}

func TestFiveDaysOfOnlyFailuresSwitchTheSubscriptionOff(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	h := r.open()
	for n := range byte(2) {
		r.next(n)
		r.receive(t)
	}
	h.Since, r.pusher.result = start.Add(-5*24*time.Hour), fails
	r.probeDue()
	r.round(t, q, false)
	r.take(t, q)
	sub := r.store.subs[r.sub.Ref()]
	want(t, "active", sub.Active, false)
	want(t, "reason", sub.DisabledReason, string(hermod.ReasonFailing))
	r.round(t, q, true)
	want(t, "parked", r.take(t, q), done)
	want(t, "its row", r.last(t, 0, 1).Reason, hermod.ReasonSubDisabled)
	r.round(t, q, false)
	want(t, "forgotten", r.health() == nil, true)
}

func TestAFaultOfTheHealthLeavesTheDeliveryAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call   string
		result func(deliver.Payload) deliver.Result
		want   hermod.Action
	}{{"Fail", fails, hermod.Again}, {"PutHealth", accepts, hermod.Done}} {
		r := newRig(t)
		r.store.fault = func(call string, _ bool) error {
			if call == c.call {
				return errBroken
			}
			return nil
		}
		r.pusher.result = c.result
		if c.call == "PutHealth" {
			r.open().ProbeEvent = r.event.ID
		}
		want(t, c.call, r.receive(t).Action, c.want)
		r.wantPushes(t, 1)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	h := &hermod.Health{}
	want(t, "pause", h.Pause(true), true)
	want(t, "again", h.Pause(true), false)
	want(t, "resume", h.Pause(false), true)
	want(t, "drains", h.Circuit, hermod.Draining)
	want(t, "resume again", h.Pause(false), false)
	h.Circuit, h.Failures = hermod.Open, 12
	want(t, "an open one", h.Pause(false), true)
	want(t, "has no failures", h.Failures, 0)
}

func TestWhatIsPausedStays(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	h := r.open()
	h.Paused = true
	r.receive(t)
	r.now = start.Add(time.Hour)
	r.round(t, q, false)
	want(t, "messages", len(q.sent), 0)
	r.store.subs[r.sub.Ref()].DeletedAt = r.now
	r.round(t, q, true)
	r.take(t, q)
	r.round(t, q, true)
	r.round(t, q, false)
	want(t, "forgotten with its subscription", r.health() == nil, true)
}

// A wrongStore fails over what is parked of some subscriptions.
type wrongStore struct {
	*fakeStore
	fault map[string]func() error
}

func (s wrongStore) ParkedOf(ctx context.Context, id string, limit int) ([]*hermod.Parked, error) {
	if fault := s.fault[id]; fault != nil {
		if err := fault(); err != nil {
			return nil, err
		}
	}
	return s.fakeStore.ParkedOf(ctx, id, limit)
}

// Many are drained side by side. A fault with some, or a panic, is theirs alone, also for as
// long as Sweep goes on.
func TestAFaultWithOneSubscriptionLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, q := newRig(t), &lockedQueue{}
		for n := range byte(20) {
			sub := new(*r.sub)
			sub.ID = fmt.Sprint("s-", n)
			r.store.subs[sub.Ref()] = sub
			r.store.health[sub.Ref()] = &hermod.Health{Owner: owner, SubscriptionID: sub.ID, Version: 1, Circuit: hermod.Draining}
			for event := range byte(4) {
				p := &hermod.Parked{Message: hermod.Message{EventID: eventID(event), Account: owner, Owner: owner, SubscriptionID: sub.ID}}
				r.store.parked[p.Key()] = p
			}
		}
		s := r.sweeper(&q.fakeQueue)
		s.Queue, s.Now = q, time.Now
		s.Store = wrongStore{r.store, map[string]func() error{
			"s-0": func() error { return errBroken }, "s-1": func() error { panic("over one") },
		}}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := s.Sweep(ctx)
		if err == nil || !strings.Contains(err.Error(), "s-0") || !strings.Contains(err.Error(), "s-1") {
			t.Errorf("got %v, want the faults of s-0 and s-1", err)
		}
		want(t, "messages", len(q.sent), 18*4)
		want(t, "unwell", len(r.store.health), 2)
	})
}

// A lockedQueue may be sent to side by side.
type lockedQueue struct {
	mu sync.Mutex
	fakeQueue
}

func (q *lockedQueue) Send(ctx context.Context, messages []hermod.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fakeQueue.Send(ctx, messages)
}
