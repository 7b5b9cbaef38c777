package node_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// The tests here run a whole node, its SQLite file on disk, in a bubble whose clock
// jumps to the next timer: three days and more of retries pass in well under a
// second.

const day = 24 * time.Hour

// waits are those of the default schedule, written out once more on purpose.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour,
}

// late is how much later than its time an attempt may be: the due index is looked
// through each minute.
const late = time.Minute

// inQueue is the longest wait before jitter that needs no due index, by the design.
const inQueue = 15 * time.Minute

// days is longer than the schedule with all its jitter, and what follows it until
// the message is among the dead letters.
const days = 4 * day

func TestFailingDestinationGetsTheWholeSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, failing)
		s.start()
		s.subscribe()
		s.publish("")
		time.Sleep(days)
		s.wantDeadLetters(1)
		s.stop()
		s.wantRows(len(waits)+1, hermod.Dead, hermod.ReasonExhausted)
		s.wantPushes(len(waits) + 1)
	})
}

func TestRecoveringDestinationGetsTheSixthAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, failingUntil(6))
		s.start()
		s.subscribe()
		s.publish("")
		time.Sleep(day)
		s.wantDeadLetters(0)
		s.stop()
		s.wantRows(6, hermod.Succeeded, "")
		s.wantPushes(6)
	})
}

func TestNoAttemptAfterTheEventExpired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		expires time.Duration
		pushes  int
	}{
		{"in a short wait", time.Minute, 2},
		{"in a long wait", time.Hour, 4},
		{"in the last wait", 60 * time.Hour, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, failing)
				s.start()
				s.subscribe()
				expires := time.Now().Add(c.expires)
				s.publish(expires.UTC().Format(time.RFC3339))
				time.Sleep(c.expires + day)
				s.wantDeadLetters(1)
				s.stop()
				// The run ends with the attempt whose wait would pass expiresAt.
				s.wantRows(c.pushes, hermod.Dead, hermod.ReasonEventExpired)
				s.wantPushes(c.pushes)
				if last := slices.MaxFunc(s.pushed, time.Time.Compare); !last.Before(expires) {
					t.Fatalf("pushed at %s, after %s", last, expires)
				}
			})
		})
	}
}

// A node that is stopped and started in the middle of a wait goes on where it was.
func TestRestartKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		after, down time.Duration
	}{
		{"in a short wait", 2 * time.Minute, time.Second},
		{"in a long wait", 20 * time.Minute, time.Second},
		{"past the end of a short wait", 2 * time.Minute, 10 * time.Minute},
		{"past the end of a long wait", 20 * time.Minute, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, failing)
				s.start()
				s.subscribe()
				s.publish("")
				time.Sleep(c.after)
				s.stop()
				stopped := time.Now()
				time.Sleep(c.down)
				s.down = [2]time.Time{stopped, time.Now()}
				s.start()
				time.Sleep(days)
				s.wantDeadLetters(1)
				s.stop()
				s.wantRows(len(waits)+1, hermod.Dead, hermod.ReasonExhausted)
				s.wantPushes(len(waits) + 1)
			})
		})
	}
}

// wantRows checks the whole log: the numbers, that each attempt came when the one
// before it said, that this is what the schedule says, and how the run ended.
func (s *stage) wantRows(n int, state hermod.State, reason hermod.Reason) {
	s.t.Helper()
	rows := s.rows()
	if len(rows) != n {
		s.t.Fatalf("got %d rows, want %d", len(rows), n)
	}
	for i, a := range rows[:n-1] {
		if a.Number != i+1 || a.State != hermod.Waiting {
			s.t.Fatalf("row %d: got number %d, state %s", i+1, a.Number, a.State)
		}
		ended := a.At.Add(a.Duration)
		if wait := a.NextAt.Sub(ended); wait < waits[i]*9/10 || wait > waits[i]*11/10 {
			s.t.Errorf("row %d: waits %s, want %s within 10 %%", a.Number, wait, waits[i])
		}
		s.wantOnTime(a, rows[i+1])
	}
	if last := rows[n-1]; last.Number != n || last.State != state || last.Reason != reason {
		s.t.Fatalf("last row: got %d %s %s, want %d %s %s", last.Number, last.State, last.Reason, n, state, reason)
	}
}

// wantOnTime checks that the attempt after a waiting row was made at its time: to
// the millisecond from the queue, within a minute by the due index, and not while
// the node was down.
func (s *stage) wantOnTime(a, next *hermod.Attempt) {
	s.t.Helper()
	allowed := time.Millisecond
	if long := waits[a.Number-1] > inQueue; long != (a.Carrier == hermod.CarrierDue) {
		s.t.Errorf("row %d: a wait of %s is carried by %q", a.Number, waits[a.Number-1], a.Carrier)
	} else if long {
		allowed = late
	}
	due := a.NextAt
	if due.After(s.down[0]) && due.Before(s.down[1]) {
		due = s.down[1]
	}
	if d := next.At.Sub(due); d < 0 || d > allowed {
		s.t.Errorf("attempt %d: %s after its time, want 0 to %s", next.Number, d, allowed)
	}
}

func (s *stage) wantPushes(n int) {
	s.t.Helper()
	if len(s.pushed) != n {
		s.t.Fatalf("got %d pushes, want %d", len(s.pushed), n)
	}
}

// wantDeadLetters checks the bodies among the dead letters: they are of this event.
func (s *stage) wantDeadLetters(n int) {
	s.t.Helper()
	bodies, err := s.node.DeadLetters(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if len(bodies) != n {
		s.t.Fatalf("got %d dead letters, want %d", len(bodies), n)
	}
	for _, body := range bodies {
		m, err := hermod.DecodeMessage(body)
		if err != nil || m.EventID.String() != s.event {
			s.t.Fatalf("got dead letter %s: %v", body, err)
		}
	}
}

// failing answers 503 to everything.
func failing(int) deliver.Result {
	return deliver.Result{StatusCode: 503, Class: deliver.ClassServerError, Message: "the destination answered 503"}
}

// failingUntil accepts from attempt n on.
func failingUntil(n int) func(int) deliver.Result {
	return func(attempt int) deliver.Result {
		if attempt < n {
			return failing(attempt)
		}
		return deliver.Result{StatusCode: 200}
	}
}

// Push is the destination.
func (s *stage) Push(_ context.Context, _ *hermod.Subscription, p deliver.Payload) deliver.Result {
	s.mu.Lock()
	s.pushed = append(s.pushed, time.Now())
	n := len(s.pushed)
	s.mu.Unlock()
	if id := p.Header.Get("X-Signicat-Delivery-Attempt-Id"); !strings.HasSuffix(id, fmt.Sprintf("-0-%d", n)) {
		s.t.Errorf("push %d has the attempt id %s", n, id)
	}
	time.Sleep(70 * time.Millisecond) // what an answer takes, in the bubble's time
	return s.answer(n)
}

func (s *stage) database() string { return filepath.Join(s.data, "hermod.db") }
