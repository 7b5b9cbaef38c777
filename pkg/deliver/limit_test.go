package deliver_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// limited is a rig whose subscription has a limit, and counts when attempts begin.
func limited(t *testing.T, rate int) (r *rig, begun *[]time.Time) {
	t.Helper()
	r, begun = newRig(t), new([]time.Time)
	r.sub.RateLimit = rate
	answer := r.pusher.result
	r.pusher.result = func(p deliver.Payload) deliver.Result {
		*begun = append(*begun, r.now)
		return answer(p)
	}
	return r, begun
}

// In any second no more than twice the rate begin, in the long run no more than the rate, and
// all are delivered, each by one attempt, though more come than the limit lets through.
func TestALimitSpreadsWhatComes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, atOnce, everySecond int }{{1, 20, 0}, {5, 60, 0}, {10, 12, 8}, {40, 200, 30}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			r, begun := limited(t, c.rate)
			q, come := &fakeQueue{}, byte(0)
			arrive := func(n int) {
				for ; n > 0 && come < 250; n-- {
					r.next(come)
					come++
					want(t, "outcome", r.receive(t), done)
				}
			}
			arrive(c.atOnce)
			waits, left := 0, true
			for tick := 0; left; tick++ {
				if r.now = start.Add(time.Duration(tick) * 100 * time.Millisecond); tick > 5000 {
					t.Fatalf("%d are parked still", len(r.store.parked))
				}
				if tick%10 == 5 {
					arrive(c.everySecond)
					if _, err := r.sweeper(q).Round(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				for _, m := range q.sent {
					r.message = m
					r.received = hermod.Received{ID: fmt.Sprint(m.EventID, tick), Receives: 1, SentAt: r.now}
					parked := len(r.store.parked)
					want(t, "outcome", r.receive(t), done)
					if len(r.store.parked) > parked {
						waits++
					}
				}
				q.sent = nil
				left = r.health() != nil || c.everySecond > 0 && come < 250
			}
			want(t, "attempts", len(*begun), int(come))
			if waits > int(come)/5 {
				t.Errorf("%d of %d were parked again", waits, come)
			}
			if took := (*begun)[len(*begun)-1].Sub(start).Seconds(); float64(len(*begun)) > float64(c.rate)*(took+1) {
				t.Errorf("%d began in %.1f s at a rate of %d", len(*begun), took, c.rate)
			}
			for i, at := range *begun {
				if first := i - 2*c.rate; first >= 0 && at.Sub((*begun)[first]) < time.Second {
					t.Fatalf("more than %d began within a second of %s", 2*c.rate, at)
				}
			}
		})
	}
}

// What comes may not overtake what waits, or that would wait for ever.
func TestWhatComesGoesBehindWhatWaits(t *testing.T) {
	t.Parallel()
	r, _ := limited(t, 1)
	q := &fakeQueue{}
	for n := range byte(3) {
		r.next(n)
		r.receive(t)
	}
	want(t, "parked", len(r.store.parked), 2)
	want(t, "circuit", r.health().Circuit, hermod.Limited)
	r.now = r.now.Add(time.Hour)
	var calls []string
	r.store.fault = func(call string, done bool) error {
		if !done {
			calls = append(calls, call)
		}
		return nil
	}
	r.next(3)
	r.receive(t)
	r.store.fault = func(string, bool) error { return nil }
	want(t, "parked", len(r.store.parked), 3)
	if slices.Contains(calls, "Admit") {
		t.Errorf("it was asked for: %v", calls)
	}
	r.round(t, q, true)
	want(t, "as many as the limit lets through", len(q.sent), 1)
	want(t, "the oldest", q.sent[0].EventID, eventID(1))
	r.take(t, q)
	r.wantPushes(t, 2)
}

