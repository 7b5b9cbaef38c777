package replay_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

const owner = "a-1"

var errBroken = errors.New("the log is broken")

// A fakeStore is a store and a queue in memory. What is sent is attempted at once
// unless it is held.
type fakeStore struct {
	mu      sync.Mutex
	events  []*hermod.Event
	subs    map[string][]*hermod.Subscription
	rows    map[string][]*hermod.Attempt // by subscription and event
	replays map[hermod.ReplayKey]hermod.Replay
	settled hermod.ID
	sent    []sent
	held    bool
	// broken is an owner whose log cannot be read.
	broken string
	// slow is waited for before an owner's log is read.
	slow func(ctx context.Context, owner string) error
	// fault is asked before each call, by the name of its method, and again after it
	// took effect: an error it answers is the call's.
	fault func(call string, done bool) error
}

// sent is a message and when it was sent.
type sent struct {
	hermod.Message
	at time.Time
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		subs: map[string][]*hermod.Subscription{}, rows: map[string][]*hermod.Attempt{},
		replays: map[hermod.ReplayKey]hermod.Replay{}, settled: hermod.LastIDAt(time.Now().Add(time.Hour)),
		fault: func(string, bool) error { return nil },
		slow:  func(context.Context, string) error { return nil },
	}
}

// call runs fn between the two questions for a fault.
func (s *fakeStore) call(name string, fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fault(name, false); err != nil {
		return err
	}
	return cmp.Or(fn(), s.fault(name, true))
}

func (s *fakeStore) Subscriptions(_ context.Context, owner string) (subs []*hermod.Subscription, err error) {
	return subs, s.call("Subscriptions", func() error {
		for _, sub := range s.subs[owner] {
			subs = append(subs, new(*sub))
		}
		return nil
	})
}

func (s *fakeStore) LastOf(_ context.Context, sub string, event hermod.ID) (last *hermod.Attempt, err error) {
	return last, s.call("LastOf", func() error {
		for _, a := range s.rows[sub+event.String()] {
			if last == nil || a.Compare(last.AttemptKey) > 0 {
				last = a
			}
		}
		return nil
	})
}

// Dead is a page of the dead rows that were not cleared.
func (s *fakeStore) Dead(_ context.Context, q hermod.DeadQuery) (page []hermod.DeadKey, err error) {
	return page, s.call("Dead", func() error {
		for _, rows := range s.rows {
			for _, a := range rows {
				k := hermod.DeadKey{At: a.At, AttemptKey: a.AttemptKey}
				if a.State == hermod.Dead && !a.Cleared && a.Owner == q.Owner && (q.SubscriptionID == "" || a.SubscriptionID == q.SubscriptionID) &&
					(q.Above == nil || k.Compare(*q.Above) > 0) && (q.Below == nil || k.Compare(*q.Below) < 0) {
					page = append(page, k)
				}
			}
		}
		slices.SortFunc(page, func(a, b hermod.DeadKey) int {
			if q.Ascending {
				return a.Compare(b)
			}
			return b.Compare(a)
		})
		page = page[:min(q.Limit, len(page))]
		return nil
	})
}

func (s *fakeStore) Record(context.Context, hermod.Change) error { return nil }

// ClearDead replaces rows: others may hold the ones that were read.
func (s *fakeStore) ClearDead(_ context.Context, keys []hermod.AttemptKey) error {
	return s.call("ClearDead", func() error {
		for _, key := range keys {
			rows := s.rows[key.SubscriptionID+key.EventID.String()]
			for i, a := range rows {
				if a.AttemptKey == key {
					rows[i] = new(*a)
					rows[i].Cleared = true
				}
			}
		}
		return nil
	})
}

func (s *fakeStore) EventsByKey(_ context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	found := map[hermod.EventKey]*hermod.Event{}
	return found, s.call("EventsByKey", func() error {
		for _, e := range s.events {
			if slices.Contains(keys, e.Key()) {
				found[e.Key()] = e
			}
		}
		return nil
	})
}

func (s *fakeStore) Events(ctx context.Context, q hermod.EventQuery) (page hermod.EventPage, err error) {
	if err := s.slow(ctx, q.Owner); err != nil {
		return page, err
	}
	return page, s.call("Events", func() error {
		if s.broken == q.Owner {
			return errBroken
		}
		for _, e := range s.events { // ascending: all that is asked for here
			if (e.AccountID == q.Owner || e.OrganizationID == q.Owner) && e.ID.Compare(q.Above) > 0 && e.ID.Compare(q.Below) < 0 &&
				(q.Pattern == "" || q.Pattern.Matches(e.Sender, e.Name)) && len(page.Events) < q.Limit {
				page.Events = append(page.Events, e)
			}
		}
		return nil
	})
}

func (s *fakeStore) Settled(context.Context, hermod.EventQuery) (hermod.ID, error) {
	return s.settled, nil
}

func (s *fakeStore) CreateReplay(_ context.Context, r *hermod.Replay) error {
	return s.call("CreateReplay", func() error {
		r.Version = 1
		s.replays[r.Key()] = *r
		return nil
	})
}

func (s *fakeStore) Replay(_ context.Context, key hermod.ReplayKey) (*hermod.Replay, error) {
	var found hermod.Replay
	err := s.call("Replay", func() error {
		var ok bool
		if found, ok = s.replays[key]; !ok {
			return hermod.Errorf(hermod.CodeNotFound, "no such replay")
		}
		return nil
	})
	return &found, err
}

