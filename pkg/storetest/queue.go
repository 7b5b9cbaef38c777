package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// A QueueSpec says how to get a queue to test.
type QueueSpec struct {
	// Open gives a queue that nothing else uses during the sub-test.
	Open func(t *testing.T) Queue
	// MaxReceives and Visibility are the queue's. The visibility should be a few
	// seconds: long enough for a receiver to settle.
	MaxReceives int
	Visibility  time.Duration
	// Bubble runs a sub-test; an engine that goes by the process's clock can give
	// synctest.Test. nil runs it in real time.
	Bubble func(t *testing.T, test func(t *testing.T))
}

// slack is how much earlier than asked a hidden message may be back: SQS goes by
// whole seconds.
const slack = time.Second

// TestQueue runs the conformance suite of queues.
func TestQueue(t *testing.T, spec QueueSpec) {
	t.Helper()
	if spec.Bubble == nil {
		spec.Bubble = func(t *testing.T, test func(t *testing.T)) { t.Helper(); test(t) }
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, *queueFixture)
	}{
		{"every message is received until it is done", everyMessage},
		{"what is not settled is received again", notSettled},
		{"a message stays hidden until its time", hiddenUntil},
		{"used up receives lead to the dead letters", usedUp},
		{"what is given up goes to the dead letters after its last receive", givenUp},
		{"a redriven message starts afresh", redriven},
		{"concurrent receivers never hold the same message", concurrentReceivers},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spec.Bubble(t, func(t *testing.T) {
				c.test(t, &queueFixture{QueueSpec: spec, q: spec.Open(t)})
			})
		})
	}
}

type queueFixture struct {
	QueueSpec
	q Queue
}

// next polls until a message comes, for as long as within.
func (f *queueFixture) next(t *testing.T, within time.Duration) hermod.Received {
	t.Helper()
	for start := time.Now(); time.Since(start) < within; {
		if batch := got(f.q.Receive(t.Context(), 1))(t); len(batch) > 0 {
			return batch[0]
		}
	}
	t.Fatalf("no message within %s", within)
	return hermod.Received{}
}

func (f *queueFixture) send(t *testing.T, bodies ...string) {
	t.Helper()
	var list [][]byte
	for _, b := range bodies {
		list = append(list, []byte(b))
	}
	must(t, f.q.SendBodies(t.Context(), list))
}

func (f *queueFixture) settle(t *testing.T, m hermod.Received, o hermod.Outcome) {
	t.Helper()
	must(t, f.q.Settle(t.Context(), []hermod.Received{m}, []hermod.Outcome{o}))
}

// again is received at once.
func again() hermod.Outcome { return hermod.Outcome{Action: hermod.Again, At: time.Now()} }

// wantQuiet checks that no message comes for the time.
func (f *queueFixture) wantQuiet(t *testing.T, d time.Duration) {
	t.Helper()
	for start := time.Now(); time.Since(start) < d; {
		if batch := got(f.q.Receive(t.Context(), 10))(t); len(batch) > 0 {
			t.Fatalf("got %q, receive %d, want none", batch[0].Body, batch[0].Receives)
		}
	}
}

// wantDead polls, receiving, since the move is made at the next receive.
func (f *queueFixture) wantDead(t *testing.T, within time.Duration, want ...string) {
	t.Helper()
	var dead []string
	for start := time.Now(); time.Since(start) < within; {
		if batch := got(f.q.Receive(t.Context(), 1))(t); len(batch) > 0 {
			t.Fatalf("got %q, receive %d, want none past the last", batch[0].Body, batch[0].Receives)
		}
		dead = nil
		for _, body := range got(f.q.DeadLetters(t.Context()))(t) {
			dead = append(dead, string(body))
		}
		slices.Sort(dead)
		if slices.Equal(dead, want) {
			return
		}
	}
	t.Fatalf("got dead letters %q, want %q", dead, want)
}

func everyMessage(t *testing.T, f *queueFixture) {
	const n = 25
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf(`{"n":%d,"odd":"Ærø 🦭"}`, i))
	}
	before := time.Now()
	f.send(t, want...)
	slices.Sort(want)
	var bodies, ids []string
	for len(bodies) < n {
		m := f.next(t, Deadline)
		bodies, ids = append(bodies, string(m.Body)), append(ids, m.ID)
		wantEqual(t, []any{m.Receives, m.Redriven}, []any{1, false})
		if m.SentAt.Before(before.Add(-slack)) || m.SentAt.After(time.Now().Add(slack)) {
			t.Fatalf("sent at %s, want about %s", m.SentAt, before)
		}
		f.settle(t, m, hermod.Outcome{Action: hermod.Done})
	}
	slices.Sort(bodies)
	wantEqual(t, bodies, want)
	slices.Sort(ids)
	wantEqual(t, len(slices.Compact(ids)), n)
	f.wantQuiet(t, f.Visibility+2*slack)
	f.wantDead(t, Deadline)
}

