package deliver_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// How the modelled engine behaves: as the template deploys it.
const (
	modelVisibility = 3 * time.Minute
	// modelHold is how long a worker lives: the function's timeout.
	modelHold = 30 * time.Second
)

// A letter is a message in the model's queue or among its dead letters.
type letter struct {
	hermod.Received
	message hermod.Message
	// hidden is until when it is not handed out, by the queue's clock.
	hidden time.Time
	// inHand says that a worker of the embedded engine has it: hidden without end.
	inHand bool
	// excused says that the last receive was not handled to its end without a fault.
	excused bool
}

// A world is everything around the code under test: a queue with its dead letters,
// a store, two clocks, a destination, and the workers, each a coroutine that stops
// before every call it makes. One runs at a time, so that a run of the model is a
// sequence of choices.
type world struct {
	// embedded is the engine in one process: it goes by the process's clock and
	// hands no message out twice, but all its workers crash together. Otherwise the
	// queue goes by a clock of its own and hands messages out twice at times.
	embedded bool
	store    *watchedStore
	deliver  *deliver.Deliverer
	waker    *deliver.Waker
	sweeper  *deliver.Sweeper

	elapsed time.Duration // since start, as nobody's clock shows it
	skew    time.Duration // by how much the workers' clock is wrong
	stepped bool          // that clock has been wrong
	latest  time.Time     // the latest it has shown

	queue, dead []*letter
	ids         int
	maxReceives int
	workers     []*worker
	current     *worker
	pushes      int
	// copies counts what can set two workers on one run, moves what the operator
	// moved back.
	copies, moves int
	// broken is the first rule found broken inside a coroutine, where the test
	// cannot be ended.
	broken string
	trace  []string
}

func (w *world) now() time.Time {
	t := start.Add(w.elapsed + w.skew)
	if t.After(w.latest) {
		w.latest = t
	}
	return t
}

func (w *world) queueNow() time.Time {
	if w.embedded {
		return w.now()
	}
	return start.Add(w.elapsed)
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8s%+8s  ", w.elapsed, w.skew)+fmt.Sprintf(format, args...))
}

