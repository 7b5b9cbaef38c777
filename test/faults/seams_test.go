package faults

import (
	"context"
	"encoding/json"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/node"
	"hermod/test/faults/ledger"
)

// seams puts the injector between the parts of a node. With the stores it does not embed
// an interface anywhere: a method that has no step does not compile.
func (in *injector) seams() node.Seams {
	return node.Seams{
		Config:   func(c ingest.Config) ingest.Config { return config{in, c} },
		Journal:  func(j ingest.Journal) ingest.Journal { return journal{in, j} },
		Store:    func(s deliver.Store) deliver.Store { return store{in, healths{in, "deliver", s}, s} },
		Encoder:  func(e deliver.Encoder) deliver.Encoder { return encoder{in, e} },
		Pusher:   func(p deliver.Pusher) deliver.Pusher { return pusher{in, p} },
		Due:      func(d deliver.DueIndex) deliver.DueIndex { return due{in, d} },
		Sweep:    func(s deliver.SweepStore) deliver.SweepStore { return sweep{in, healths{in, "sweep", s}, s} },
		Notifier: func(n deliver.Notifier) deliver.Notifier { return notifier{in, n} },
		Queue:    func(part string, q deliver.Queue) deliver.Queue { return queue{in, part, q} },
		Handler:  in.handler,
	}
}

// answer passes a step around a call that answers something.
func answer[T any](in *injector, step string, s scope, call func() (T, error)) (t T, err error) {
	err = in.do(step, s, func() (err error) {
		t, err = call()
		return err
	})
	return t, err
}

type config struct {
	in     *injector
	config ingest.Config
}

func (c config) Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error) {
	return answer(c.in, "accept.Owners", scope{}, func() (map[string]hermod.Owner, error) { return c.config.Owners(ctx, ids) })
}

func (c config) Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error) {
	return answer(c.in, "accept.Subscriptions", scope{}, func() ([]*hermod.Subscription, error) { return c.config.Subscriptions(ctx, owner) })
}

func (c config) Definitions(ctx context.Context, account string) ([]hermod.Definition, error) {
	return answer(c.in, "accept.Definitions", scope{}, func() ([]hermod.Definition, error) { return c.config.Definitions(ctx, account) })
}

func (c config) RegisterTypes(ctx context.Context, owner string, types []string) error {
	return c.in.do("accept.RegisterTypes", scope{}, func() error { return c.config.RegisterTypes(ctx, owner, types) })
}

type journal struct {
	in      *injector
	journal ingest.Journal
}

func (j journal) Write(ctx context.Context, fn func(ctx context.Context, tx ingest.Tx) error) error {
	return j.in.do("accept.Write", scope{}, func() error {
		return j.journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error { return fn(ctx, acceptTx{j.in, tx}) })
	})
}

type acceptTx struct {
	in *injector
	tx ingest.Tx
}

func (x acceptTx) Claim(ctx context.Context, claims []hermod.Claim) ([]hermod.Claim, error) {
	return answer(x.in, "accept.Claim", scope{}, func() ([]hermod.Claim, error) { return x.tx.Claim(ctx, claims) })
}

func (x acceptTx) Reclaim(ctx context.Context, standing, fresh hermod.Claim) error {
	return x.in.do("accept.Reclaim", scope{}, func() error { return x.tx.Reclaim(ctx, standing, fresh) })
}

func (x acceptTx) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	return answer(x.in, "accept.EventsByKey", scope{}, func() (map[hermod.EventKey]*hermod.Event, error) { return x.tx.EventsByKey(ctx, keys) })
}

// PutEvents knows the payloads: a fault for one of them is one for whoever is beside it.
func (x acceptTx) PutEvents(ctx context.Context, events []*hermod.Event) error {
	var s scope
	if f := x.in.wanted(); f != 0 {
		for _, e := range events {
			if n, ok := ledger.PayloadOf(e.Data); ok && n == f {
				s.payload = n
			}
		}
	}
	return x.in.do("accept.PutEvents", s, func() error { return x.tx.PutEvents(ctx, events) })
}

