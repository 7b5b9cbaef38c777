package sqlite_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
)

// A rig is a database with a queue and its journal.
type rig struct {
	db      *sqlite.DB
	queue   *sqlite.Queue
	journal sqlite.Journal
	ids     *hermod.IDs
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db := open(t)
	q := db.Queue("delivery", sqlite.QueueOptions{})
	return &rig{db: db, queue: q, journal: db.Journal(q), ids: newIDs(time.Now)}
}

func (r *rig) event() *hermod.Event {
	return &hermod.Event{
		ID: r.ids.Next(), AccountID: "a", Sender: "s", Name: "n", Data: []byte("1"), RetainUntil: time.Now().Add(time.Hour),
	}
}

// held holds the writer until release is called, so that what is written meanwhile
// waits together.
func (r *rig) held(t *testing.T) (release func()) {
	t.Helper()
	entered, released := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- r.journal.Write(context.Background(), func(context.Context, ingest.Tx) error {
			close(entered)
			<-released
			return nil
		})
	}()
	<-entered
	return func() {
		close(released)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (r *rig) stored(t *testing.T, e *hermod.Event) bool {
	t.Helper()
	found, err := r.db.EventsByKey(t.Context(), []hermod.EventKey{e.Key()})
	if err != nil {
		t.Fatal(err)
	}
	return found[e.Key()] != nil
}

func TestConcurrentWritesShareACommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		release := r.held(t)
		before := r.db.Commits()
		var writers sync.WaitGroup
		var events [32]*hermod.Event
		for i := range events {
			events[i] = r.event()
			writers.Go(func() {
				if err := r.db.PutEvents(t.Context(), events[i:i+1]); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		writers.Wait()
		if commits := r.db.Commits() - before; commits != 2 {
			t.Errorf("got %d commits, want one for the write that held the others and one for them", commits)
		}
		for _, e := range events {
			if !r.stored(t, e) {
				t.Errorf("event %s is missing", e.ID)
			}
		}
	})
}

func TestAFailedWriteHarmsNoOther(t *testing.T) {
	t.Parallel()
	fault := errors.New("fault")
	for _, c := range []struct {
		name string
		fail func(ctx context.Context, tx ingest.Tx, e *hermod.Event) error
		is   func(error) bool
	}{
		{"refused before it wrote", func(context.Context, ingest.Tx, *hermod.Event) error { return fault },
			func(err error) bool { return errors.Is(err, fault) }},
		{"failed after it wrote", func(ctx context.Context, tx ingest.Tx, e *hermod.Event) error {
			return errors.Join(fault, tx.PutEvents(ctx, []*hermod.Event{e}))
		}, func(err error) bool { return errors.Is(err, fault) }},
		{"panicked after it wrote", func(ctx context.Context, tx ingest.Tx, e *hermod.Event) error {
			if err := tx.PutEvents(ctx, []*hermod.Event{e}); err != nil {
				return err
			}
			panic("fault")
		}, func(err error) bool { return hermod.CodeOf(err) == hermod.CodeInternal }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				release := r.held(t)
				before, after, bad := r.event(), r.event(), r.event()
				var writers sync.WaitGroup
				put := func(e *hermod.Event) {
					writers.Go(func() {
						if err := r.db.PutEvents(t.Context(), []*hermod.Event{e}); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait() // so that the order in the batch is this one
				}
				put(before)
				writers.Go(func() {
					err := r.journal.Write(t.Context(), func(ctx context.Context, tx ingest.Tx) error { return c.fail(ctx, tx, bad) })
					if !c.is(err) {
						t.Errorf("got %v", err)
					}
				})
				synctest.Wait()
				put(after)
				release()
				writers.Wait()
				if !r.stored(t, before) || !r.stored(t, after) || r.stored(t, bad) {
					t.Errorf("stored: before %t, after %t, failed %t", r.stored(t, before), r.stored(t, after), r.stored(t, bad))
				}
			})
		})
	}
}

func TestAWriteCanBeWithdrawnUntilItStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		release := r.held(t)
		ctx, cancel := context.WithCancel(t.Context())
		var ran atomic.Bool
		done := make(chan error, 1)
		go func() {
			done <- r.journal.Write(ctx, func(context.Context, ingest.Tx) error { ran.Store(true); return nil })
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		release()
		if err := r.db.PutEvents(t.Context(), []*hermod.Event{r.event()}); err != nil {
			t.Fatal(err)
		}
		if ran.Load() {
			t.Error("a withdrawn write ran")
		}
	})
}

func TestAStartedWriteIsAwaited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	e := r.event()
	err := r.journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error {
		cancel()
		return tx.PutEvents(ctx, []*hermod.Event{e})
	})
	if err != nil || !r.stored(t, e) {
		t.Errorf("got %v, stored %t; want the write to be told as it went", err, r.stored(t, e))
	}
}

func TestAClosedDatabaseRefusesWork(t *testing.T) {
	t.Parallel()
	db := openAt(t, t.TempDir()+"/hermod.db")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateOwner(t.Context(), hermod.Owner{ID: "a"}); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("got %v, want code unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := db.Types(ctx, "a"); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("got %v, want code unavailable", err)
	}
}

// TestIDsRiseInTheOrderOfCommits has writers make ids in their transactions while
// the clock steps back, and a reader check that nothing appears behind what it has
// seen.
func TestIDsRiseInTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	db := open(t)
	journal := db.Journal(db.Queue("delivery", sqlite.QueueOptions{}))
	var steps atomic.Int64
	start := time.Now()
	ids := newIDs(func() time.Time { // every tick is a millisecond earlier
		return start.Add(-time.Duration(steps.Add(1)) * time.Millisecond)
	})
	var writers sync.WaitGroup
	const n, each = 32, 20
	for range n {
		writers.Go(func() {
			for range each {
				err := journal.Write(t.Context(), func(ctx context.Context, tx ingest.Tx) error {
					e := &hermod.Event{ID: ids.Next(), AccountID: "a", Sender: "s", Name: "n", Data: []byte("1")}
					return tx.PutEvents(ctx, []*hermod.Event{e})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var last hermod.ID
	seen := 0
	for deadline := time.Now().Add(20 * time.Second); seen < n*each; {
		page, err := db.Events(t.Context(), hermod.EventQuery{Owner: "a", Above: last, Ascending: true, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			last = e.ID
		}
		seen += len(page.Events)
		if time.Now().After(deadline) {
			t.Fatalf("the tail saw %d of %d events", seen, n*each)
		}
	}
	writers.Wait()
}
