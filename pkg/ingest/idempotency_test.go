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

func TestAKeyMakesARepetitionTheSameEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		first := r.accept(t, submission(account, "k", "1"))[0]
		r.subscribe(t, account, "s-2") // not there when the event was accepted
		if sent := r.messages(t); len(sent) != 1 {
			t.Fatalf("sent %+v", sent)
		}
		r.clock.advance(23 * time.Hour)
		again := r.accept(t, submission(account, "k", "1"))[0]
		sent := r.messages(t)
		if again.ID != first.ID || len(r.all(t, account)) != 1 {
			t.Errorf("repeated as %s, was %s", again.ID, first.ID)
		}
		for _, m := range sent {
			if m.SubscriptionID != "s-1" || m.EventID != first.ID {
				t.Errorf("sent %+v, which is not of the stored matches", m)
			}
		}
	})
}

// TestARepetitionIsPushedOnce: back to back, while the first attempt is under way, and
// after it.
func TestARepetitionIsPushedOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		p := &pushes{rig: r}
		batch := []ingest.Submission{submission(account, "k", "1"), submission(account, "l", "2")}
		for _, wait := range []time.Duration{0, time.Millisecond, 9 * time.Second, time.Minute, 23 * time.Hour} {
			r.clock.advance(wait)
			r.accept(t, batch...)
			p.take(t)
		}
		p.wantOnce(t, "after five requests")
	})
}

// On an engine without transactions a crash may have come before the messages were sent.
func TestWhatStoodIsSentAgainForWhenItsFirstAttemptIsOver(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	r.subscribe(t, account, "s-1")
	old, young := submission(account, "k", "1"), submission(account, "l", "2")
	r.accept(t, old)
	r.clock.advance(10 * time.Second)
	r.accept(t, young)
	r.clock.advance(time.Second)
	m.handouts(t)
	for n, tt := range []struct {
		batch []ingest.Submission
		want  []time.Duration
	}{
		{[]ingest.Submission{old}, []time.Duration{9 * time.Second}},
		{[]ingest.Submission{old, young}, []time.Duration{19 * time.Second, 19 * time.Second}},
		{[]ingest.Submission{submission(account, "", "3"), young}, []time.Duration{0, 19 * time.Second}},
	} {
		r.accept(t, tt.batch...)
		var waits []time.Duration
		for _, h := range m.handouts(t) {
			waits = append(waits, h.wait)
		}
		if !slices.Equal(waits, tt.want) {
			t.Errorf("batch %d: handed out after %v, want %v", n, waits, tt.want)
		}
	}
	r.clock.advance(time.Hour)
	r.accept(t, old)
	if h := m.handouts(t); len(h) != 1 || h[0].wait != 0 {
		t.Errorf("after an hour: %+v", h)
	}
}

func TestAKeyIsRefusedWithAnotherBody(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.accept(t, submission(account, "k", "1"))
		for name, batch := range map[string][]ingest.Submission{
			"alone":                      {submission(account, "k", "2")},
			"beside a good one":          {submission(account, "", "3"), submission(account, "k", "2")},
			"twice within one batch":     {submission(account, "new", "1"), submission(account, "new", "2")},
			"as a repetition and anew":   {submission(account, "k", "1"), submission(account, "k", "2")},
			"with the body of elsewhere": {submission(account, "k", "")},
		} {
			events, err := r.acceptor.Accept(t.Context(), batch)
			if hermod.CodeOf(err) != hermod.CodeConflict || events != nil {
				t.Errorf("%s: %v, %v", name, events, err)
			}
		}
		if kept := r.all(t, account); len(kept) != 1 {
			t.Errorf("a refused batch left events: %+v", kept)
		}
	})
}

func TestAKeyTwiceInOneBatchIsOneEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		events := r.accept(t, submission(account, "k", "1"), submission(account, "l", "1"), submission(account, "k", "1"))
		if events[0].ID != events[2].ID || events[0].ID == events[1].ID {
			t.Errorf("ids %s, %s, %s", events[0].ID, events[1].ID, events[2].ID)
		}
		if kept, sent := r.all(t, account), r.messages(t); len(kept) != 2 || len(sent) != 2 {
			t.Errorf("%d events, %d messages", len(kept), len(sent))
		}
	})
}

func TestWithoutAKeyEachSubmissionIsAnEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.accept(t, submission(account, "", "1"), submission(account, "", "1"))
		r.accept(t, submission(account, "", "1"))
		if kept := r.all(t, account); len(kept) != 3 {
			t.Errorf("kept %d events", len(kept))
		}
	})
}

func TestAKeyIsItsAccountsOwn(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		mine := r.accept(t, submission(account, "k", "1"))[0]
		theirs := r.accept(t, submission(other, "k", "2"))[0]
		both := r.accept(t, submission(account, "k", "1"), submission(other, "k", "2"))
		if both[0].ID != mine.ID || both[1].ID != theirs.ID || mine.ID == theirs.ID {
			t.Errorf("mine %s, theirs %s, together %s and %s", mine.ID, theirs.ID, both[0].ID, both[1].ID)
		}
	})
}

func TestAKeyIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		first := r.accept(t, submission(account, "k", "1"))[0]
		r.clock.advance(hermod.ClaimRetention - time.Second)
		if e := r.accept(t, submission(account, "k", "1"))[0]; e.ID != first.ID {
			t.Error("forgotten too early")
		}
		r.clock.advance(2 * time.Second)
		if e := r.accept(t, submission(account, "k", "other"))[0]; e.ID == first.ID {
			t.Error("remembered too long")
		}
	})
}