func (x acceptTx) Send(ctx context.Context, messages []hermod.Message) error {
	return x.in.do("accept.Send", scope{}, func() error { return x.tx.Send(ctx, messages) })
}

func (x acceptTx) SendAgain(ctx context.Context, messages []hermod.Message, wait time.Duration) error {
	return x.in.do("accept.SendAgain", scope{}, func() error { return x.tx.SendAgain(ctx, messages, wait) })
}

// wanted is the payload that the armed fault is about; 0 for none.
func (in *injector) wanted() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.armed == nil {
		return 0
	}
	return in.armed.Only
}

// healths are the methods that the stores of attempts and of the sweeper share.
type healths struct {
	in    *injector
	part  string
	store deliver.HealthStore
}

func (h healths) Fail(ctx context.Context, ref hermod.Ref, at time.Time, class string) (*hermod.Health, error) {
	return answer(h.in, h.part+".Fail", scope{}, func() (*hermod.Health, error) { return h.store.Fail(ctx, ref, at, class) })
}

func (h healths) PutHealth(ctx context.Context, health *hermod.Health) error {
	return h.in.do(h.part+".PutHealth", scope{}, func() error { return h.store.PutHealth(ctx, health) })
}

func (h healths) DeleteHealth(ctx context.Context, health *hermod.Health) error {
	return h.in.do(h.part+".DeleteHealth", scope{}, func() error { return h.store.DeleteHealth(ctx, health) })
}

type store struct {
	in *injector
	healths
	s deliver.Store
}

func (s store) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	return answer(s.in, "deliver.EventsByKey", scope{}, func() (map[hermod.EventKey]*hermod.Event, error) { return s.s.EventsByKey(ctx, keys) })
}

func (s store) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	return answer(s.in, "deliver.SubscriptionsByRef", scope{}, func() (map[hermod.Ref]*hermod.Subscription, error) { return s.s.SubscriptionsByRef(ctx, refs) })
}

func (s store) LastAttempt(ctx context.Context, run hermod.RunKey) (*hermod.Attempt, error) {
	return answer(s.in, "deliver.LastAttempt", of(run), func() (*hermod.Attempt, error) { return s.s.LastAttempt(ctx, run) })
}

func (s store) PutAttempt(ctx context.Context, a *hermod.Attempt) error {
	return s.in.do("deliver.PutAttempt", of(a.RunKey), func() error { return s.s.PutAttempt(ctx, a) })
}

func (s store) ClearDead(ctx context.Context, keys []hermod.AttemptKey) error {
	return s.in.do("deliver.ClearDead", scope{}, func() error { return s.s.ClearDead(ctx, keys) })
}

func (s store) UpdateSubscription(ctx context.Context, sub *hermod.Subscription) error {
	return s.in.do("deliver.UpdateSubscription", scope{}, func() error { return s.s.UpdateSubscription(ctx, sub) })
}

func (s store) Park(ctx context.Context, p *hermod.Parked) error {
	return s.in.do("deliver.Park", of(p.RunKey()), func() error { return s.s.Park(ctx, p) })
}

func (s store) Admit(ctx context.Context, ref hermod.Ref, event hermod.ID, rate int, at time.Time) (bool, error) {
	about := scope{event: event, subscription: ref.ID}
	return answer(s.in, "deliver.Admit", about, func() (bool, error) { return s.s.Admit(ctx, ref, event, rate, at) })
}

func (s store) ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error) {
	return answer(s.in, "deliver.ParkedOf", scope{}, func() ([]*hermod.Parked, error) { return s.s.ParkedOf(ctx, subscriptionID, limit) })
}

type encoder struct {
	in      *injector
	encoder deliver.Encoder
}

func (e encoder) Encode(ctx context.Context, d deliver.Delivery) (deliver.Payload, error) {
	s := of(d.Key.RunKey)
	s.payload, _ = ledger.PayloadOf(d.Event.Data)
	return answer(e.in, "deliver.Encode", s, func() (deliver.Payload, error) { return e.encoder.Encode(ctx, d) })
}

