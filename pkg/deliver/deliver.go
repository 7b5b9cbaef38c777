// Package deliver carries deliveries on: for every message it reads where the
// run stands, makes the attempt that is due, writes it down, and decides what is
// next. It keeps no state of its own; the attempt rows are all there is.
package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// An Encoder makes a delivery in one dialect: its body and its signature.
type Encoder interface {
	// Encode makes the payload of an attempt.
	Encode(ctx context.Context, d Delivery) (Payload, error)
	// Schedule is the waits of a subscription that names none.
	Schedule() hermod.Schedule
}

// A Delivery is what one attempt is to push.
type Delivery struct {
	Event        *hermod.Event
	Subscription *hermod.Subscription
	// Key names the attempt, At is when it is made.
	Key hermod.AttemptKey
	At  time.Time
}

// Options are what a Deliverer needs.
type Options struct {
	Store    Store
	Pusher   Pusher
	Encoders map[hermod.Dialect]Encoder
	// MaxReceives is how often the queue hands a message out before it moves it to
	// the dead letters.
	MaxReceives int
	// QueueWait is the longest wait that stays in the queue; longer ones go by the
	// due index. 0 is DefaultQueueWait.
	QueueWait time.Duration
	// Breaker says when deliveries to a failing endpoint stop; the zero value is the
	// default.
	Breaker Breaker
	Now     func() time.Time
	// Random draws from [0, 1) for jitter.
	Random func() float64
	Log    *slog.Logger
}

// A Deliverer handles the messages of the delivery queue.
type Deliverer struct {
	o Options
}

// New makes a Deliverer.
func New(o Options) *Deliverer {
	if o.QueueWait == 0 {
		o.QueueWait = DefaultQueueWait
	}
	o.Breaker = o.Breaker.orDefault()
	return &Deliverer{o: o}
}

// Handle carries on the deliveries of a batch, side by side. What fails or panics
// for one message is that message's alone.
func (d *Deliverer) Handle(ctx context.Context, batch []hermod.Received) []hermod.Outcome {
	outcomes := make([]hermod.Outcome, len(batch))
	messages := make([]*hermod.Message, len(batch))
	for i := range batch {
		m, err := decode(batch[i].Body)
		if err != nil {
			d.o.Log.LogAttrs(ctx, slog.LevelError, "refused message", slog.String("message", batch[i].ID), hermod.LogError(err))
			outcomes[i] = hermod.Outcome{Action: hermod.GiveUp}
			continue
		}
		messages[i] = &m
	}
	shared, err := d.load(ctx, messages)
	// Of a fault that is not the moment's nobody knows whose it is. Loaded one by
	// one, it stays with the message that has it.
	apart := err != nil && len(batch) > 1 && hermod.CodeOf(err) != hermod.CodeUnavailable

	var wg sync.WaitGroup
	for i, m := range messages {
		if m == nil {
			continue
		}
		w := work{Options: d.o, message: *m, received: &batch[i], loaded: shared}
		switch {
		case apart:
			wg.Go(func() {
				alone, err := d.load(ctx, []*hermod.Message{m})
				if err != nil {
					outcomes[i] = w.later(ctx, err)
					return
				}
				w.loaded = alone
				outcomes[i] = w.handle(ctx)
			})
		case err != nil:
			outcomes[i] = w.later(ctx, err)
		case len(batch) == 1:
			outcomes[i] = w.handle(ctx)
		default:
			wg.Go(func() { outcomes[i] = w.handle(ctx) })
		}
	}
	wg.Wait()
	return outcomes
}

// decode reads a message. One that lacks an id was not made by Hermod; handled, it
// would leave a row that belongs to nobody.
func decode(body []byte) (hermod.Message, error) {
	m, err := hermod.DecodeMessage(body)
	if err == nil && (m.EventID.IsZero() || m.Account == "" || m.Owner == "" || m.SubscriptionID == "") {
		err = hermod.Errorf(hermod.CodeInvalid, "not a delivery message: an id is missing")
	}
	return m, err
}

// loaded is what the messages of one batch refer to.
type loaded struct {
	events        map[hermod.EventKey]*hermod.Event
	subscriptions map[hermod.Ref]*hermod.Subscription
}

// load never panics: of what panics over one message the others must not die.
func (d *Deliverer) load(ctx context.Context, messages []*hermod.Message) (l loaded, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	events := map[hermod.EventKey]bool{}
	refs := map[hermod.Ref]bool{}
	for _, m := range messages {
		if m != nil {
			events[hermod.EventKey{Account: m.Account, ID: m.EventID}] = true
			refs[m.Ref()] = true
		}
	}
	if l.events, err = d.o.Store.EventsByKey(ctx, keysOf(events)); err != nil {
		return l, fmt.Errorf("reading events: %w", err)
	}
	if l.subscriptions, err = d.o.Store.SubscriptionsByRef(ctx, keysOf(refs)); err != nil {
		return l, fmt.Errorf("reading subscriptions: %w", err)
	}
	return l, nil
}

func keysOf[K comparable](set map[K]bool) []K {
	keys := make([]K, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	return keys
}

// handle never panics: a panic is a failed receive like any other fault of ours.
func (w *work) handle(ctx context.Context) (outcome hermod.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			outcome = w.later(ctx, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	outcome = w.carryOn(ctx)
	w.releaseProbe(ctx, outcome)
	return outcome
}
