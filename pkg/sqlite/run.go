package sqlite

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// groupShare bounds the workers that one fairness group may hold: groupShare times
// those that are free. A group alone can hold three quarters of the workers, n
// groups with endpoints that hang leave one in 1+3n for all others: whoever
// holds little always finds a worker (dynamic thresholds, Choudhury and Hahne,
// 1998).
const groupShare = 3

// A runner hands messages to the workers of one Run.
type runner struct {
	q       *Queue
	handler hermod.Handler
	work    chan []*letter
	// wake holds a token while the loop should look again.
	wake chan struct{}

	handing  sync.WaitGroup // batches reserved and not yet handed over
	workers  sync.WaitGroup
	settling sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	free    int
	inHand  map[string]int // messages by group
	// backlog says that the table may have ready messages; next is when the next
	// hidden one becomes ready.
	backlog bool
	next    time.Time
}

// Run hands messages to at most so many calls of handler at a time and executes
// what they decide. A call gets a context that ends after the queue's visibility
// timeout, not with ctx. When ctx ends, Run takes no more messages, waits for the
// handlers in hand, settles what they decided and returns nil. One Run at a time: a
// second fails with CodeConflict.
func (q *Queue) Run(ctx context.Context, handler hermod.Handler, workers int) error {
	r := &runner{
		q: q, handler: handler, work: make(chan []*letter, workers), wake: make(chan struct{}, 1),
		free: workers, inHand: map[string]int{}, backlog: true,
	}
	q.mu.Lock()
	if q.runner != nil {
		q.mu.Unlock()
		return hermod.Errorf(hermod.CodeConflict, "queue %s runs already", q.name)
	}
	q.runner = r
	q.mu.Unlock()

	for range workers {
		r.workers.Go(func() { r.worker(ctx) })
	}
	err := r.loop(ctx)

	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.handing.Wait()
	close(r.work)
	r.workers.Wait()
	r.settling.Wait()
	q.mu.Lock()
	q.runner = nil
	q.mu.Unlock()
	return err
}

// pauseAfterError is how long the loop rests when the database refuses it.
const pauseAfterError = time.Second

// loop feeds the workers from the table until ctx ends. What was handed over at
// once never comes by here.
func (r *runner) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		r.due()
		for ctx.Err() == nil {
			moved, err := r.take(ctx)
			if err != nil {
				r.q.log(ctx, "receiving messages", err)
				r.expect(r.q.o.Now().Add(pauseAfterError))
				break
			}
			if moved == 0 {
				break
			}
		}
		timer.Reset(r.untilNext())
	}
}

// untilNext is how long the loop sleeps. It looks at the clock now and then, which may
// have been set, or gone on while the machine slept: a timer knows of neither.
func (r *runner) untilNext() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next.IsZero() {
		return r.q.o.Look
	}
	return min(r.q.o.Look, max(0, r.next.Sub(r.q.o.Now())))
}

// due notes that the next hidden message may be ready now.
func (r *runner) due() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.next.IsZero() && !r.q.o.Now().Before(r.next) {
		r.backlog, r.next = true, time.Time{}
	}
}