// Schedule cannot fail. A process can stop there.
func (e encoder) Schedule() (s hermod.Schedule) {
	_ = e.in.do("deliver.Schedule", scope{}, func() error {
		s = e.encoder.Schedule()
		return nil
	})
	return s
}

type pusher struct {
	in     *injector
	pusher deliver.Pusher
}

// Push cannot fail otherwise than by its result: an error before is a connection refused,
// one after an answer that was lost.
func (p pusher) Push(ctx context.Context, s *hermod.Subscription, payload deliver.Payload) deliver.Result {
	var result deliver.Result
	id, _ := hermod.ParseID(payload.Event.ID)
	about := scope{event: id, subscription: s.ID, payload: payloadIn(payload.Body)}
	err := p.in.do("deliver.Push", about, func() error {
		result = p.pusher.Push(ctx, s, payload)
		return nil
	})
	if err != nil {
		return deliver.Result{Class: deliver.ClassConnect, Message: err.Error()}
	}
	return result
}

// payloadIn is the payload of a delivery in the native form; 0 in any other.
func payloadIn(body []byte) int {
	var in struct{ EventData json.RawMessage }
	if json.Unmarshal(body, &in) != nil {
		return 0
	}
	n, _ := ledger.PayloadOf(in.EventData)
	return n
}

type due struct {
	in *injector
	d  deliver.DueIndex
}

func (d due) Due(ctx context.Context, until time.Time, limit int) ([]*hermod.Attempt, error) {
	return answer(d.in, "due.Due", scope{}, func() ([]*hermod.Attempt, error) { return d.d.Due(ctx, until, limit) })
}

func (d due) ClearDue(ctx context.Context, keys []hermod.AttemptKey) error {
	return d.in.do("due.ClearDue", scope{}, func() error { return d.d.ClearDue(ctx, keys) })
}

func (d due) ParkedDue(ctx context.Context, until time.Time, limit int) ([]*hermod.Parked, error) {
	return answer(d.in, "due.ParkedDue", scope{}, func() ([]*hermod.Parked, error) { return d.d.ParkedDue(ctx, until, limit) })
}

func (d due) Unpark(ctx context.Context, parked []*hermod.Parked) error {
	return d.in.do("due.Unpark", scope{}, func() error { return d.d.Unpark(ctx, parked) })
}

type sweep struct {
	in *injector
	healths
	s deliver.SweepStore
}

func (s sweep) Attended(ctx context.Context) ([]hermod.Ref, error) {
	return answer(s.in, "sweep.Attended", scope{}, func() ([]hermod.Ref, error) { return s.s.Attended(ctx) })
}

func (s sweep) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	return answer(s.in, "sweep.SubscriptionsByRef", scope{}, func() (map[hermod.Ref]*hermod.Subscription, error) { return s.s.SubscriptionsByRef(ctx, refs) })
}

func (s sweep) ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error) {
	return answer(s.in, "sweep.ParkedOf", scope{}, func() ([]*hermod.Parked, error) { return s.s.ParkedOf(ctx, subscriptionID, limit) })
}

func (s sweep) Unpark(ctx context.Context, parked []*hermod.Parked) error {
	return s.in.do("sweep.Unpark", scope{}, func() error { return s.s.Unpark(ctx, parked) })
}

type notifier struct {
	in *injector
	n  deliver.Notifier
}

func (n notifier) Notify(ctx context.Context, about *hermod.Notice) error {
	return n.in.do("sweep.Notify", scope{}, func() error { return n.n.Notify(ctx, about) })
}

type queue struct {
	in   *injector
	part string
	q    deliver.Queue
}

func (q queue) Send(ctx context.Context, messages []hermod.Message) error {
	return q.in.do(q.part+".Send", scope{}, func() error { return q.q.Send(ctx, messages) })
}