// Whoever finds nothing parked may be looking past one that is being parked: so what comes
// goes on first, and then nothing is parked once more.
func TestALimitIsLeftInTwoRounds(t *testing.T) {
	t.Parallel()
	r, _ := limited(t, 1)
	q := &fakeQueue{}
	for n := range byte(2) {
		r.next(n)
		r.receive(t)
	}
	r.round(t, q, true)
	r.now = r.now.Add(time.Second)
	r.take(t, q)
	r.round(t, q, true)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
	r.now = r.now.Add(time.Second)
	r.next(2)
	r.receive(t)
	r.wantPushes(t, 3)
	r.next(3)
	r.receive(t)
	want(t, "circuit", r.health().Circuit, hermod.Limited)
	want(t, "parked", len(r.store.parked), 1)
}

func TestALimitThatIsRemovedHoldsNothing(t *testing.T) {
	t.Parallel()
	t.Run("while it is parked", func(t *testing.T) {
		t.Parallel()
		r, _ := limited(t, 1)
		r.receive(t)
		r.next(2)
		r.store.fault = func(call string, done bool) error {
			if call == "Park" && done {
				r.store.subs[r.sub.Ref()].RateLimit = 0
			}
			return nil
		}
		want(t, "outcome", r.receive(t), again(start))
		want(t, "well", r.health() == nil, true)
	})
	t.Run("before it comes", func(t *testing.T) {
		t.Parallel()
		r, _ := limited(t, 1)
		q := &fakeQueue{}
		for n := range byte(6) {
			r.next(n)
			r.receive(t)
		}
		r.store.subs[r.sub.Ref()].RateLimit = 0
		r.next(9)
		want(t, "outcome", r.receive(t), done)
		r.wantPushes(t, 2)
		r.round(t, q, true)
		want(t, "as many as the sweeper's rate", len(q.sent), 2)
	})
}

func TestWhatALimitDoesNotHold(t *testing.T) {
	t.Parallel()
	t.Run("a mock", func(t *testing.T) {
		t.Parallel()
		r, _ := limited(t, 1)
		for n := range byte(5) {
			r.next(n)
			r.message.Trigger = hermod.TriggerMock
			want(t, "outcome", r.receive(t), done)
		}
		r.wantPushes(t, 5)
	})
	t.Run("what ends without an attempt", func(t *testing.T) {
		t.Parallel()
		r, _ := limited(t, 1)
		q := &fakeQueue{}
		for n := range byte(8) {
			r.next(n)
			r.receive(t)
		}
		r.store.subs[r.sub.Ref()].Active = false
		r.round(t, q, true)
		want(t, "messages", len(q.sent), 2)
		r.take(t, q)
		want(t, "its end", r.last(t, 0, 1).Reason, hermod.ReasonSubDisabled)
	})
}

// A probe for which there is no room leaves its turn to the next one; the circuit stays open.
func TestAProbeWithoutATokenLeavesItsTurn(t *testing.T) {
	t.Parallel()
	r, _ := limited(t, 1)
	q := &fakeQueue{}
	r.receive(t)
	r.open()
	r.next(2)
	r.receive(t)
	r.probeDue()
	r.round(t, q, false)
	want(t, "outcome", r.take(t, q), done)
	r.wantPushes(t, 1)
	want(t, "circuit", r.health().Circuit, hermod.Open)
	want(t, "parked", len(r.store.parked), 1)
	r.now = r.now.Add(time.Second)
	r.round(t, q, false)
	want(t, "outcome", r.take(t, q), done)
	want(t, "circuit", r.health().Circuit, hermod.Draining)
	r.wantPushes(t, 2)
}

// A store that cannot say whether there is room costs a moment, and no attempt.
func TestAFaultOfTheLimitPutsTheDeliveryOff(t *testing.T) {
	t.Parallel()
	r, _ := limited(t, 1)
	r.store.fault = func(call string, _ bool) error {
		if call == "Admit" {
			return errBroken
		}
		return nil
	}
	want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
	r.wantPushes(t, 0)
}
