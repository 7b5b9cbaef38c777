package deliver_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A fakeStore keeps its rows in maps.
type fakeStore struct {
	mu     sync.Mutex
	events map[hermod.EventKey]*hermod.Event
	subs   map[hermod.Ref]*hermod.Subscription
	rows   map[hermod.RunKey][]*hermod.Attempt
	due    map[hermod.AttemptKey]bool
	dead   map[hermod.AttemptKey]bool
	health map[hermod.Ref]*hermod.Health
	parked map[hermod.AttemptKey]*hermod.Parked
	// full is when the bucket of a subscription with a limit is full again.
	full map[hermod.Ref]time.Time
	// fault is asked before each call, by the name of its method, and again after
	// it took effect: an error it answers is the call's.
	fault func(call string, done bool) error
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		events: map[hermod.EventKey]*hermod.Event{},
		subs:   map[hermod.Ref]*hermod.Subscription{},
		rows:   map[hermod.RunKey][]*hermod.Attempt{},
		due:    map[hermod.AttemptKey]bool{},
		dead:   map[hermod.AttemptKey]bool{},
		health: map[hermod.Ref]*hermod.Health{},
		parked: map[hermod.AttemptKey]*hermod.Parked{},
		full:   map[hermod.Ref]time.Time{},
		fault:  func(string, bool) error { return nil },
	}
}

// call runs fn between the two questions for a fault.
func (s *fakeStore) call(name string, fn func() error) error {
	if err := s.fault(name, false); err != nil {
		return err
	}
	s.mu.Lock()
	err := fn()
	s.mu.Unlock()
	return cmp.Or(err, s.fault(name, true))
}

func (s *fakeStore) EventsByKey(_ context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	found := map[hermod.EventKey]*hermod.Event{}
	return found, s.call("EventsByKey", func() error {
		for _, k := range keys {
			if e, ok := s.events[k]; ok {
				found[k] = e
			}
		}
		return nil
	})
}

func (s *fakeStore) SubscriptionsByRef(_ context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	found := map[hermod.Ref]*hermod.Subscription{}
	return found, s.call("SubscriptionsByRef", func() error {
		for _, r := range refs {
			if sub, ok := s.subs[r]; ok {
				found[r] = new(*sub)
				if h, ok := s.health[r]; ok {
					found[r].Health = new(*h)
				}
			}
		}
		return nil
	})
}

func (s *fakeStore) LastAttempt(_ context.Context, run hermod.RunKey) (last *hermod.Attempt, err error) {
	err = s.call("LastAttempt", func() error {
		last = s.last(run)
		return nil
	})
	return last, err
}

func (s *fakeStore) last(run hermod.RunKey) *hermod.Attempt {
	if rows := s.rows[run]; len(rows) > 0 {
		return new(*rows[len(rows)-1])
	}
	return nil
}

func (s *fakeStore) PutAttempt(_ context.Context, a *hermod.Attempt) error {
	return s.call("PutAttempt", func() error {
		rows := s.rows[a.RunKey]
		if slices.ContainsFunc(rows, func(r *hermod.Attempt) bool { return r.Number == a.Number }) {
			return hermod.Errorf(hermod.CodeConflict, "attempt %s exists", a.AttemptKey)
		}
		s.rows[a.RunKey] = append(rows, new(*a))
		if a.State == hermod.Waiting && a.Carrier == hermod.CarrierDue {
			s.due[a.AttemptKey] = true
		}
		if a.State == hermod.Dead {
			s.dead[a.AttemptKey] = true
		}
		return nil
	})
}

func (s *fakeStore) ClearDead(_ context.Context, keys []hermod.AttemptKey) error {
	return s.call("ClearDead", func() error {
		for _, key := range keys {
			delete(s.dead, key)
			s.rows[key.RunKey][key.Number-1].Cleared = true
		}
		return nil
	})
}

