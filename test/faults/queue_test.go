package faults

import (
	"testing"

	"hermod/pkg/hermod"
)

// TestMessagesAreHandedOutTwiceLateAndInOtherOrder has the queues do what queues may do.
func TestMessagesAreHandedOutTwiceLateAndInOtherOrder(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"delivery.Handle", "ingest.Handle"} {
		for _, k := range []kind{twice, late, shuffle} {
			t.Run(string(k)+" "+queue, func(t *testing.T) {
				t.Parallel()
				s := newStage(t)
				for range *rounds {
					s.arm(&fault{Kind: k, Step: queue, OneIn: 2})
					s.runAll(0)
				}
				t.Log(s.judge("all"))
			})
		}
	}
}

// TestErrorsForAWhile has calls of all kinds fail at random, and then none.
func TestErrorsForAWhile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for n := range *rounds {
		s.arm(&fault{Kind: errs, OneIn: 15, Seed: *seed + uint64(n), Times: 400})
		s.runAll(3 / oneIn)
		s.arm(nil)
		s.judge("errors for a while")
	}
	t.Logf("seed %d: %s", *seed, s.judge("all"))
}

// TestAnOutageThatUsesUpReceives lasts until messages are among the dead letters, though
// nothing could say so in the log. Moved back, they are delivered.
func TestAnOutageThatUsesUpReceives(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	to, err := s.subscribe(well)
	if err != nil {
		t.Fatal(err)
	}
	const events, always = 5, 1_000_000
	s.arm(&fault{Kind: errs, Step: "delivery.Handle", Phase: before, Pass: 1, Times: always})
	if _, err := s.publish(s.events(to, events), "", to.id); err != nil {
		t.Fatal(err)
	}
	if v := s.judge("an outage"); v.Unwritten != events {
		t.Errorf("got %s, want %d among the dead letters", v, events)
	}
	s.arm(nil)
	if err := s.control("redrive", nil, nil); err != nil {
		t.Fatal(err)
	}
	v := s.judge("the redrive")
	if v.Dead != 0 || s.books.Taken() != events {
		t.Errorf("got %s, %d delivered, want %d", v, s.books.Taken(), events)
	}
	t.Log(v)
}

// TestPanics has one event of several panic wherever it is met.
func TestPanics(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"deliver.Encode", "deliver.Push", "accept.PutEvents"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			to, err := s.subscribe(well)
			if err != nil {
				t.Fatal(err)
			}
			events := s.events(to, 5)
			s.arm(&fault{Kind: panics, Step: step, Phase: before, Pass: 1, Times: 1000, Only: events[2].payload})
			if step == "accept.PutEvents" {
				err = s.send(events, to.id)
			} else {
				_, err = s.publish(events, "", to.id)
			}
			if err != nil {
				t.Fatal(err)
			}
			v := s.judge("a panic")
			if v.Dead+v.Refused != 1 || v.Deliveries+v.Refused != 5 {
				t.Errorf("got %s, want one of five among the dead letters", v)
			}
			for _, a := range s.quiet("a panic").Attempts {
				if a.State != hermod.Succeeded && (a.State != hermod.Dead || a.Reason != hermod.ReasonReceiveBudget) {
					t.Errorf("attempt %s is %s for %q", a.AttemptKey, a.State, a.Reason)
				}
			}
			if step == "accept.PutEvents" {
				if _, err := s.publish(events[2:3], "", to.id); err == nil {
					t.Error("an event that cannot be written was acknowledged")
				}
			}
			t.Log(v)
		})
	}
}
