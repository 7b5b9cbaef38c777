package deliver_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A notifier keeps what it is asked to tell.
type notifier struct {
	told []*hermod.Notice
	err  error
}

func (n *notifier) Notify(_ context.Context, about *hermod.Notice) error {
	n.told = append(n.told, about)
	return n.err
}

func TestTheOwnerIsToldOfEachChangeOnce(t *testing.T) {
	t.Parallel()
	r, q, n := newRig(t), &fakeQueue{}, &notifier{}
	s := r.sweeper(q)
	s.Notifier = n
	round := func(told ...string) {
		t.Helper()
		for range 3 {
			if _, err := s.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		for _, about := range n.told {
			names = append(names, about.Name)
		}
		want(t, "told", fmt.Sprint(names), fmt.Sprint(told))
	}
	change := func(f func(*hermod.Health)) {
		h := new(*r.health())
		f(h)
		h.Version++
		r.store.health[r.sub.Ref()] = h
	}
	h := r.open()
	h.NextProbeAt = start.AddDate(1, 0, 0)
	round(hermod.NoticeFailing)
	want(t, "of", *n.told[0], hermod.Notice{
		Name: hermod.NoticeFailing, Owner: owner, SubscriptionID: subID, SubscriptionName: "name",
		At: h.OpenedAt, Failures: 10, Since: h.Since,
	})
	change(func(h *hermod.Health) { h.Paused = true })
	round(hermod.NoticeFailing)
	change(func(h *hermod.Health) {
		h.Forget()
		h.Paused, h.Circuit = false, hermod.Draining
	})
	round(hermod.NoticeFailing, hermod.NoticeRecovered)
	want(t, "well", r.health() == nil, true)

	r.open().NextProbeAt = start.AddDate(1, 0, 0)
	sub := r.store.subs[r.sub.Ref()]
	sub.Active, sub.DisabledReason = false, string(hermod.ReasonFailing)
	round(hermod.NoticeFailing, hermod.NoticeRecovered, hermod.NoticeDisabled)
}

func TestPausingIsNoNews(t *testing.T) {
	t.Parallel()
	r, n := newRig(t), &notifier{}
	r.open().Circuit = hermod.Draining
	s := r.sweeper(&fakeQueue{})
	s.Notifier = n
	if _, err := s.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "told", len(n.told), 0)
}

// What cannot be told just now is told later; what cannot be told at all is not tried for
// ever. Either way the endpoint is looked after.
func TestANoticeThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		tries int
	}{"for now": {errBroken, 2}, "for good": {hermod.Errorf(hermod.CodeInvalid, "no account"), 1}} {
		r, q, n := newRig(t), &fakeQueue{}, &notifier{err: c.err}
		s := r.sweeper(q)
		s.Notifier = n
		r.open()
		r.receive(t)
		r.probeDue()
		for range 2 {
			if _, err := s.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want(t, name, len(n.told), c.tries)
		want(t, "probes", len(q.sent), 1)
	}
}

// listener makes the rig's sweeper tell a notifier, and has it look.
func (r *rig) listener(t *testing.T, q *fakeQueue) (n *notifier, look func(told ...string)) {
	n = &notifier{}
	s := r.sweeper(q)
	s.Notifier = n
	return n, func(told ...string) {
		t.Helper()
		if _, err := s.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, about := range n.told {
			names = append(names, about.Name)
		}
		want(t, "told", fmt.Sprint(names), fmt.Sprint(told))
	}
}

// exhaust uses up the schedule of a delivery of a fresh event.
func (r *rig) exhaust(t *testing.T, n byte) {
	t.Helper()
	r.next(n)
	r.store.subs[r.sub.Ref()].Schedule = hermod.Schedule{}
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "reason", r.last(t, r.message.Run, 1).Reason, hermod.ReasonExhausted)
}

func TestTheOwnerIsToldOfWhatIsExhausted(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	n, look := r.listener(t, q)
	r.now = start.Add(56 * time.Minute)
	r.pusher.result = fails
	r.exhaust(t, 0)
	r.exhaust(t, 1)
	look(hermod.NoticeExhausted)
	look(hermod.NoticeExhausted)
	want(t, "of the hour", n.told[0].At, start)
	want(t, "failures stay", r.health().Failures, 2)

	// One in an hour is what the name and the moment of a notice say, which is all that a
	// health that has come and gone cannot forget.
	r.now = start.Add(59 * time.Minute)
	r.exhaust(t, 2)
	r.next(3)
	r.pusher.result = accepts
	r.receive(t)
	want(t, "still to be told", r.health() != nil, true)
	look(hermod.NoticeExhausted, hermod.NoticeExhausted)
	want(t, "of the same hour", n.told[1].At, start)
	want(t, "well", r.health() == nil, true)

	r.now = start.Add(time.Hour)
	r.pusher.result = fails
	r.exhaust(t, 4)
	look(hermod.NoticeExhausted, hermod.NoticeExhausted, hermod.NoticeExhausted)
	want(t, "of the next hour", n.told[2].At, start.Add(time.Hour))
}

func TestWhatIsExhaustedAndNotTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig){
		"a mock":                          func(r *rig) { r.message.Trigger = hermod.TriggerMock },
		"an event that has expired":       func(r *rig) { r.store.events[r.event.Key()].ExpiresAt = r.now },
		"a payload that is too large":     func(r *rig) { r.pusher.result = tooLarge },
		"a notice":                        func(r *rig) { r.store.events[r.event.Key()].Sender = hermod.NoticeSender },
		"a delivery of what was switched": func(r *rig) { r.sub.Active = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, q := newRig(t), &fakeQueue{}
			_, look := r.listener(t, q)
			r.sub.Schedule, r.pusher.result = hermod.Schedule{}, fails
			change(r)
			r.receive(t)
			look()
			if h := r.health(); h != nil && !h.Exhausted.IsZero() {
				t.Errorf("its owner would be told: %+v", h)
			}
		})
	}
}

func tooLarge(deliver.Payload) deliver.Result {
	return deliver.Result{Class: deliver.ClassTooLarge, Permanent: hermod.ReasonTooLarge}
}

// An endpoint that takes no notice, and is sent each that is made, its own too, is told of
// nothing by them: no notice is the cause of another.
func TestNoticesThatFailMakeNoNotices(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	_, look := r.listener(t, q)
	r.pusher.result = fails
	for n := range byte(40) {
		r.now = r.now.Add(time.Hour)
		r.next(n)
		r.store.events[hermod.EventKey{Account: owner, ID: eventID(n)}].Sender = hermod.NoticeSender
		r.store.subs[r.sub.Ref()].Schedule = hermod.Schedule{}
		r.receive(t)
		look()
	}
	r.wantPushes(t, 40)
	want(t, "circuit", r.health().Circuit, hermod.Closed)
	want(t, "failures", r.health().Failures, 40)

	// One delivery of another event is the cause of what is told next.
	r.exhaust(t, 41)
	look(hermod.NoticeFailing, hermod.NoticeExhausted)
	look(hermod.NoticeFailing, hermod.NoticeExhausted)
}

// A notice may be the oldest of what is parked: then it probes as any other does.
func TestANoticeProbes(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open().Told = hermod.NoticeFailing
	r.store.events[r.event.Key()].Sender = hermod.NoticeSender
	r.pusher.result = fails
	r.receive(t)
	r.probeDue()
	r.round(t, q, false)
	r.take(t, q)
	want(t, "probes that failed", r.health().Probes, 1)
	want(t, "next probe", r.health().NextProbeAt, r.now.Add(5*time.Minute))
}

// An endpoint that now and then takes one is told of once: it is well when all that was
// parked has got through.
func TestACircuitThatOpensWhileItDrainsIsNoNews(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	r.open().NextProbeAt = start.AddDate(1, 0, 0)
	_, look := r.listener(t, q)
	for n := range byte(10) {
		r.next(n)
		r.receive(t)
	}
	look(hermod.NoticeFailing)
	for round := range byte(3) {
		r.probeDue()
		look(hermod.NoticeFailing)
		r.pusher.result = accepts
		r.take(t, q)
		want(t, "circuit", r.health().Circuit, hermod.Draining)
		look(hermod.NoticeFailing)
		r.pusher.result = fails
		for n := range byte(10) {
			r.next(100 + 10*round + n)
			r.receive(t)
		}
		want(t, "circuit", r.health().Circuit, hermod.Open)
	}
	r.probeDue()
	look(hermod.NoticeFailing)
	r.pusher.result = accepts
	r.take(t, q)
	for len(r.store.parked) > 0 {
		look(hermod.NoticeFailing)
	}
	look(hermod.NoticeFailing, hermod.NoticeRecovered)
	want(t, "well", r.health() == nil, true)
}

// What cannot be told for now keeps the health until it can.
func TestThatItRecoveredIsToldLate(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	h := r.open()
	h.Drain()
	h.Told = hermod.NoticeFailing
	n, look := r.listener(t, q)
	n.err = errBroken
	look(hermod.NoticeRecovered)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
	n.err = nil
	look(hermod.NoticeRecovered, hermod.NoticeRecovered)
	want(t, "well", r.health() == nil, true)
}

func TestTheOwnerIsToldThatAnEndpointIsGone(t *testing.T) {
	t.Parallel()
	r, q := newRig(t), &fakeQueue{}
	n, look := r.listener(t, q)
	r.pusher.result = gone
	r.receive(t)
	look(hermod.NoticeDisabled)
	want(t, "why", n.told[0].Reason, hermod.ReasonGone)
	look(hermod.NoticeDisabled)
	want(t, "forgotten", r.health() == nil, true)
}