func (s *fakeStore) Replays(context.Context, hermod.ReplayQuery) ([]*hermod.Replay, error) {
	return nil, fmt.Errorf("nobody asks")
}

func (s *fakeStore) RunningReplays(context.Context) (keys []hermod.ReplayKey, err error) {
	return keys, s.call("RunningReplays", func() error {
		for key, r := range s.replays {
			if r.Running() {
				keys = append(keys, key)
			}
		}
		slices.SortFunc(keys, func(a, b hermod.ReplayKey) int { return a.ID.Compare(b.ID) })
		return nil
	})
}

func (s *fakeStore) UpdateReplay(_ context.Context, r *hermod.Replay) error {
	return s.call("UpdateReplay", func() error {
		if s.replays[r.Key()].Version != r.Version {
			return hermod.Errorf(hermod.CodePreconditionFailed, "another version stands")
		}
		r.Version++
		s.replays[r.Key()] = *r
		return nil
	})
}

func (s *fakeStore) Send(_ context.Context, messages []hermod.Message) error {
	return s.call("Send", func() error {
		for _, m := range messages {
			s.sent = append(s.sent, sent{m, time.Now()})
			if !s.held {
				s.attempt(m)
			}
		}
		return nil
	})
}

// attempt makes the first attempt of a run, unless it was made.
func (s *fakeStore) attempt(m hermod.Message) {
	delivery := m.SubscriptionID + m.EventID.String()
	row := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: m.RunKey(), Number: 1}, Trigger: m.Trigger, Replay: m.Replay, State: hermod.Succeeded,
		Owner: m.Owner, Account: m.Account, At: time.Now(),
	}
	for _, a := range s.rows[delivery] {
		if a.AttemptKey == row.AttemptKey {
			return
		}
	}
	s.rows[delivery] = append(s.rows[delivery], row)
}

// A world is a store with events, and what starts deliveries again over it.
type world struct {
	*fakeStore
	t   *testing.T
	ids *hermod.IDs
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{newFakeStore(), t, hermod.NewIDs(time.Now, func(b []byte) { _, _ = rand.Read(b) })}
}

// publish stores so many events of s:n and answers the last one.
func (w *world) publish(n int, change ...func(*hermod.Event)) *hermod.Event {
	w.t.Helper()
	var e *hermod.Event
	for range n {
		e = &hermod.Event{ID: w.ids.Next(), Sender: "s", Name: "n", AccountID: owner, Data: []byte(`1`)}
		for _, f := range change {
			f(e)
		}
		w.events = append(w.events, e)
	}
	return e
}

// subscribe stores a subscription of the owner.
func (w *world) subscribe(id string, change ...func(*hermod.Subscription)) *hermod.Subscription {
	s := &hermod.Subscription{ID: id, Owner: owner, Active: true}
	for _, f := range change {
		f(s)
	}
	w.subs[s.Owner] = append(w.subs[s.Owner], s)
	if s.Global {
		w.subs[hermod.EveryOwner] = append(w.subs[hermod.EveryOwner], s)
	}
	return s
}

func (w *world) planner() *replay.Planner {
	return &replay.Planner{Store: w, IDs: w.ids, Now: time.Now}
}

func (w *world) runner() *replay.Runner {
	return &replay.Runner{Store: w, Queue: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func (w *world) starter() *replay.Starter {
	return &replay.Starter{Deliveries: w, Queue: w, Now: time.Now}
}

// whole is a replay of the owner's whole log.
func whole(rate int) *hermod.Replay {
	return &hermod.Replay{Owner: owner, Owners: []string{owner}, Below: hermod.LastIDAt(time.Now().Add(time.Minute)), Rate: rate}
}

// begin creates a replay.
func (w *world) begin(r *hermod.Replay) hermod.ReplayKey {
	w.t.Helper()
	if err := w.planner().Create(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	return r.Key()
}

// run runs a runner until it has nothing left.
func (w *world) run() {
	w.t.Helper()
	if err := w.runner().Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// wantCounts checks how the replay stands.
func (w *world) wantCounts(key hermod.ReplayKey, state hermod.ReplayState, events, deliveries int64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.replays[key]
	want(w.t, "state", r.State, state)
	want(w.t, "counts", r.Done, hermod.ReplayCount{Events: events, Deliveries: deliveries, Complete: state == hermod.ReplayDone})
	want(w.t, "ended", r.EndedAt.IsZero(), state == hermod.ReplayRunning)
}

// runs are the runs that were asked for, by delivery.
func (w *world) runs() map[string]map[int]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := map[string]map[int]bool{}
	for _, m := range w.sent {
		delivery := m.SubscriptionID + " " + m.EventID.String()
		if runs[delivery] == nil {
			runs[delivery] = map[int]bool{}
		}
		runs[delivery][m.Run] = true
	}
	return runs
}

// wantOneRunEach checks that so many deliveries were started, each in one run of its
// own, however often its message was sent.
func (w *world) wantOneRunEach(deliveries int) {
	w.t.Helper()
	runs := w.runs()
	want(w.t, "deliveries", len(runs), deliveries)
	for delivery, of := range runs {
		if len(of) != 1 {
			w.t.Errorf("%s was started in runs %v, want one", delivery, of)
		}
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
