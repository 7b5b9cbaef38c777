package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A fakeQueue keeps what was sent.
type fakeQueue struct {
	sent  []hermod.Message
	fault func() error
}

func (q *fakeQueue) Send(_ context.Context, messages []hermod.Message) error {
	if q.fault != nil {
		if err := q.fault(); err != nil {
			return err
		}
	}
	q.sent = append(q.sent, messages...)
	return nil
}

// dueRows puts so many rows of runs of their own into the index, due a second apart
// up to now.
func dueRows(store *fakeStore, n int) {
	for i := range n {
		key := hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: fmt.Sprint("s-", i), EventID: eventID(1), Run: 2}, Number: 1}
		store.rows[key.RunKey] = []*hermod.Attempt{{
			AttemptKey: key, Owner: owner, Account: "a-2", Trigger: hermod.TriggerReplay, Replay: eventID(9), Until: start.Add(time.Hour),
			State: hermod.Waiting, Carrier: hermod.CarrierDue, NextAt: start.Add(time.Duration(i-n+1) * time.Second),
		}}
		store.due[key] = true
	}
}

func newWaker(index deliver.DueIndex, queue deliver.Queue) *deliver.Waker {
	return &deliver.Waker{
		Index: index, Queue: queue, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler),
	}
}

func wake(t *testing.T, w *deliver.Waker, sent int) {
	t.Helper()
	n, err := w.Wake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "sent", n, sent)
}

func TestWakeSendsWhatIsDue(t *testing.T) {
	t.Parallel()
	store, queue := newFakeStore(), &fakeQueue{}
	dueRows(store, 1)
	w := newWaker(store, queue)
	wake(t, w, 1)
	want(t, "message", queue.sent[0], hermod.Message{
		EventID: eventID(1), Account: "a-2", Owner: owner, SubscriptionID: "s-0", Run: 2,
		Trigger: hermod.TriggerReplay, Replay: eventID(9), Until: start.Add(time.Hour), After: 1,
	})
	wake(t, w, 0)
	want(t, "messages", len(queue.sent), 1)
}

func TestWakeLeavesWhatIsNotYetDue(t *testing.T) {
	t.Parallel()
	store, queue := newFakeStore(), &fakeQueue{}
	dueRows(store, 3)
	w := newWaker(store, queue)
	w.Now = func() time.Time { return start.Add(-time.Second) }
	wake(t, w, 2)
	want(t, "left", len(store.due), 1)
}

func TestWakeGoesOnPageByPage(t *testing.T) {
	t.Parallel()
	const n = 600 // more than two pages
	store, queue := newFakeStore(), &fakeQueue{}
	dueRows(store, n)
	wake(t, newWaker(store, queue), n)
	want(t, "messages", len(queue.sent), n)
	want(t, "left", len(store.due), 0)
	ids := make([]string, n)
	for i, m := range queue.sent {
		ids[i] = m.SubscriptionID
	}
	slices.Sort(ids)
	want(t, "different ones", len(slices.Compact(ids)), n)
}

func TestCrashBetweenSendAndClearSendsAgain(t *testing.T) {
	t.Parallel()
	store, queue := newFakeStore(), &fakeQueue{}
	dueRows(store, 3)
	w := newWaker(store, queue)
	store.fault = func(call string, _ bool) error {
		if call == "ClearDue" {
			return errBroken
		}
		return nil
	}
	if _, err := w.Wake(t.Context()); !errors.Is(err, errBroken) {
		t.Fatalf("got %v", err)
	}
	want(t, "messages", len(queue.sent), 3)
	store.fault = func(string, bool) error { return nil }
	wake(t, w, 3)
	want(t, "messages", len(queue.sent), 6)
	want(t, "left", len(store.due), 0)
}

func TestWhatWasNotSentStaysInTheIndex(t *testing.T) {
	t.Parallel()
	store, queue := newFakeStore(), &fakeQueue{fault: func() error { return errBroken }}
	dueRows(store, 3)
	if n, err := newWaker(store, queue).Wake(t.Context()); !errors.Is(err, errBroken) || n != 0 {
		t.Fatalf("got %d, %v", n, err)
	}
	want(t, "left", len(store.due), 3)
}

func TestIndexThatCannotBeRead(t *testing.T) {
	t.Parallel()
	store := newFakeStore()
	store.fault = func(string, bool) error { return errBroken }
	if _, err := newWaker(store, &fakeQueue{}).Wake(t.Context()); !errors.Is(err, errBroken) {
		t.Fatalf("got %v", err)
	}
}

// staleIndex still shows for so many looks what was cleared.
type staleIndex struct {
	*fakeStore
	stale int
}

func (s *staleIndex) ClearDue(ctx context.Context, keys []hermod.AttemptKey) error {
	if s.stale > 0 {
		return nil
	}
	return s.fakeStore.ClearDue(ctx, keys)
}

func (s *staleIndex) Due(ctx context.Context, until time.Time, limit int) ([]*hermod.Attempt, error) {
	s.stale--
	return s.fakeStore.Due(ctx, until, limit)
}

func TestIndexThatStillShowsClearedRows(t *testing.T) {
	t.Parallel()
	store, queue := newFakeStore(), &fakeQueue{}
	dueRows(store, 300)
	wake(t, newWaker(&staleIndex{store, 1 << 30}, queue), 250)
	want(t, "each was sent once", len(queue.sent), 250)
}
