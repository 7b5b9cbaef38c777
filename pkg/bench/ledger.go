package bench

import (
	"context"
	"sync"
	"time"
)

// A ledger keeps account of every event of one load: whether the server accepted
// it, and how often it came to each receiver.
type ledger struct {
	receivers int
	window    int
	now       func() time.Duration

	mu      sync.Mutex
	freed   *sync.Cond // an event is no longer on its way
	onWay   int
	entries []entry
	counts  []uint8 // receipts, by event and receiver
	samples []sample
	tally
}

// A tally is what a ledger counts.
type tally struct {
	accepted int
	refused  int
	first    int // receipts, repetitions not counted
	repeated int
	forged   int // receipts whose signature was checked and is wrong
	checked  int // receipts whose signature was checked
	strange  int // receipts that belong to no event of this load
}

// An entry is one event.
type entry struct {
	accepted bool
	// receipts counts the receivers that have it; released says that it no longer
	// takes part of the window.
	receipts int
	released bool
}

// A sample is a first receipt: when its event was to be sent, and when it came.
type sample struct{ due, at time.Duration }

// newLedger makes a ledger of a load with so many receivers, at most window events
// of which may be on their way at a time; 0 is any number.
func newLedger(receivers, window int, now func() time.Duration) *ledger {
	l := &ledger{receivers: receivers, window: window, now: now}
	l.freed = sync.NewCond(&l.mu)
	return l
}

// reserve opens the next n entries, once the window has room for them, and answers
// the number of the first; false where ctx ended before that.
func (l *ledger) reserve(ctx context.Context, n int) (first int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.window > 0 && l.onWay+n > l.window && ctx.Err() == nil {
		l.freed.Wait()
	}
	if ctx.Err() != nil {
		return 0, false
	}
	l.onWay += n
	first = len(l.entries)
	l.entries = append(l.entries, make([]entry, n)...)
	l.counts = append(l.counts, make([]uint8, n*l.receivers)...)
	return first, true
}

// wake has those that wait in reserve look at their context.
func (l *ledger) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.freed.Broadcast()
}

// answered notes what the server said to a request with n events.
func (l *ledger) answered(first, n int, accepted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := first; i < first+n; i++ {
		if accepted {
			l.accepted++
			l.entries[i].accepted = true
		} else {
			l.refused++
			l.release(i)
		}
	}
}

func (l *ledger) release(i int) {
	if !l.entries[i].released {
		l.entries[i].released = true
		l.onWay--
		l.freed.Signal()
	}
}

// A verdict is what is known of the signature of a delivery.
type verdict int

const (
	unchecked verdict = iota
	genuine
	forged
)

// received notes that a delivery came.
func (l *ledger) received(receiver int, s stamp, v verdict) {
	at := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if v != unchecked {
		l.checked++
	}
	if v == forged {
		l.forged++
	}
	i := int(s.seq)
	if i >= len(l.entries) || receiver >= l.receivers {
		l.strange++
		return
	}
	count := &l.counts[i*l.receivers+receiver]
	if *count > 0 {
		l.repeated++
		return
	}
	*count = 1
	l.first++
	l.samples = append(l.samples, sample{due: s.due, at: at})
	if l.entries[i].receipts++; l.entries[i].receipts == l.receivers {
		l.release(i)
	}
}

// stray notes a delivery that could not be read.
func (l *ledger) stray() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strange++
}

// missing counts the deliveries of accepted events that have not come yet.
func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i := range l.entries {
		if l.entries[i].accepted {
			n += l.receivers - l.entries[i].receipts
		}
	}
	return n
}

// progress is what changes while deliveries come.
func (l *ledger) progress() (accepted, first int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted, l.first
}

// drainLook is how often the end of a load looks for what is missing.
const drainLook = 10 * time.Millisecond

// drain waits until nothing is missing, or nothing has come for as long as
// patience. It answers how many deliveries are lost.
func (l *ledger) drain(ctx context.Context, patience time.Duration) (lost int, err error) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	_, seen := l.progress()
	since := l.now()
	for {
		lost = l.missing()
		if lost == 0 || l.now()-since > patience {
			return lost, nil
		}
		select {
		case <-ctx.Done():
			return lost, ctx.Err()
		case <-look.C:
		}
		if _, first := l.progress(); first != seen {
			seen, since = first, l.now()
		}
	}
}

// between gives the latencies of the events that were to be sent within the time,
// and the number of first receipts that came within it.
func (l *ledger) between(from, to time.Duration) (latencies []time.Duration, came int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.samples {
		if s.due >= from && s.due < to {
			latencies = append(latencies, s.at-s.due)
		}
		if s.at >= from && s.at < to {
			came++
		}
	}
	return latencies, came
}
