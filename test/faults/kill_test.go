package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hermod/test/faults/ledger"
)

// TestSixThousandEventsAndKill9 kills the process at random moments while 6,000 events
// are published and delivered; under the race detector 1,000.
func TestSixThousandEventsAndKill9(t *testing.T) {
	t.Parallel()
	const events, inBatch, publishers = 6000 / oneIn, 50, 4
	s := newStage(t)
	s.parking = true // pushes of a second or more open circuits
	to, err := s.subscribe(well)
	if err != nil {
		t.Fatal(err)
	}
	all := s.events(to, events)
	var next, acknowledged atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for {
				n := int(next.Add(inBatch)) - inBatch
				if n >= events {
					return
				}
				// A publisher that heard nothing asks again, under the same key.
				if err := s.persist(all[n:n+inBatch], fmt.Sprint("batch ", n), to.id); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(inBatch)
			}
		})
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	kills := 3 * *rounds
	for n := range kills {
		// Somewhere in the nth part of the work.
		at := (float64(n) + random.Float64()) / float64(kills) * events * 0.9
		if err := s.until(func() (string, error) {
			if float64(acknowledged.Load()) < at && !t.Failed() {
				return "publishing is slow", nil
			}
			return "", nil
		}); err != nil {
			t.Fatal(err)
		}
		s.kill9()
		s.restart()
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	v := s.judge("kill -9")
	if v.Events != events || v.Acknowledged != events || v.Deliveries != events || v.Dead != 0 || s.books.Taken() != events {
		t.Errorf("got %s, %d delivered; want %d of each", v, s.books.Taken(), events)
	}
	t.Logf("seed %d, kill -9 %d times: %s", *seed, kills, v)
}

// kill9 kills the process and notes it.
func (s *stage) kill9() {
	s.t.Helper()
	s.note(ledger.Incident{Name: string(crash) + " by kill -9", From: time.Now()})
	s.process().kill()
}

// persist publishes until it is told that it has.
func (s *stage) persist(events []event, key string, subscriptions ...string) error {
	return s.until(func() (string, error) {
		_, err := s.publish(events, key, subscriptions...)
		switch {
		case err == nil:
			return "", nil
		case s.t.Failed():
			return "", errors.New("the test has failed")
		default:
			return err.Error(), nil
		}
	})
}
