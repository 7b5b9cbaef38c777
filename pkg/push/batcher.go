package push

import (
	"context"
	"slices"
	"sync"

	"hermod/pkg/deliver"
)

// A batcher sends what is pushed at one time in one go: while a batch is under way,
// those that come form the next one (group commit). So nobody waits for company: the
// first push goes alone and at once, and the nine that come meanwhile go together.
//
// It has no goroutine of its own. One of those that wait leads: it sends the batch
// within its own time, gives the others their results, and names the next to lead.
// Where it gives up, the others go again with the next leader, so that what is sent
// may have been sent before: a delivery comes at least once.
//
// Batches of one lane go one after another, in the order of arrival; lanes go side by
// side. Safe for concurrent use.
type batcher struct {
	// send sends messages and gives the result of each.
	send func(ctx context.Context, messages [][]byte) []deliver.Result
	// maxMessages and maxBytes bound a batch. A message that is larger goes alone.
	maxMessages, maxBytes int

	mu    sync.Mutex
	lanes map[string]*lane // those in use
}

// A lane is what is pushed under one name.
type lane struct {
	leader  *waiter
	waiting []*waiter // in the order of arrival, the leader among them until it sends
}

// A waiter is a push that takes part.
type waiter struct {
	message []byte
	// turn tells that it is to lead; result what came of a batch that another led.
	turn   chan struct{}
	result chan deliver.Result
	// left says that nobody waits any more.
	left bool
}

// push sends the message with others of its lane, within the time that ctx has.
func (b *batcher) push(ctx context.Context, name string, message []byte) deliver.Result {
	w := &waiter{message: message, turn: make(chan struct{}, 1), result: make(chan deliver.Result, 1)}
	if b.join(name, w) {
		return b.lead(ctx, name, w)
	}
	select {
	case r := <-w.result:
		return r
	case <-w.turn:
		return b.lead(ctx, name, w)
	case <-ctx.Done():
		b.leave(name, w)
		select {
		case r := <-w.result: // it came at the same moment
			return r
		default:
			return classify(ctx, ctx.Err())
		}
	}
}

// join reports whether w leads: nobody else does.
func (b *batcher) join(name string, w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[name]
	if l == nil {
		if b.lanes == nil {
			b.lanes = map[string]*lane{}
		}
		l = &lane{leader: w}
		b.lanes[name] = l
	}
	l.waiting = append(l.waiting, w)
	return l.leader == w
}

func (b *batcher) leave(name string, w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.left = true
	l := b.lanes[name]
	if l == nil {
		return // its result is there
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(other *waiter) bool { return other == w })
	if l.leader == w {
		b.appoint(name, l)
	}
}

// lead sends the next batch, w in it.
func (b *batcher) lead(ctx context.Context, name string, w *waiter) deliver.Result {
	batch := b.take(name)
	messages := make([][]byte, len(batch))
	for i := range batch {
		messages[i] = batch[i].message
	}
	var results []deliver.Result
	defer func() { b.settle(name, w, batch, results) }() // a panic must not stop the lane
	results = b.send(ctx, messages)
	return results[slices.Index(batch, w)]
}

func (b *batcher) take(name string) []*waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[name]
	n := b.next(l)
	batch := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return batch
}

// next is how many of those that wait make up the next batch: the first ones, at least
// one where there is one.
func (b *batcher) next(l *lane) int {
	size := 0
	for i, w := range l.waiting {
		size += len(w.message)
		if i == b.maxMessages || (i > 0 && size > b.maxBytes) {
			return i
		}
	}
	return len(l.waiting)
}

// settle gives the results of a batch, and the lane to the next leader. Those whose
// leader gave up wait on, before all others.
func (b *batcher) settle(name string, leader *waiter, batch []*waiter, results []deliver.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[name]
	var again []*waiter
	for i, w := range batch {
		switch {
		case w == leader || w.left:
		case results == nil || results[i].Class == deliver.ClassInterrupted:
			again = append(again, w)
		default:
			w.result <- results[i]
		}
	}
	l.waiting = append(again, l.waiting...)
	b.appoint(name, l)
}

// appoint names the next leader: the last of the next batch, which came last and so
// has the most time left.
func (b *batcher) appoint(name string, l *lane) {
	n := b.next(l)
	if n == 0 {
		delete(b.lanes, name)
		return
	}
	l.leader = l.waiting[n-1]
	l.leader.turn <- struct{}{}
}