func TestRequestsUnderOneKeyAtOnceMakeOneEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		const requests = 32
		ids := make([]hermod.ID, requests)
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				events, err := r.acceptor.Accept(t.Context(), []ingest.Submission{submission(account, "k", "1")})
				switch {
				case err == nil:
					ids[i] = events[0].ID
				case hermod.CodeOf(err) != hermod.CodeUnavailable:
					t.Errorf("refused: %v", err)
				}
			})
		}
		wg.Wait()
		kept := r.all(t, account)
		if len(kept) != 1 {
			t.Fatalf("kept %d events", len(kept))
		}
		for _, id := range ids {
			if !id.IsZero() && id != kept[0].ID {
				t.Errorf("one was told %s, kept is %s", id, kept[0].ID)
			}
		}
	})
}

// errCrash stands for a process that ends in the middle.
var errCrash = errors.New("crashed")

// crashIn makes the first call of that name fail, before or after it took effect.
func (m *memory) crashIn(call string, after bool) {
	var once sync.Once
	crash := func(_ context.Context, now string) (err error) {
		if now == call {
			once.Do(func() { err = errCrash })
		}
		return err
	}
	if after {
		m.after = crash
	} else {
		m.before = crash
	}
}

func TestARepetitionCompletesWhatACrashLeftHalfDone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		call  string
		after bool
		// The event of the crashed request is there, and a repetition finds it.
		kept bool
	}{
		{"Claim", false, false}, {"Claim", true, false}, {"PutEvents", false, false},
		{"PutEvents", true, true}, {"Send", false, true}, {"Send", true, true},
	} {
		t.Run(fmt.Sprintf("%s, after it: %v", tt.call, tt.after), func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
			r.subscribe(t, account, "s-1")
			m.crashIn(tt.call, tt.after)
			batch := []ingest.Submission{submission(account, "k", "1"), submission(account, "l", "2")}
			if _, err := r.acceptor.Accept(t.Context(), batch); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			before := r.all(t, account)
			if (len(before) == 2) != tt.kept {
				t.Fatalf("the crash left %d events", len(before))
			}
			r.clock.advance(time.Minute)
			m.messages(t)
			events := r.accept(t, batch...)
			if kept, sent := r.all(t, account), m.messages(t); len(kept) != 2 || len(sent) != 2 {
				t.Fatalf("%d events and %d messages after the repetition", len(kept), len(sent))
			}
			if tt.kept && (events[0].ID != before[0].ID || events[1].ID != before[1].ID) {
				t.Error("the repetition made other events")
			}
			for _, e := range events {
				if again := r.accept(t, batch...); again[0].ID != events[0].ID || again[1].ID != events[1].ID {
					t.Errorf("a third request was told other ids than %s", e.ID)
				}
			}
		})
	}
}

func TestAKeyIsNotTakenOverWhileItsHolderMayStillPut(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	m.crashIn("Claim", true)
	batch := []ingest.Submission{submission(account, "k", "1")}
	_, _ = r.acceptor.Accept(t.Context(), batch) // crashes
	for range 5 {
		if _, err := r.acceptor.Accept(t.Context(), batch); hermod.CodeOf(err) != hermod.CodeUnavailable {
			t.Fatalf("at %v: %v", r.clock.now().Sub(start), err)
		}
		r.clock.advance(time.Second - time.Millisecond)
	}
	r.clock.advance(5 * time.Millisecond)
	e := r.accept(t, batch...)[0]
	if kept := r.all(t, account); len(kept) != 1 || kept[0].ID != e.ID {
		t.Errorf("kept %+v", kept)
	}
}

// The holder's put comes after the read of its event has begun and the read ends
// only when the claim is old enough to be taken over.
func TestASlowReadDoesNotTakeAKeyOver(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	batch := []ingest.Submission{submission(account, "k", "1")}
	claimed, holderGoesOn, read := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var holder sync.Once
	m.before = func(_ context.Context, call string) error {
		if call == "PutEvents" {
			holder.Do(func() {
				close(claimed)
				<-holderGoesOn
			})
		}
		return nil
	}
	var second sync.Once
	m.after = func(_ context.Context, call string) error {
		if call == "EventsByKey" {
			second.Do(func() {
				close(holderGoesOn)
				<-read
				r.clock.advance(10 * time.Second)
			})
		}
		return nil
	}
	var first []*hermod.Event
	var wg sync.WaitGroup
	wg.Go(func() {
		first, _ = r.acceptor.Accept(t.Context(), batch)
		close(read)
	})
	<-claimed
	_, err := r.acceptor.Accept(t.Context(), batch)
	wg.Wait()
	if hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("the second request: %v", err)
	}
	if kept := r.all(t, account); len(kept) != 1 || len(first) != 1 || kept[0].ID != first[0].ID {
		t.Errorf("kept %+v", kept)
	}
}

func TestOneOfTwoTakesAKeyOver(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	batch := []ingest.Submission{submission(account, "k", "1")}
	m.crashIn("Claim", true)
	_, _ = r.acceptor.Accept(t.Context(), batch) // crashes
	r.clock.advance(time.Minute)

	// Both have found the old claim and no event before either takes it over.
	const requests = 2
	var found sync.WaitGroup
	found.Add(requests)
	m.after = nil
	m.before = func(_ context.Context, call string) error {
		if call == "Reclaim" {
			found.Done()
			found.Wait()
		}
		return nil
	}
	var mu sync.Mutex
	codes := map[hermod.Code]int{}
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			_, err := r.acceptor.Accept(t.Context(), batch)
			mu.Lock()
			defer mu.Unlock()
			codes[hermod.CodeOf(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes[hermod.CodeUnavailable] != 1 || len(r.all(t, account)) != 1 {
		t.Errorf("answers %v, %d events", codes, len(r.all(t, account)))
	}
}
