//go:build cloud

package aws_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/push"
	"hermod/pkg/seal"
	"hermod/pkg/sqs"
)

// The roles of workers: one for each function of the deployment that carries events, and
// the poller that Lambda has for a queue.
const (
	roleAccept  = "accept"  // the function events
	roleIngest  = "ingest"  // the function ingest
	roleDeliver = "deliver" // the function deliver
	roleDue     = "due"     // the function due
	rolePoller  = "poller"
)

// A worker is an instance of a function: what its main wires, over a wire of its own. It
// stays warm from one invocation to the next, until it dies.
type worker struct {
	*wire
	ctx     context.Context //nolint:containedctx // the life of the instance, not of a call
	accept  http.Handler
	ingest  lambda
	deliver lambda
	due     func(ctx context.Context) error
}

type lambda func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// worker is the warm instance of the role, or a new one.
func (w *world) worker(role string) *worker {
	w.building.Lock()
	defer w.building.Unlock()
	if warm := w.workers[role]; warm != nil && !warm.isDead() {
		return warm
	}
	ctx, cancel := context.WithCancel(w.ctx)
	k := &worker{wire: &wire{world: w, role: role, next: w.lane.dynamoDB.HTTPClient, crash: cancel, down: map[string]*fault{}}, ctx: ctx}
	w.workers[role] = k
	tables, queues := w.lane.dynamoDB, w.lane.sqs
	tables.HTTPClient, queues.HTTPClient = k.wire, k.wire
	store := dynamo.New(tables, w.lane.tables, w.clock.now, random).WithPutTimeout(patience)
	queue := func(url string) *sqs.Queue {
		return sqs.New(queues, sqs.Options{URL: url, Now: w.clock.now, Log: w.log})
	}
	acceptor := ingest.New(ingest.Options{
		Config: store, Journal: ingest.Direct{Store: trapped{store, w.story.put}, Queue: queue(w.lane.delivery)},
		IDs: hermod.NewIDs(w.clock.now, random), Now: w.clock.now, Log: w.log,
	})
	k.accept = api.NewServer(api.Options{
		Dialect: door{account: w.account}, Log: w.log, Now: w.clock.now, Trace: rand.Text,
		Routes: (&signicat.Events{Store: store, Acceptor: acceptor, BaseURL: "http://hermod.test", Now: w.clock.now}).Routes(),
	})
	k.ingest = sqs.Handler(acceptor.Handle, queue(w.lane.ingest))
	k.deliver = sqs.Handler(deliver.New(deliver.Options{
		Store:  sealed{seal.NewStore(store, w.box, w.clock.now, w.log), plain{store}},
		Pusher: pusher{k.wire, push.New(push.Options{Policy: push.Local()})}, MaxReceives: maxReceives,
		Encoders: map[hermod.Dialect]deliver.Encoder{hermod.Signicat: encoder{trap: w.story.encode}},
		Breaker:  w.story.breaker, Now: w.clock.now, Random: func() float64 { return 0.5 }, Log: w.log,
	}).Handle, queue(w.lane.delivery))
	k.due = dueFunction(w, store, queue(w.lane.delivery), acceptor)
	return k
}

// dueFunction is what the function due does, with one round of the sweeper, which sleeps
// between two.
func dueFunction(w *world, store *dynamo.Store, queue *sqs.Queue, acceptor *ingest.Acceptor) func(context.Context) error {
	waker := &deliver.Waker{Index: store, Queue: queue, Now: w.clock.now, Log: w.log}
	sweeper := &deliver.Sweeper{
		Store: store, Queue: queue, Now: w.clock.now, Log: w.log, Notifier: &ingest.Notices{Acceptor: acceptor, Now: w.clock.now},
	}
	return func(ctx context.Context) error {
		_, woken := waker.Wake(ctx)
		_, swept := sweeper.Round(ctx)
		return errors.Join(woken, swept)
	}
}

func random(p []byte) { _, _ = rand.Read(p) } // it never fails: see crypto/rand.Read

// sealed is the store with its secrets sealed.
type sealed struct {
	*seal.Store
	plain
}

type plain struct{ *dynamo.Store }

// A trapped store has somebody look at the events before it puts them.
type trapped struct {
	*dynamo.Store
	trap func(*hermod.Event)
}

func (s trapped) PutEvents(ctx context.Context, events []*hermod.Event) error {
	for _, e := range events {
		if s.trap != nil {
			s.trap(e)
		}
	}
	return s.Store.PutEvents(ctx, events)
}

// An encoder has somebody look at the event before it encodes it.
type encoder struct {
	signicat.Encoder
	trap func(*hermod.Event)
}

func (c encoder) Encode(ctx context.Context, d deliver.Delivery) (deliver.Payload, error) {
	if c.trap != nil {
		c.trap(d.Event)
	}
	return c.Encoder.Encode(ctx, d)
}

// A door lets everybody in as the account.
type door struct {
	signicat.Dialect
	account string
}

func (d door) Authenticate(*http.Request) (*hermod.Principal, error) {
	return &hermod.Principal{Account: d.account, CredentialID: "producer", Scopes: []string{hermod.ScopePublish}}, nil
}

// A pusher makes a step of each push.
type pusher struct {
	wire *wire
	next deliver.Pusher
}

func (p pusher) Push(ctx context.Context, s *hermod.Subscription, payload deliver.Payload) deliver.Result {
	var result deliver.Result
	err := p.wire.pass("Destination.Push", func() { result = p.next.Push(ctx, s, payload) })
	switch {
	case p.wire.isDead():
		return deliver.Result{Class: deliver.ClassInterrupted}
	case err != nil:
		return deliver.Result{Class: deliver.ClassConnect, Message: "the connection broke before the answer"}
	default:
		return result
	}
}

// invoke runs one invocation of the role's function, and reports whether Lambda had its
// answer. One that crashed has none, and nothing is left of its instance.
func (w *world) invoke(role string, run func(ctx context.Context, k *worker) error) bool {
	k := w.worker(role)
	if w.deadline != nil {
		defer w.endAt(w.deadline, k)()
	}
	err := run(k.ctx, k)
	if err == nil {
		err = k.pass("Lambda.Return", func() {})
	}
	k.end()
	return err == nil && !k.isDead()
}

// endAt cuts the invocation when the deadline returns. What it answers waits for that.
func (w *world) endAt(deadline func() error, k *worker) (wait func()) {
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := deadline(); err == nil {
			k.cut()
		}
	})
	return watching.Wait
}