// expect wakes the loop for a message that becomes ready at the time; zero is now.
func (r *runner) expect(at time.Time) {
	r.mu.Lock()
	switch {
	case at.IsZero():
		r.backlog = true
	case r.next.IsZero() || at.Before(r.next):
		r.next = at
	default:
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.signal()
}

func (r *runner) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take receives messages for the workers that are free and hands them over. It
// counts those and the ones that went to the dead letters instead.
func (r *runner) take(ctx context.Context) (int, error) {
	r.mu.Lock()
	slots := r.free
	if !r.backlog || slots == 0 {
		r.mu.Unlock()
		return 0, nil
	}
	r.free = 0
	r.mu.Unlock()

	batch := r.q.o.Batch
	p, err := r.q.pick(context.WithoutCancel(ctx), pickOptions{
		limit:     slots * batch,
		allow:     func(group string, taken int) int { return r.allowance(group, slots-taken/batch) },
		committed: func(p *picked) { r.taken(p, slots) },
	})
	if err != nil {
		r.mu.Lock()
		r.free += slots
		r.mu.Unlock()
		return 0, err
	}
	return len(p.letters) + p.buried, nil
}

// taken hands over what was received for the slots and returns the slots left.
func (r *runner) taken(p *picked, slots int) {
	r.mu.Lock()
	r.backlog = p.more
	if !p.next.IsZero() && (r.next.IsZero() || p.next.Before(r.next)) {
		r.next = p.next
	}
	for _, l := range p.letters {
		r.inHand[l.group]++
	}
	batch := r.q.o.Batch
	used := (len(p.letters) + batch - 1) / batch
	r.free += slots - used
	r.mu.Unlock()
	for rest := p.letters; len(rest) > 0; {
		n := min(batch, len(rest))
		r.work <- rest[:n:n] // never blocks: a worker is free
		rest = rest[n:]
	}
}

// allowance is how many more messages a group may have in hand while so many
// workers are free.
func (r *runner) allowance(group string, free int) int {
	if group == "" || r.q.o.Batch > 1 {
		return free * r.q.o.Batch
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// The most n with inHand+n-1 < groupShare*(free-(n-1)).
	n := (groupShare*free - r.inHand[group] + groupShare) / (groupShare + 1)
	if limit := r.q.o.GroupLimit; limit > 0 {
		n = min(n, limit-r.inHand[group])
	}
	return min(n, free)
}

// reserve takes a free worker for a batch, unless others wait already.
func (r *runner) reserve(batch []*letter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.backlog || r.free == 0 {
		return false
	}
	if group := batch[0].group; len(batch) == 1 && group != "" && (r.inHand[group] >= groupShare*r.free || r.full(group)) {
		return false
	}
	r.free--
	for _, l := range batch {
		r.inHand[l.group]++
	}
	r.handing.Add(1)
	return true
}

// full reports whether the group has as many messages in hand as one may.
func (r *runner) full(group string) bool {
	return r.q.o.GroupLimit > 0 && r.inHand[group] >= r.q.o.GroupLimit
}

// hand gives a batch to the worker reserved for it.
func (r *runner) hand(batch []*letter) {
	r.work <- batch // never blocks: the worker is free
	r.handing.Done()
}

// release frees the worker of a batch; reserved, if it never got it.
func (r *runner) release(batch []*letter, reserved bool) {
	r.mu.Lock()
	r.free++
	for _, l := range batch {
		if r.inHand[l.group]--; r.inHand[l.group] == 0 {
			delete(r.inHand, l.group)
		}
	}
	backlog := r.backlog
	r.mu.Unlock()
	if backlog {
		r.signal()
	}
	if reserved {
		r.handing.Done()
	}
}

func (r *runner) worker(ctx context.Context) {
	for batch := range r.work {
		outcomes := r.handle(ctx, batch)
		r.settle(ctx, batch, outcomes)
		r.release(batch, false)
	}
}

// handle calls the handler. A panic, or a wrong number of outcomes, is a failed
// receive of all.
func (r *runner) handle(ctx context.Context, batch []*letter) (outcomes []hermod.Outcome) {
	received := make([]hermod.Received, len(batch))
	for i, l := range batch {
		received[i] = l.received()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.q.o.Visibility)
	defer cancel()
	defer func() {
		p := recover()
		if p == nil && len(outcomes) == len(batch) {
			return
		}
		problem := fmt.Errorf("%d outcomes for %d messages", len(outcomes), len(batch))
		if p != nil {
			problem = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		r.q.log(ctx, "handling messages", problem)
		outcomes = make([]hermod.Outcome, len(batch))
		for i := range outcomes {
			outcomes[i] = hermod.Outcome{Action: hermod.Again, At: r.q.o.Now().Add(r.q.o.Visibility)}
		}
	}()
	return r.handler(ctx, received)
}

// settle has the outcomes executed with the next commit, without waiting for it: a
// crash before it redelivers, which at-least-once allows. While the database
// refuses, it is tried again until Run ends; the next start receives what was not
// settled.
func (r *runner) settle(ctx context.Context, batch []*letter, outcomes []hermod.Outcome) {
	r.settling.Add(1)
	r.trySettle(ctx, batch, outcomes, 1)
}

func (r *runner) trySettle(ctx context.Context, batch []*letter, outcomes []hermod.Outcome, try int) {
	run := func(t *tx) error {
		for i, l := range batch {
			if err := r.q.settle(t, l.id, l.receives, outcomes[i]); err != nil {
				return err
			}
		}
		return nil
	}
	answer := func(err error) {
		if err == nil {
			r.settling.Done()
			return
		}
		if try == 1 { // of a full disk there is no room for a line a second for each
			r.q.log(ctx, "settling messages", err)
		}
		if ctx.Err() != nil {
			r.settling.Done()
			return
		}
		time.AfterFunc(pauseAfterError, func() { r.trySettle(ctx, batch, outcomes, try+1) })
	}
	if err := r.q.db.writer.enqueue(&op{run: run, answer: answer}); err != nil {
		r.q.log(ctx, "settling messages", err)
		r.settling.Done()
	}
}
