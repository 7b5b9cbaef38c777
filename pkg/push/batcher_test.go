package push

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
)

// A line records what a batcher sends, each batch after a second.
type line struct {
	mu      sync.Mutex
	batches []string
	// fails says what becomes of a batch, by its messages; nil for success.
	fails func(batch string) deliver.Result
}

func (l *line) send(ctx context.Context, messages [][]byte) []deliver.Result {
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = string(m)
	}
	batch := strings.Join(texts, " ")
	l.mu.Lock()
	l.batches = append(l.batches, batch)
	l.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return repeat(classify(ctx, ctx.Err()), len(messages))
	}
	var r deliver.Result
	if l.fails != nil {
		r = l.fails(batch)
	}
	return repeat(r, len(messages))
}

// pushes are those under way in a bubble, and what became of each.
type pushes struct {
	b       *batcher
	mu      sync.Mutex
	classes map[string]string
	wg      sync.WaitGroup
}

func newPushes(l *line, messages, bytes int) *pushes {
	return &pushes{b: &batcher{send: l.send, maxMessages: messages, maxBytes: bytes}, classes: map[string]string{}}
}

// start starts one and waits until it is where it waits.
func (p *pushes) start(ctx context.Context, lane, message string) {
	p.wg.Go(func() {
		class := "panic"
		defer func() {
			_ = recover()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.classes[message] = class
		}()
		ctx, cancel := within(ctx, 10*time.Second)
		defer cancel()
		r := p.b.push(ctx, lane, []byte(message))
		class = r.Class
	})
	synctest.Wait()
}

func (p *pushes) classOf(message string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	class, there := p.classes[message]
	if !there {
		return "none yet"
	}
	return class
}

// end waits for all and fails the test where the batcher keeps something of them.
func (p *pushes) end(t *testing.T) {
	t.Helper()
	p.wg.Wait()
	if len(p.b.lanes) > 0 {
		t.Errorf("lanes left behind: %v", p.b.lanes)
	}
}

func (l *line) want(t *testing.T, batches ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.batches, batches) {
		t.Errorf("sent %q, want %q", l.batches, batches)
	}
}

func TestTenAtOnceMakeTwoBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 100, 100)
		start := time.Now()
		for i := range 10 {
			p.start(t.Context(), "", fmt.Sprint(i))
		}
		p.end(t)
		l.want(t, "0", "1 2 3 4 5 6 7 8 9")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestOneAloneWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 100, 100)
		start := time.Now()
		for _, message := range []string{"a", "b"} {
			p.start(t.Context(), "", message)
			p.end(t)
		}
		l.want(t, "a", "b")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestALaneKeepsItsOrderAndLanesGoSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 3, 100)
		start := time.Now()
		for i := range 6 {
			p.start(t.Context(), "x", fmt.Sprint("x", i))
			p.start(t.Context(), "y", fmt.Sprint("y", i))
		}
		p.end(t)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, lane := range []string{"x", "y"} {
			var of []string
			for _, batch := range l.batches {
				if strings.Contains(batch, lane) {
					of = append(of, batch)
				}
			}
			if want := strings.ReplaceAll("_0|_1 _2 _3|_4 _5", "_", lane); strings.Join(of, "|") != want {
				t.Errorf("got %q, want %s", of, want)
			}
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestABatchHasItsBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 3, 6)
		for _, message := range []string{"a", "larger than all", "bb", "cc", "dd", "ee", "f", "g", "h"} {
			p.start(t.Context(), "", message)
		}
		p.end(t)
		l.want(t, "a", "larger than all", "bb cc dd", "ee f g", "h")
	})
}

func TestAFailureIsEverybodysInTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{fails: func(batch string) deliver.Result {
			if batch == "b c" {
				return deliver.Result{Class: deliver.ClassThrottled}
			}
			return deliver.Result{}
		}}
		p := newPushes(l, 2, 100)
		for _, message := range []string{"a", "b", "c", "d"} {
			p.start(t.Context(), "", message)
		}
		p.end(t)
		for message, want := range map[string]string{"a": "", "b": "throttled", "c": "throttled", "d": ""} {
			if got := p.classOf(message); got != want {
				t.Errorf("%s: got %q", message, got)
			}
		}
	})
}

func TestOneThatIsCancelledFailsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 100, 100)
		waits, leave := context.WithCancel(t.Context())
		p.start(t.Context(), "", "a")
		p.start(t.Context(), "", "b")
		p.start(waits, "", "c") // it would lead the next batch
		p.start(t.Context(), "", "d")
		p.start(waits, "", "e")
		leave()
		synctest.Wait()
		if p.classOf("c") != deliver.ClassInterrupted || p.classOf("e") != deliver.ClassInterrupted || p.classOf("b") != "none yet" {
			t.Errorf("got %v", p.classes)
		}
		p.end(t)
		l.want(t, "a", "b d")
		if p.classOf("b") != "" || p.classOf("d") != "" {
			t.Errorf("got %v", p.classes)
		}
	})
}

// The others of its batch may have been taken or not: they go again, before those that
// came later.
func TestALeaderThatIsCancelledLeavesTheOthersToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := newPushes(l, 3, 100)
		leads, leave := context.WithCancel(t.Context())
		goes, leaveToo := context.WithCancel(t.Context())
		p.start(t.Context(), "", "a")
		p.start(t.Context(), "", "b")
		p.start(goes, "", "c")
		p.start(leads, "", "d")
		p.start(t.Context(), "", "e")
		time.Sleep(1500 * time.Millisecond) // d leads b, c and itself
		leaveToo()
		synctest.Wait()
		leave()
		p.end(t)
		l.want(t, "a", "b c d", "b e")
		for message, want := range map[string]string{"a": "", "b": "", "c": "interrupted", "d": "interrupted", "e": ""} {
			if got := p.classOf(message); got != want {
				t.Errorf("%s: got %q", message, got)
			}
		}
	})
}

// A leader is told its turn and leaves at the same moment.
func TestATurnThatComesTooLateGoesOn(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			l := &line{}
			p := newPushes(l, 100, 100)
			until, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			p.start(t.Context(), "", "a")
			p.start(t.Context(), "", "b")
			p.start(until, "", "c")
			p.end(t)
			if p.classOf("a") != "" || p.classOf("b") != "" {
				t.Errorf("got %v", p.classes)
			}
		})
	}
}

func TestWhoeverWaitsHasItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := &line{}
		b := &batcher{maxMessages: 100, maxBytes: 100, send: func(ctx context.Context, messages [][]byte) []deliver.Result {
			hangs.mu.Lock()
			hangs.batches = append(hangs.batches, fmt.Sprint(len(messages)))
			hangs.mu.Unlock()
			<-ctx.Done()
			return repeat(classify(ctx, ctx.Err()), len(messages))
		}}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := within(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				if r := b.push(ctx, "", []byte("m")); r.Class != deliver.ClassTimeout {
					t.Errorf("%d: got %+v", i, r)
				}
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("%d took %v", i, took)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if took := time.Since(start); took > 10*time.Second+20*time.Millisecond {
			t.Errorf("took %v", took)
		}
		hangs.want(t, "1", "19")
	})
}

func TestAPanicStopsNoLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{fails: func(batch string) deliver.Result {
			if batch == "b c" {
				panic(errors.New("no fault of theirs"))
			}
			return deliver.Result{}
		}}
		p := newPushes(l, 100, 100)
		p.start(t.Context(), "", "a")
		p.start(t.Context(), "", "b")
		p.start(t.Context(), "", "c")
		p.end(t)
		l.want(t, "a", "b c", "b")
		if p.classOf("b") != "" || p.classOf("c") != "panic" {
			t.Errorf("got %v", p.classes)
		}
	})
}

// Whoever is not cancelled is sent, whatever the others do.
func TestABatcherUnderChance(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 0))
			l := &line{}
			p := newPushes(l, 1+chance.IntN(6), 1+chance.IntN(40))
			patient := map[string]bool{}
			for i := range 60 {
				message := fmt.Sprint("m", i)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if patient[message] = chance.IntN(2) == 0; !patient[message] {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(chance.IntN(30))*100*time.Millisecond)
				}
				defer cancel()
				p.start(ctx, []string{"x", "y"}[chance.IntN(2)], message)
				time.Sleep(time.Duration(chance.IntN(4)) * 100 * time.Millisecond)
			}
			p.end(t)
			sent := strings.Fields(strings.Join(l.batches, " "))
			for message, stays := range patient {
				class := p.classOf(message)
				if stays && class != "" && class != deliver.ClassTimeout || class == "" && !slices.Contains(sent, message) {
					t.Errorf("seed %d: %s: %q", seed, message, class)
				}
			}
		})
	}
}