func notSettled(t *testing.T, f *queueFixture) {
	f.send(t, "m")
	first := f.next(t, Deadline)
	at := time.Now()
	second := f.next(t, f.Visibility+Deadline)
	if early := f.Visibility - time.Since(at); early > slack {
		t.Fatalf("back %s before the visibility timeout", early)
	}
	wantEqual(t, []any{second.ID, second.Receives}, []any{first.ID, 2})
	f.settle(t, second, hermod.Outcome{Action: hermod.Done})
}

func hiddenUntil(t *testing.T, f *queueFixture) {
	f.send(t, "m")
	first := f.next(t, Deadline)
	at := time.Now().Add(3 * time.Second)
	f.settle(t, first, hermod.Outcome{Action: hermod.Again, At: at})
	second := f.next(t, Deadline)
	if early := time.Until(at); early > slack {
		t.Fatalf("back %s too early", early)
	}
	wantEqual(t, []any{second.ID, string(second.Body), second.Receives}, []any{first.ID, "m", 2})
	if d := second.SentAt.Sub(first.SentAt); d.Abs() > time.Millisecond {
		t.Fatalf("sent at %s and at %s, want one time", first.SentAt, second.SentAt)
	}
	f.settle(t, second, hermod.Outcome{Action: hermod.Done})
	f.wantQuiet(t, f.Visibility+2*slack)
}

func usedUp(t *testing.T, f *queueFixture) {
	f.send(t, "m")
	for n := 1; n <= f.MaxReceives; n++ {
		m := f.next(t, Deadline)
		wantEqual(t, m.Receives, n)
		f.settle(t, m, again())
	}
	f.wantDead(t, Deadline, "m")
}

func givenUp(t *testing.T, f *queueFixture) {
	f.send(t, "m")
	for n := 1; n < f.MaxReceives; n++ {
		f.settle(t, f.next(t, Deadline), again())
	}
	m := f.next(t, Deadline)
	wantEqual(t, m.Receives, f.MaxReceives)
	f.settle(t, m, hermod.Outcome{Action: hermod.GiveUp})
	f.wantDead(t, hermod.GiveUpPause+Deadline, "m")
}

func redriven(t *testing.T, f *queueFixture) {
	f.send(t, "a", "b")
	for range 2 * f.MaxReceives {
		f.settle(t, f.next(t, Deadline), again())
	}
	f.wantDead(t, Deadline, "a", "b")
	before := time.Now()
	must(t, f.q.Redrive(t.Context()))
	var bodies []string
	for len(bodies) < 2 {
		m := f.next(t, Deadline)
		wantEqual(t, []any{m.Receives, m.Redriven}, []any{1, true})
		if m.SentAt.Before(before.Add(-slack)) {
			t.Fatalf("sent at %s, want when it was moved, %s", m.SentAt, before)
		}
		bodies = append(bodies, string(m.Body))
		f.settle(t, m, hermod.Outcome{Action: hermod.Done})
	}
	slices.Sort(bodies)
	wantEqual(t, bodies, []string{"a", "b"})
	f.wantDead(t, Deadline)
}

// concurrentReceivers has receivers settle only after all have received, so that
// two that got the same message are caught.
func concurrentReceivers(t *testing.T, f *queueFixture) {
	const n, receivers = 60, 6
	var bodies []string
	for i := range n {
		bodies = append(bodies, fmt.Sprint(i))
	}
	f.send(t, bodies...)
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	var mu sync.Mutex
	inHand, done := map[string]bool{}, map[string]bool{}
	finished := func() bool { mu.Lock(); defer mu.Unlock(); return len(done) == n }
	receive := func() error {
		batch, err := f.q.Receive(ctx, 10)
		if err != nil {
			return err
		}
		mu.Lock()
		for _, m := range batch {
			if inHand[m.ID] {
				t.Errorf("message %s is in two hands", m.ID)
			}
			inHand[m.ID], done[string(m.Body)] = true, true
		}
		mu.Unlock()
		err = f.q.Settle(ctx, batch, make([]hermod.Outcome, len(batch)))
		return err
	}
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for !finished() {
				if err := receive(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantEqual(t, len(done), n)
}
