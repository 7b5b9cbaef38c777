package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// crashAt makes call n of those that write fail, before or after it took effect, and
// all that follow it until the test mends it.
func (m *memory) crashAt(n int, after bool) {
	var mu sync.Mutex
	count := 0
	crash := func(call string) error {
		if !slices.Contains([]string{"Claim", "Reclaim", "EventsByKey", "PutEvents", "Send", "SendAgain"}, call) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if count++; count == n {
			return errCrash
		}
		return nil
	}
	set := func(_ context.Context, call string) error { return crash(call) }
	if after {
		m.after = set
	} else {
		m.before = set
	}
}

// torn is a journal whose first put of events stops in the middle.
type torn struct {
	ingest.Journal
	keep func(*hermod.Event) bool
	once sync.Once
}

func (j *torn) Write(ctx context.Context, fn func(context.Context, ingest.Tx) error) error {
	return j.Journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error { return fn(ctx, tornTx{tx, j}) })
}

type tornTx struct {
	ingest.Tx
	j *torn
}

func (x tornTx) PutEvents(ctx context.Context, events []*hermod.Event) (err error) {
	x.j.once.Do(func() {
		err = errCrash
		events = slices.DeleteFunc(slices.Clone(events), func(e *hermod.Event) bool { return !x.j.keep(e) })
	})
	return errors.Join(x.Tx.PutEvents(ctx, events), err)
}

// TestARepetitionCompletesALaunchThatACrashCutOff crashes at every call of an accept,
// before and after it took effect, and has the producer send the same again.
func TestARepetitionCompletesALaunchThatACrashCutOff(t *testing.T) {
	t.Parallel()
	for _, first := range [][]ingest.Submission{nil, {completion("", 1)}, {update("", 1)}} {
		for _, batch := range [][]ingest.Submission{
			{completion("k", 1)}, {completion("k", 1), update("l", 1)}, {completion("k", 1), completion("m", 1)}, {update("l", 1)},
		} {
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					m := newMemory()
					r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
					r.subscribe(t, account, "s-1")
					p := &pushes{rig: r}
					if first != nil {
						r.accept(t, first...)
						p.take(t)
						r.clock.advance(time.Second)
					}
					whole := wholeRun(t, first, batch)
					m.crashAt(n, after)
					_, err := r.acceptor.Accept(t.Context(), batch)
					m.before, m.after = nil, nil
					if err == nil {
						break // there are fewer calls
					}
					p.take(t)
					r.clock.advance(10 * time.Second)
					r.accept(t, batch...)
					p.take(t)
					r.clock.advance(10 * time.Minute)
					r.accept(t, batch...)
					p.take(t)
					p.wantOnce(t, fmt.Sprintf("after %d events, %d of a batch, crashed in call %d (after it: %v)", len(first), len(batch), n, after))
					if got := sorted(r.names(t)); got != whole {
						t.Errorf("after %d events, %d of a batch, crashed in call %d (after it: %v): the log has %q, want %q", len(first), len(batch), n, after, got, whole)
					}
				}
			}
		}
	}
}

// wholeRun is what the log has when nothing crashes.
func wholeRun(t *testing.T, first, batch []ingest.Submission) string {
	t.Helper()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return newMemory() })
	if first != nil {
		r.accept(t, first...)
		r.clock.advance(time.Second)
	}
	r.accept(t, batch...)
	return sorted(r.names(t))
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func TestAPutThatWasCutInTheMiddleIsCompleted(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{completedName, updatedName} {
		m, c := newMemory(), newClock()
		j := &torn{Journal: m.journal(), keep: func(e *hermod.Event) bool { return e.Name == kept }}
		a := newAcceptor(m, j, newIDs(c.now), c.now)
		batch := []ingest.Submission{completion("k", 1)}
		if _, err := a.Accept(t.Context(), batch); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		for range 2 {
			c.advance(10 * time.Minute)
			if _, err := a.Accept(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		r := rig{engine: m}
		if got := sorted(r.names(t)); got != "cu" {
			t.Errorf("with %s put: the log has %q", kept, got)
		}
	}
}