func (w *world) breaks(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

// A watchedStore tells the world who read and put what.
type watchedStore struct {
	*fakeStore
	w *world
}

func (s *watchedStore) LastAttempt(ctx context.Context, run hermod.RunKey) (*hermod.Attempt, error) {
	a, err := s.fakeStore.LastAttempt(ctx, run)
	if a != nil && a.State != hermod.Waiting {
		s.w.current.final[run] = true
	}
	return a, err
}

func (s *watchedStore) PutAttempt(ctx context.Context, a *hermod.Attempt) error {
	k, n := s.w.current, len(s.rows[a.RunKey])
	if last := s.last(a.RunKey); last != nil && a.Reason == hermod.ReasonReceiveBudget &&
		!rightful(k.letter, last) && a.At.Before(last.NextAt.Add(grace)) {
		s.w.breaks("%s ended run %v, which %s carries", k.name, a.RunKey, last.Carrier)
	}
	err := s.fakeStore.PutAttempt(ctx, a)
	put := len(s.rows[a.RunKey]) > n
	switch {
	case put && k.pushed > k.put:
		k.put++
	case hermod.CodeOf(err) == hermod.CodeConflict:
		k.spared = true
		if s.w.copies == 0 {
			s.w.breaks("%s lost row %s, but nothing was ever doubled", k.name, a.AttemptKey)
		}
	}
	if put && k.fault == failTwice {
		return hermod.Errorf(hermod.CodeConflict, "attempt %s exists", a.AttemptKey)
	}
	return err
}

// Admit notes who may make an attempt.
func (s *watchedStore) Admit(ctx context.Context, ref hermod.Ref, event hermod.ID, rate int, at time.Time) (bool, error) {
	ok, err := s.fakeStore.Admit(ctx, ref, event, rate, at)
	s.w.current.admitted = ok && err == nil
	return ok, err
}

// Park doubles the delivery until its message is deleted.
func (s *watchedStore) Park(ctx context.Context, p *hermod.Parked) error {
	s.w.current.parked = true
	return s.fakeStore.Park(ctx, p)
}

// before stops the worker until the model goes on with it.
func (w *world) before(call string) {
	k := w.current
	if k.crashed || !k.yield(call) {
		k.crashed = true
		panic(errCrash)
	}
}

// after crashes the worker if the model says so.
func (w *world) after() {
	if k := w.current; k.fault == crashAfter {
		k.crashed = true
		panic(errCrash)
	}
}

// call is the fault hook of the store.
func (w *world) call(name string, done bool) error {
	if !done {
		w.before(name)
		if w.current.fault == failBefore {
			return errBroken
		}
		return nil
	}
	w.after()
	if w.current.fault == failAfter {
		return errBroken
	}
	return nil
}

// Push is the destination: it answers what the model chose.
func (w *world) Push(_ context.Context, s *hermod.Subscription, p deliver.Payload) deliver.Result {
	k := w.current
	w.before("Push")
	if s.RateLimit > 0 && !k.admitted {
		w.breaks("%s pushed without a token", k.name)
	}
	w.pushes++
	if k.pushed++; k.pushed > 1 {
		w.breaks("%s pushed twice", k.name)
	}
	w.after()
	return k.answer(p)
}

// watchedEncoder checks the rules on when an attempt may be made.
type watchedEncoder struct {
	fakeEncoder
	w *world
}

func (c watchedEncoder) Encode(ctx context.Context, d deliver.Delivery) (deliver.Payload, error) {
	e, key, at := d.Event, d.Key, d.At
	rows := c.w.store.rows[key.RunKey]
	switch n := key.Number; {
	case n > 1 && at.Before(rows[n-2].NextAt):
		c.w.breaks("attempt %s at %s, before its time %s", key, at, rows[n-2].NextAt)
	case key.Run == 0 && e.Expired(at):
		c.w.breaks("attempt %s at %s, after the event expired at %s", key, at, e.ExpiresAt)
	case c.w.current.final[key.RunKey]:
		c.w.breaks("attempt %s by %s, which had read that the run has ended", key, c.w.current.name)
	}
	return c.fakeEncoder.Encode(ctx, d)
}

// Send is the queue as the waker sees it.
func (w *world) Send(_ context.Context, messages []hermod.Message) error {
	w.before("Send")
	if w.current.fault == failBefore {
		return errBroken
	}
	for _, m := range messages {
		w.send(m, false)
	}
	w.after()
	if w.current.fault == failAfter {
		return errBroken
	}
	return nil
}

func (w *world) send(m hermod.Message, redriven bool) *letter {
	w.ids++
	l := &letter{message: m, hidden: w.queueNow(), Received: hermod.Received{
		ID: fmt.Sprint("m-", w.ids), Body: m.Encode(), SentAt: w.queueNow(), Redriven: redriven,
	}}
	w.queue = append(w.queue, l)
	return l
}

func (w *world) visible() []*letter {
	return slices.DeleteFunc(slices.Clone(w.queue), func(l *letter) bool { return l.inHand || l.hidden.After(w.queueNow()) })
}

// receive hands a message to a new worker, or moves it to the dead letters.
func (w *world) receive(l *letter) {
	if l.Receives >= w.maxReceives {
		w.note("%s moves to the dead letters", l.ID)
		if last := w.last(l.message); !l.excused && (last == nil || last.State == hermod.Waiting && rightful(l, last)) {
			w.breaks("%s is among the dead letters, and no row says so", l.ID)
		}
		w.queue = slices.DeleteFunc(w.queue, func(o *letter) bool { return o == l })
		w.dead = append(w.dead, l)
		return
	}
	l.Receives++
	l.excused = true
	if l.inHand = w.embedded; !w.embedded {
		l.hidden = w.queueNow().Add(modelVisibility)
	}
	k := &worker{name: fmt.Sprintf("%s/%d", l.ID, l.Receives), letter: l, handed: l.Received}
	w.launch(k, func() {
		outcomes := w.deliver.Handle(context.Background(), []hermod.Received{k.handed})
		w.before("Settle")
		w.settle(k, outcomes[0])
	})
}

// settle executes an outcome.
func (w *world) settle(k *worker, o hermod.Outcome) {
	l := k.letter
	stale := l.Receives != k.handed.Receives
	if k.parked && (o.Action != hermod.Done || k.fault != noFault) {
		w.copies++
	}
	w.note("%s: %v %s", k.name, o.Action, o.At)
	switch {
	case o.Action == hermod.Done:
		w.queue = slices.DeleteFunc(w.queue, func(o *letter) bool { return o == l })
	case k.fault == failBefore, stale: // it comes back when its visibility ends
	case o.Action == hermod.Again:
		l.hidden = w.queueNow().Add(max(0, o.At.Sub(w.now())))
	default:
		l.hidden = w.queueNow().Add(hermod.GiveUpPause)
	}
	if !stale {
		l.inHand = false
	}
	w.after()
}

func (w *world) wake() {
	w.ids++
	w.launch(&worker{name: fmt.Sprint("wake-", w.ids)}, func() {
		_, _ = w.waker.Wake(context.Background()) // its errors are the model's own
	})
}

func (w *world) sweep() {
	w.ids++
	w.launch(&worker{name: fmt.Sprint("sweep-", w.ids)}, func() {
		_, _ = w.sweeper.Round(context.Background()) // its errors are the model's own
	})
}

// last is the last row of the last run of a delivery; nil where there is none.
func (w *world) last(d hermod.Message) (last *hermod.Attempt) {
	for run := d.RunKey(); len(w.store.rows[run]) > 0; run.Run++ {
		last = w.store.last(run)
	}
	return last
}

// rightful reports whether the message carries on a waiting row.
func rightful(l *letter, last *hermod.Attempt) bool {
	return l.ID == last.Carrier || l.message.Run == last.Run && l.message.After == last.Number
}

// newWorld has nothing in it yet.
func newWorld(embedded bool, maxReceives int, schedule hermod.Schedule, breaker deliver.Breaker, random func() float64) *world {
	w := &world{embedded: embedded, maxReceives: maxReceives}
	w.store = &watchedStore{newFakeStore(), w}
	w.store.fault = w.call
	log := slog.New(slog.DiscardHandler)
	w.deliver = deliver.New(deliver.Options{
		Store: w.store, Pusher: w, MaxReceives: maxReceives, Now: w.now, Random: random, Log: log,
		Breaker:  breaker,
		Encoders: map[hermod.Dialect]deliver.Encoder{hermod.Signicat: watchedEncoder{fakeEncoder{schedule}, w}},
	})
	w.waker = &deliver.Waker{Index: w.store, Queue: w, Now: w.now, Log: log}
	w.sweeper = &deliver.Sweeper{Store: w.store, Queue: w, Rate: 1, Now: w.now, Log: log}
	return w
}
