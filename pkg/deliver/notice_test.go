package deliver_test

import (
	"context"
	"fmt"
	"testing"

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
		OpenedAt: h.OpenedAt, Failures: 10, Since: h.Since,
	})
	change(func(h *hermod.Health) { h.Paused = true })
	round(hermod.NoticeFailing)
	change(func(h *hermod.Health) {
		h.Well()
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