func (s *fakeStore) UpdateSubscription(_ context.Context, sub *hermod.Subscription) error {
	return s.call("UpdateSubscription", func() error {
		standing, ok := s.subs[sub.Ref()]
		if !ok || standing.Version != sub.Version {
			return hermod.Errorf(hermod.CodePreconditionFailed, "another version stands")
		}
		sub.Version++
		s.subs[sub.Ref()] = new(*sub)
		s.subs[sub.Ref()].Health = nil
		return nil
	})
}

func (s *fakeStore) Due(_ context.Context, until time.Time, limit int) (due []*hermod.Attempt, err error) {
	err = s.call("Due", func() error {
		for key := range s.due {
			if a := s.rows[key.RunKey][key.Number-1]; !a.NextAt.After(until) {
				due = append(due, new(*a))
			}
		}
		slices.SortFunc(due, func(a, b *hermod.Attempt) int {
			return cmp.Or(a.NextAt.Compare(b.NextAt), a.Compare(b.AttemptKey))
		})
		due = due[:min(limit, len(due))]
		return nil
	})
	return due, err
}

func (s *fakeStore) ClearDue(_ context.Context, keys []hermod.AttemptKey) error {
	return s.call("ClearDue", func() error {
		for _, key := range keys {
			delete(s.due, key)
		}
		return nil
	})
}

// A fakePusher answers with result and counts.
type fakePusher struct {
	mu     sync.Mutex
	pushed []deliver.Payload
	result func(p deliver.Payload) deliver.Result
}

func (f *fakePusher) Push(_ context.Context, _ *hermod.Subscription, p deliver.Payload) deliver.Result {
	f.mu.Lock()
	f.pushed = append(f.pushed, p)
	f.mu.Unlock()
	return f.result(p)
}

// fakeEncoder puts the attempt's id into a header and the event's data into the body.
type fakeEncoder struct{ schedule hermod.Schedule }

const attemptHeader = "X-Attempt"

func (f fakeEncoder) Schedule() hermod.Schedule { return f.schedule }

func (f fakeEncoder) Encode(_ context.Context, d deliver.Delivery) (deliver.Payload, error) {
	switch d.Event.Name {
	case "unencodable":
		return deliver.Payload{}, errors.New("cannot be encoded")
	case "explosive":
		panic("in the encoder")
	}
	return deliver.Payload{Body: d.Event.Data, Header: http.Header{attemptHeader: {d.Key.String()}}}, nil
}

// The destination's answers.
func accepts(deliver.Payload) deliver.Result { return deliver.Result{StatusCode: 204} }

func fails(deliver.Payload) deliver.Result {
	return deliver.Result{StatusCode: 503, Class: deliver.ClassServerError, Message: "the destination answered 503"}
}

func gone(deliver.Payload) deliver.Result {
	return deliver.Result{
		StatusCode: 410, Class: deliver.ClassGone, Message: "the destination answered 410", Permanent: hermod.ReasonGone,
	}
}

func blocked(deliver.Payload) deliver.Result {
	return deliver.Result{
		Class: deliver.ClassBlockedTarget, Message: "the address is private", Permanent: hermod.ReasonBlockedTarget,
	}
}

func retryAfter(d time.Duration) func(deliver.Payload) deliver.Result {
	return func(p deliver.Payload) deliver.Result {
		r := fails(p)
		r.RetryAfter = d
		return r
	}
}

const (
	maxReceives = 10
	owner       = "a-1"
	subID       = "s-1"
	// carrier is the id of the message that the rig hands over.
	carrier = "m-1"
)

