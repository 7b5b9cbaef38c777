package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// A FollowSpec is an engine whose tail is followed while many write.
type FollowSpec struct {
	Store Store
	// Writers are as many processes, or as many requests of one.
	Writers []Writer
	// Batches is how many requests each writer makes.
	Batches int
	// Pauses are how long puts wait after their ids were stamped, one after the other.
	Pauses []time.Duration
	// Poll is how long a follower waits before it asks again.
	Poll time.Duration
}

// A Writer accepts events by its own journal.
type Writer struct {
	Journal ingest.Journal
	IDs     *hermod.IDs
}

// TestFollowers has many writers accept events, some of them paused between the
// stamp and the put, while followers go on from position to position. Every follower
// must see every accepted event that it asked for exactly once, in the order of ids.
func TestFollowers(t *testing.T, spec FollowSpec) {
	t.Helper()
	w := &writing{spec: spec, half: make(chan struct{}), done: make(chan struct{})}
	w.account, w.organization = "a-"+rand.Text(), "o-"+rand.Text()
	for _, o := range []hermod.Owner{{ID: w.account, Organization: w.organization}, {ID: w.organization}} {
		must(t, spec.Store.CreateOwner(t.Context(), o))
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, owner := range []string{w.account, w.organization} {
		for i, pattern := range []hermod.Pattern{"", "ant:one", "ant:*"} {
			for _, start := range []<-chan struct{}{closed(), w.half} {
				f := follower{owner: owner, pattern: pattern, limit: 2 + 3*i}
				wg.Go(func() { f.follow(t, w, start) })
			}
		}
	}
	w.write(t)
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// A writing is all that the writers do, and what came of it.
type writing struct {
	spec                  FollowSpec
	account, organization string
	// half is closed when half of it is done, done when all is.
	half, done chan struct{}

	puts     atomic.Int64
	mu       sync.Mutex
	accepted []*hermod.Event
	refused  int
	requests int
}

func (w *writing) write(t *testing.T) {
	var wg sync.WaitGroup
	for n, writer := range w.spec.Writers {
		acceptor := ingest.New(ingest.Options{
			Config: w.spec.Store, Journal: pausing{writer.Journal, w}, IDs: writer.IDs, Now: time.Now,
			Log: slog.New(slog.DiscardHandler),
		})
		wg.Go(func() {
			for i := range w.spec.Batches {
				events, err := acceptor.Accept(t.Context(), w.submissions(n+i))
				w.note(t, events, err)
			}
		})
	}
	wg.Wait()
	close(w.done)
	t.Logf("%d events accepted, %d requests refused for want of time", len(w.accepted), w.refused)
	if len(w.accepted) == 0 {
		t.Error("nothing was accepted")
	}
}

func (w *writing) submissions(n int) []ingest.Submission {
	list := make([]ingest.Submission, 1+n%3)
	for i := range list {
		e := &list[i].Event
		e.AccountID, e.Timestamp, e.Data = w.account, instant(), []byte("1")
		e.Sender, e.Name, _ = hermod.ParseType(loggedTypes[(n+i)%len(loggedTypes)])
		if (n+i)%2 == 0 {
			e.OrganizationID = w.organization
		}
	}
	return list
}

func (w *writing) note(t *testing.T, events []*hermod.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.requests++; w.requests == len(w.spec.Writers)*w.spec.Batches/2 {
		close(w.half)
	}
	if hermod.CodeOf(err) == hermod.CodeUnavailable {
		w.refused++
		return
	}
	if err != nil {
		t.Errorf("accepting: %v", err)
	}
	w.accepted = append(w.accepted, events...)
}

// pausing makes a journal whose puts wait.
type pausing struct {
	ingest.Journal
	writing *writing
}

func (p pausing) Write(ctx context.Context, fn func(ctx context.Context, tx ingest.Tx) error) error {
	return p.Journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error { return fn(ctx, pausingTx{tx, p.writing}) })
}

type pausingTx struct {
	ingest.Tx
	writing *writing
}

func (p pausingTx) PutEvents(ctx context.Context, events []*hermod.Event) error {
	pauses := p.writing.spec.Pauses
	if err := wait(ctx, pauses[int(p.writing.puts.Add(1))%len(pauses)]); err != nil {
		return err
	}
	return p.Tx.PutEvents(ctx, events)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A follower follows the log of an owner.
type follower struct {
	owner   string
	pattern hermod.Pattern
	limit   int

	last hermod.ID
	seen map[hermod.ID]bool
}

func (f *follower) wants(e *hermod.Event) bool {
	return (f.owner == e.AccountID || f.owner == e.OrganizationID) && (f.pattern == "" || f.pattern.Matches(e.Sender, e.Name))
}

// follow reads what is settled when start is closed, then what comes, until all that
// was accepted must have come.
func (f *follower) follow(t *testing.T, w *writing, start <-chan struct{}) {
	<-start
	f.seen = map[hermod.ID]bool{}
	store, ctx := w.spec.Store, t.Context()
	position, err := f.settled(ctx, t, store)
	if err != nil {
		t.Errorf("%s %q: %v", f.owner, f.pattern, err)
		return
	}
	deadline := time.Now().Add(tailDeadline)
	for {
		finished := isClosed(w.done)
		page, err := store.Tail(ctx, hermod.TailQuery{Owner: f.owner, Pattern: f.pattern, After: position, Limit: f.limit})
		if err != nil {
			t.Errorf("%s %q: %v", f.owner, f.pattern, err)
			return
		}
		f.see(t, page.Events)
		position = page.Position
		if len(page.Events) > 0 {
			continue
		}
		if !finished {
			deadline = time.Now().Add(tailDeadline)
		} else if missing := f.missing(w, position); missing == "" {
			return
		} else if time.Now().After(deadline) {
			t.Errorf("%s %q: %s", f.owner, f.pattern, missing)
			return
		}
		if wait(ctx, w.spec.Poll) != nil {
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// settled reads all that is settled and answers up to where that is.
func (f *follower) settled(ctx context.Context, t *testing.T, store Store) (hermod.ID, error) {
	q := hermod.EventQuery{Owner: f.owner, Pattern: f.pattern, Ascending: true, Limit: f.limit}
	position, err := store.Settled(ctx, q)
	if err != nil || position.IsZero() {
		return position, err
	}
	for q.Below = position.Next(); ; q.Above = f.last {
		page, err := store.Events(ctx, q)
		if err != nil {
			return position, err
		}
		f.see(t, page.Events)
		if len(page.Events) < f.limit {
			return position, nil
		}
	}
}

// see notes events, whose ids have to rise: none comes twice.
func (f *follower) see(t *testing.T, events []*hermod.Event) {
	for _, e := range events {
		if e.ID.Compare(f.last) <= 0 || !f.wants(e) {
			t.Errorf("%s %q: event %s of %s came after %s", f.owner, f.pattern, e.ID, e.Type(), f.last)
		}
		f.last = e.ID
		f.seen[e.ID] = true
	}
}

// missing says what of the accepted events is still to come; "" for none. Events of
// requests that failed may have come too.
func (f *follower) missing(w *writing, position hermod.ID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.accepted {
		if f.wants(e) && !f.seen[e.ID] {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d accepted events were not seen up to %s", n, position)
}
