package deliver_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// visitTakes is how long the store of a slowRig takes to read what is parked, which begins
// each visit that probes or drains.
const visitTakes = 100 * time.Millisecond

// A slowRig is a Sweeper whose store takes its time, in a bubble's clock.
type slowRig struct {
	*rig
	mu sync.Mutex
	// visits are when those of a subscription began, sent is when its messages were sent.
	visits, sent map[string][]time.Time
}

func newSlowRig(t *testing.T) *slowRig {
	return &slowRig{rig: newRig(t), visits: map[string][]time.Time{}, sent: map[string][]time.Time{}}
}

// has puts a subscription and what is parked of it.
func (r *slowRig) has(owner, id string, circuit hermod.Circuit, parked byte) *hermod.Health {
	sub := new(*r.sub)
	sub.Owner, sub.ID = owner, id
	h := &hermod.Health{Owner: owner, SubscriptionID: id, Version: 1, Circuit: circuit, Told: hermod.NoticeFailing}
	r.store.subs[sub.Ref()], r.store.health[sub.Ref()] = sub, h
	for n := range parked {
		p := &hermod.Parked{Message: hermod.Message{EventID: eventID(n), Account: owner, Owner: owner, SubscriptionID: id}}
		r.store.parked[p.Key()] = p
	}
	return h
}

// sweeper has a seeded source of randomness.
func (r *slowRig) sweeper() *deliver.Sweeper {
	s := r.rig.sweeper(nil)
	s.Store, s.Queue, s.Now, s.Random = slowStore{r.store, r}, r, time.Now, rand.New(rand.NewPCG(1, 1)).Float64
	return s
}

func (r *slowRig) Send(_ context.Context, messages []hermod.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		r.sent[m.SubscriptionID] = append(r.sent[m.SubscriptionID], time.Now())
	}
	return nil
}

type slowStore struct {
	*fakeStore
	r *slowRig
}

// Attended are in the order of their owners, as on DynamoDB.
func (s slowStore) Attended(ctx context.Context) ([]hermod.Ref, error) {
	refs, err := s.fakeStore.Attended(ctx)
	slices.SortFunc(refs, func(a, b hermod.Ref) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.ID, b.ID))
	})
	return refs, err
}

func (s slowStore) ParkedOf(ctx context.Context, id string, limit int) ([]*hermod.Parked, error) {
	s.r.mu.Lock()
	s.r.visits[id] = append(s.r.visits[id], time.Now())
	s.r.mu.Unlock()
	<-time.After(visitTakes)
	return s.fakeStore.ParkedOf(ctx, id, limit)
}

// An owner with a thousand subscriptions that are drained, which take more than two minutes
// one after the other, slows neither the drain nor the probes of another.
func TestManySubscriptionsOfOneOwnerDoNotSlowAnother(t *testing.T) {
	t.Parallel()
	for _, circuit := range []hermod.Circuit{hermod.Draining, hermod.Limited} {
		synctest.Test(t, func(t *testing.T) {
			r, begun := newSlowRig(t), time.Now()
			for n := range 1000 {
				r.has("a-0", fmt.Sprint("s-", n), circuit, 1)
			}
			r.has("z-9", "drained", circuit, 20)
			r.has("z-9", "probed", hermod.Open, 1).NextProbeAt = begun.Add(5 * time.Second)
			ctx, stop := context.WithTimeout(t.Context(), 58*time.Second)
			defer stop()
			if err := r.sweeper().Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			want(t, "messages", len(r.sent["drained"]), 20)
			for n, at := range r.sent["drained"] { // two a round, and a round is a second
				if late := at.Sub(begun.Add(time.Duration(n/2) * (time.Second + visitTakes))); late > 2*visitTakes {
					t.Errorf("message %d was sent %s late", n, late)
				}
			}
			want(t, "probes", len(r.sent["probed"]), 1)
			if late := r.sent["probed"][0].Sub(begun.Add(5 * time.Second)); late > time.Second+2*visitTakes {
				t.Errorf("the probe was sent %s late", late)
			}
			for n := range 1000 {
				want(t, "messages of the one with many", len(r.sent[fmt.Sprint("s-", n)]), 1)
			}
		})
	}
}

// A probe does not wait behind what is drained, also not of its own owner.
func TestProbesGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, begun := newSlowRig(t), time.Now()
		for n := range 30 {
			r.has(fmt.Sprint("a-", n), fmt.Sprint("drained-", n), hermod.Draining, 1)
			r.has("z-9", fmt.Sprint("paused-", n), hermod.Closed, 1).Paused = true
		}
		r.has("z-9", "drained", hermod.Draining, 1)
		r.has("z-9", "probed", hermod.Open, 1)
		if _, err := r.sweeper().Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "probed", fmt.Sprint(r.visits["probed"]), fmt.Sprint([]time.Time{begun}))
	})
}

// Where the time given ends before a round does, no visit begins in its last five seconds, and
// who had no turn gets one in one of the next.
func TestWhoHadNoTurnGetsOneLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSlowRig(t)
		const owners, turns = 40, 3 * 8 // eight at a time, three times
		for n := range owners {
			r.has(fmt.Sprint("a-", n), fmt.Sprint("s-", n), hermod.Draining, 50)
		}
		s := r.sweeper()
		for minute := range 12 {
			begun, before := time.Now(), r.begun(time.Time{})
			ctx, stop := context.WithTimeout(t.Context(), 5*time.Second+turns/8*visitTakes)
			if err := s.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			stop()
			want(t, fmt.Sprint("visits of minute ", minute), r.begun(time.Time{})-before, turns)
			want(t, "visits begun in time", r.begun(begun.Add(turns/8*visitTakes)), 0)
		}
		for n := range owners {
			if len(r.visits[fmt.Sprint("s-", n)]) == 0 {
				t.Errorf("owner %d had no turn", n)
			}
		}
	})
}

// begun counts the visits that began at the time or later.
func (r *slowRig) begun(from time.Time) (n int) {
	for _, visits := range r.visits {
		for _, at := range visits {
			if !at.Before(from) {
				n++
			}
		}
	}
	return n
}

// Whoever had no turn may have something to drain: the next round has to see.
func TestARoundWithoutTimeHasMoreToDo(t *testing.T) {
	t.Parallel()
	for _, subs := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			r := newSlowRig(t)
			for n := range subs {
				r.has("a-0", fmt.Sprint("s-", n), hermod.Draining, 1)
			}
			ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			more, err := r.sweeper().Round(ctx)
			want(t, "error", err, nil)
			want(t, "more to do", more, true)
			want(t, "visits", len(r.visits), 0)
		})
	}
}
