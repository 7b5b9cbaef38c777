package faults

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"hermod/pkg/hermod"
	"hermod/test/faults/ledger"
)

// A load is a piece of work that passes certain steps. It answers an error where the
// process ends meanwhile, or answers that it cannot.
type load struct {
	name string
	run  func(s *stage) error
	// parks says that deliveries are parked.
	parks bool
}

// loads pass all steps together. The first that passes a step is the one that it is
// tested by: the cheapest come first.
func loads() []load {
	return []load{
		{name: "plain", run: plainLoad}, {name: "retried", run: retriedLoad}, {name: "queued", run: queuedLoad},
		{name: "keyed", run: keyedLoad}, {name: "told twice", run: toldTwiceLoad}, {name: "gone", run: goneLoad},
		{name: "circuit", run: circuitLoad, parks: true}, {name: "expiring", run: expiringLoad, parks: true},
		{name: "limited", run: limitedLoad, parks: true}, {name: "again", run: againLoad}, {name: "redriven", run: redrivenLoad},
	}
}

func plainLoad(s *stage) error { return s.load(well, 3) }

// retriedLoad goes by the queue and by the due index before it is taken.
func retriedLoad(s *stage) error { return s.load(flaky, 1) }

// goneLoad has its subscription switched off: what is moved back later is dropped.
func goneLoad(s *stage) error {
	to, err := s.subscribe(gone)
	if err != nil {
		return err
	}
	s.books.MayDrop(to.id)
	_, err = s.publish(s.events(to, 1), "", to.id)
	return err
}

// circuitLoad has a circuit open, deliveries parked, a probe succeed and the rest drained.
func circuitLoad(s *stage) error { return s.load(downFor(12), 8) }

// load publishes n events to an endpoint.
func (s *stage) load(answer func(hermod.AttemptKey, int, int) int, n int) error {
	to, err := s.subscribe(answer)
	if err != nil {
		return err
	}
	_, err = s.publish(s.events(to, n), "", to.id)
	return err
}

// queuedLoad comes from a queue of events.
func queuedLoad(s *stage) error {
	to, err := s.subscribe(well)
	if err != nil {
		return err
	}
	return s.send(s.events(to, 3), to.id)
}

// keyedLoad is published twice.
func keyedLoad(s *stage) error {
	to, err := s.subscribe(well)
	if err != nil {
		return err
	}
	events := s.events(to, 2)
	for range 2 {
		if _, err := s.publish(events, "key-"+to.id, to.id); err != nil {
			return err
		}
	}
	return nil
}

// toldTwiceLoad tells the end of a signature request and its change of status.
func toldTwiceLoad(s *stage) error {
	e := s.events(subscriber{sender: string(hermod.TeliaSign)}, 1)
	number := strconv.Itoa(e[0].payload)
	request := "00000000-0000-4000-8000-" + "000000000000"[len(number):] + number
	e[0].Data = []byte(`{"n":` + number + `,"SignatureRequestId":"` + request + `"}`)
	for _, name := range []string{"signaturerequestcompleted", "signaturerequeststatusupdated"} {
		e[0].Name = name
		if _, err := s.publish(e, name+number); err != nil {
			return err
		}
	}
	return nil
}

// expiringLoad is parked when it expires. What comes to the same endpoint later is alone,
// and probes.
func expiringLoad(s *stage) error {
	to, err := s.subscribe(failing)
	if err != nil {
		return err
	}
	for _, n := range []int{10, 1} {
		events := s.events(to, n)
		for i := range events {
			events[i].Expires = s.now().Add(10 * time.Minute).UTC()
		}
		if _, err := s.publish(events, "", to.id); err != nil {
			return err
		}
		if err := s.finish(); err != nil {
			return err
		}
	}
	return nil
}

// limitedLoad is more than its subscription gets at a time.
func limitedLoad(s *stage) error {
	to, err := s.subscribe(well)
	if err != nil {
		return err
	}
	if err := s.control("limit", to.id, nil); err != nil {
		return err
	}
	_, err = s.publish(s.events(to, 3), "", to.id)
	return err
}

// againLoad is delivered once more by hand.
func againLoad(s *stage) error {
	to, err := s.subscribe(well)
	if err != nil {
		return err
	}
	ids, err := s.publish(s.events(to, 1), "", to.id)
	if err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	_, err = s.api(http.MethodPost, "/delivery-logs/"+hermod.AttemptKey{
		RunKey: hermod.RunKey{SubscriptionID: to.id, EventID: ids[0]}, Number: 1,
	}.String()+"/retry", nil)
	return err
}

// redrivenLoad ends among the dead letters, which are moved back.
func redrivenLoad(s *stage) error {
	if err := s.load(laterRuns, 1); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	if err := s.noteTwins(); err != nil {
		return err
	}
	return s.control("redrive", nil, nil)
}

// noteTwins notes the deliveries that have two dead letters, as a message that was handed
// out twice, or was parked and not parked, leaves. Moved back, each starts the next run.
func (s *stage) noteTwins() error {
	var state ledger.State
	if err := s.control("state", nil, &state); err != nil {
		return err
	}
	seen := map[hermod.RunKey]bool{}
	for _, body := range state.DeadLetters {
		m, err := hermod.DecodeMessage(body)
		if err != nil {
			return err
		}
		key := hermod.RunKey{SubscriptionID: m.SubscriptionID, EventID: m.EventID}
		if seen[key] {
			s.note(ledger.Incident{Name: "two dead letters moved back", From: time.Now(), Event: m.EventID, Subscription: m.SubscriptionID})
		}
		seen[key] = true
	}
	return nil
}

// runAll runs all loads side by side, each some times more. What a fault refuses is no
// concern of theirs.
func (s *stage) runAll(more int) {
	s.t.Helper()
	var wg sync.WaitGroup
	for _, l := range loads() {
		wg.Go(func() {
			for range more + 1 {
				if err := l.run(s); err != nil && !errors.Is(err, errFailed) {
					s.t.Errorf("load %s: %v", l.name, err)
				}
			}
		})
	}
	wg.Wait()
}

// finish waits until nothing is under way.
func (s *stage) finish() error {
	hurry := s.hurry()
	return s.try(func() (pending string, err error) {
		if err := hurry(); err != nil {
			return "", err
		}
		err = s.control("pending", nil, &pending)
		return pending, err
	})
}
