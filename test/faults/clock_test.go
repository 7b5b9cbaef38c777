package faults

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// TestTheClockIsSet sets the clock while deliveries wait: ahead by a day, back by an hour,
// while the process runs and while it does not.
func TestTheClockIsSet(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var last hermod.ID
	for _, c := range []struct {
		name    string
		by      time.Duration
		restart bool
	}{
		{"ahead by a day", 24 * time.Hour, false},
		{"back by an hour", -time.Hour, false},
		{"ahead by a day while it does not run", 24 * time.Hour, true},
		{"back by an hour while it does not run", -time.Hour, true},
	} {
		if err := s.loadNow(); err != nil { // deliveries wait in the queue and in the index
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.restart {
			s.kill9()
			s.settings.Clock += c.by
			s.restart()
		} else if err := s.ahead(c.by); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		// What comes now waits for nothing, and its place in the log is behind the rest.
		to, err := s.subscribe(well)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		taken := s.books.Taken()
		ids, err := s.publish(s.events(to, 3), "", to.id)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s.poll(c.name, func() (string, error) {
			if s.books.Taken() < taken+3 {
				return "what was published after the clock was set has not arrived", nil
			}
			return "", nil
		})
		if ids[0].Compare(last) <= 0 {
			t.Errorf("%s: event %s comes before %s", c.name, ids[0], last)
		}
		last = ids[2]
		s.judge(c.name)
	}
	t.Log(s.judge("all"))
}

// loadNow publishes to endpoints of several kinds and waits for nothing.
func (s *stage) loadNow() error {
	for _, l := range []func(*stage) error{plainLoad, retriedLoad, circuitLoad} {
		if err := l(s); err != nil {
			return err
		}
	}
	return nil
}