// start is when every rig's clock starts.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A rig is a Deliverer between fakes, with one event and one subscription.
type rig struct {
	*deliver.Deliverer
	store  *fakeStore
	pusher *fakePusher
	now    time.Time
	random float64
	log    bytes.Buffer
	event  *hermod.Event
	sub    *hermod.Subscription
	// options are the Deliverer's.
	options deliver.Options
	// message is what receive hands over.
	message  hermod.Message
	received hermod.Received
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		store: newFakeStore(), pusher: &fakePusher{result: accepts}, now: start, random: 0.5,
		event: &hermod.Event{
			ID: eventID(1), Sender: "s", Name: "n", Data: []byte(`{"pin":"PAYLOAD"}`), AccountID: owner,
			RetainUntil: start.Add(hermod.DefaultRetention),
		},
		sub: &hermod.Subscription{
			ID: subID, Owner: owner, Dialect: hermod.Signicat, Name: "name", Type: hermod.Webhook, Active: true, Version: 1,
			Secrets: hermod.Secrets{Configuration: []byte(`{"url":"https://u.test/SECRET"}`), SigningSecret: "SECRET"},
		},
		message:  hermod.Message{EventID: eventID(1), Account: owner, Owner: owner, SubscriptionID: subID, Trigger: hermod.TriggerMatch},
		received: hermod.Received{ID: carrier, Receives: 1, SentAt: start},
	}
	r.store.events[r.event.Key()] = r.event
	r.store.subs[r.sub.Ref()] = r.sub
	r.options = deliver.Options{
		Store: r.store, Pusher: r.pusher, MaxReceives: maxReceives,
		Encoders: map[hermod.Dialect]deliver.Encoder{hermod.Signicat: fakeEncoder{hermod.DefaultSchedule()}},
		Now:      func() time.Time { return r.now }, Random: func() float64 { return r.random },
		Log: slog.New(slog.NewJSONHandler(&r.log, nil)),
	}
	r.Deliverer = deliver.New(r.options)
	return r
}

func eventID(n byte) hermod.ID {
	id := hermod.FirstIDAt(start)
	id[15] = n
	return id
}

// receive has the rig's message handled.
func (r *rig) receive(t *testing.T) hermod.Outcome {
	t.Helper()
	m := r.received
	m.Body = r.message.Encode()
	outcomes := r.Handle(t.Context(), []hermod.Received{m})
	if len(outcomes) != 1 {
		t.Fatalf("got %d outcomes, want 1", len(outcomes))
	}
	return outcomes[0]
}

// has puts a row of the rig's run 0.
func (r *rig) has(number int, change func(a *hermod.Attempt)) {
	a := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: r.message.RunKey(), Number: number},
		Owner:      owner, Account: owner, Trigger: hermod.TriggerMatch, At: start.Add(-time.Hour),
	}
	change(a)
	for len(r.store.rows[a.RunKey]) < a.Number-1 { // those before it
		n := len(r.store.rows[a.RunKey]) + 1
		r.store.rows[a.RunKey] = append(r.store.rows[a.RunKey],
			&hermod.Attempt{AttemptKey: hermod.AttemptKey{RunKey: a.RunKey, Number: n}, State: hermod.Waiting})
	}
	r.store.rows[a.RunKey] = append(r.store.rows[a.RunKey], a)
}

// last is the last row of the run; it must have the number.
func (r *rig) last(t *testing.T, run, number int) *hermod.Attempt {
	t.Helper()
	key := r.message.RunKey()
	key.Run = run
	a := r.store.last(key)
	if a == nil || a.Number != number {
		t.Fatalf("got last row %+v of run %d, want number %d", a, run, number)
	}
	return a
}

func (r *rig) wantPushes(t *testing.T, n int) {
	t.Helper()
	if len(r.pusher.pushed) != n {
		t.Fatalf("got %d pushes, want %d", len(r.pusher.pushed), n)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// The outcomes.
var (
	done   = hermod.Outcome{Action: hermod.Done}
	giveUp = hermod.Outcome{Action: hermod.GiveUp}
)

func again(at time.Time) hermod.Outcome { return hermod.Outcome{Action: hermod.Again, At: at} }

var errBroken = fmt.Errorf("the store is broken")
