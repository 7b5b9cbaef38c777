package storetest

import (
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// replay makes a running one that is not stored yet.
func (f *fixture) replay(owner string) *hermod.Replay {
	return &hermod.Replay{
		ID: f.ids.Next(), Owner: owner, Owners: []string{owner}, Above: f.ids.Next(), Below: f.ids.Next(), Before: instant(), Rate: 1,
		State: hermod.ReplayRunning, CreatedAt: instant(), UpdatedAt: instant(),
	}
}

// replaying makes one that is stored.
func (f *fixture) replaying(t *testing.T, owner string) *hermod.Replay {
	t.Helper()
	r := f.replay(owner)
	must(t, f.store.CreateReplay(t.Context(), r))
	return r
}

func normalReplay(r *hermod.Replay) hermod.Replay {
	c := *r
	utc(&c.Before, &c.CreatedAt, &c.UpdatedAt, &c.EndedAt, &c.RetainUntil)
	c.Owners, c.Patterns, c.Tags = orNil(c.Owners), orNil(c.Patterns), orNil(c.Tags)
	return c
}

func replayIDs(replays []*hermod.Replay) (ids []hermod.ID) {
	for _, r := range replays {
		ids = append(ids, r.ID)
	}
	return ids
}

func testReplays(t *testing.T, f *fixture) {
	f.run(t, "come back whole by every read", f.replayRoundTrip)
	f.run(t, "run until their end", func(t *testing.T) {
		owner := f.name("a")
		r, ended := f.replaying(t, owner), f.replaying(t, owner)
		ended.End(hermod.ReplayDone, instant())
		must(t, f.store.UpdateReplay(t.Context(), ended))
		r.Position, r.Done.Events = f.ids.Next(), 1
		must(t, f.store.UpdateReplay(t.Context(), r))
		wantEqual(t, f.running(t, owner), []hermod.ID{r.ID})
		r.End(hermod.ReplayCancelled, instant())
		must(t, f.store.UpdateReplay(t.Context(), r))
		wantEqual(t, f.running(t, owner), nil)
		r.Done.Events++ // what was counted meanwhile may still be written
		must(t, f.store.UpdateReplay(t.Context(), r))
		wantEqual(t, f.running(t, owner), nil)
	})
	f.run(t, "one of many creators of an id wins", func(t *testing.T) {
		r := f.replay(f.name("a"))
		wantOneWinner(t, race(func(int) error {
			c := *r
			return f.store.CreateReplay(t.Context(), &c)
		}), hermod.CodeConflict)
	})
	for _, state := range []hermod.ReplayState{hermod.ReplayRunning, hermod.ReplayDone} {
		f.run(t, "one of many writers of a version wins/"+string(state), func(t *testing.T) {
			r := f.replaying(t, f.name("a"))
			wantOneWinner(t, race(func(i int) error {
				c := *r
				c.Done.Events = int64(i)
				if state != hermod.ReplayRunning {
					c.End(state, instant())
				}
				return f.store.UpdateReplay(t.Context(), &c)
			}), hermod.CodePreconditionFailed)
			wantEqual(t, got(f.store.Replay(t.Context(), r.Key()))(t).Version, 2)
		})
	}
	f.run(t, "a change of one that is gone is refused", func(t *testing.T) {
		r := f.replay(f.name("a"))
		r.Version = 1
		wantCode(t, f.store.UpdateReplay(t.Context(), r), hermod.CodePreconditionFailed)
		r.End(hermod.ReplayDone, instant())
		wantCode(t, f.store.UpdateReplay(t.Context(), r), hermod.CodePreconditionFailed)
		wantEqual(t, r.Version, 1)
	})
	f.run(t, "are listed by owner, the newest first", func(t *testing.T) {
		owner, other := f.name("a"), f.name("a")
		var ids []hermod.ID
		for range 5 {
			ids = append(ids, f.replaying(t, owner).ID)
			f.replaying(t, other)
		}
		slices.Reverse(ids)
		page := func(below hermod.ID, limit int) []hermod.ID {
			return replayIDs(got(f.store.Replays(t.Context(), hermod.ReplayQuery{Owner: owner, Below: below, Limit: limit}))(t))
		}
		wantEqual(t, page(hermod.ID{}, 10), ids)
		wantEqual(t, page(hermod.ID{}, 2), ids[:2])
		wantEqual(t, page(ids[1], 2), ids[2:4])
		wantEqual(t, page(ids[4], 2), nil)
	})
	f.run(t, "of another owner are not found", func(t *testing.T) {
		r, other := f.replaying(t, f.name("a")), f.name("a")
		_, err := f.store.Replay(t.Context(), hermod.ReplayKey{Owner: other, ID: r.ID})
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.Replays(t.Context(), hermod.ReplayQuery{Owner: other, Limit: 10}))(t)), 0)
	})
	f.run(t, "past their retention are not read", func(t *testing.T) {
		r := f.replaying(t, f.name("a"))
		r.End(hermod.ReplayDone, instant())
		r.RetainUntil = instant().Add(-time.Second)
		must(t, f.store.UpdateReplay(t.Context(), r))
		_, err := f.store.Replay(t.Context(), r.Key())
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.Replays(t.Context(), hermod.ReplayQuery{Owner: r.Owner, Limit: 10}))(t)), 0)
	})
}

func (f *fixture) replayRoundTrip(t *testing.T) {
	full := f.replay(f.name("a"))
	full.Owners = append(full.Owners, odd)
	full.Patterns, full.Tags = []hermod.Pattern{"a:b", "c:*", hermod.AnyType}, []string{odd, "b"}
	full.SubscriptionID, full.Rate, full.Position = f.name("s"), hermod.MaxReplayRate, f.ids.Next()
	full.Expected = hermod.ReplayCount{Events: 1 << 40, Deliveries: 1 << 50, Complete: true}
	full.Done = hermod.ReplayCount{Events: 3, Deliveries: 5}
	must(t, f.store.CreateReplay(t.Context(), full))
	wantEqual(t, full.Version, 1)
	full.Reason, full.Done.Complete = hermod.ReasonSubDeleted, true
	full.End(hermod.ReplayCancelled, instant())
	must(t, f.store.UpdateReplay(t.Context(), full))
	wantEqual(t, full.Version, 2)
	for _, r := range []*hermod.Replay{full, f.replaying(t, f.name("a"))} {
		wantEqual(t, normalReplay(got(f.store.Replay(t.Context(), r.Key()))(t)), normalReplay(r))
		all := got(f.store.Replays(t.Context(), hermod.ReplayQuery{Owner: r.Owner, Limit: 10}))(t)
		wantEqual(t, len(all), 1)
		wantEqual(t, normalReplay(all[0]), normalReplay(r))
	}
}

// running are the owner's replays among those that run.
func (f *fixture) running(t *testing.T, owner string) (ids []hermod.ID) {
	t.Helper()
	for _, key := range got(f.store.RunningReplays(t.Context()))(t) {
		if key.Owner == owner {
			ids = append(ids, key.ID)
		}
	}
	return ids
}

func testLastOf(t *testing.T, f *fixture) {
	f.run(t, "a delivery without rows has no last one", func(t *testing.T) {
		if last := got(f.store.LastOf(t.Context(), f.name("s"), f.ids.Next()))(t); last != nil {
			t.Fatalf("got %v, want nil", last)
		}
	})
	f.run(t, "the last of a delivery is that of its highest run", func(t *testing.T) {
		s, before, event, after := f.subscription(f.name("a")), f.ids.Next(), f.ids.Next(), f.ids.Next()
		put := func(event hermod.ID, run, number int, replay hermod.ID) {
			a := f.attempt(s, event)
			a.Run, a.Number, a.Replay = run, number, replay
			must(t, f.store.PutAttempt(t.Context(), a))
		}
		put(before, 7, 7, hermod.ID{})
		put(after, 8, 8, hermod.ID{})
		replay := f.ids.Next()
		for _, row := range []struct {
			run, number int
			replay      hermod.ID
		}{{0, 1, hermod.ID{}}, {0, hermod.MaxNumber, hermod.ID{}}, {2, 1, replay}, {2, 10, replay}, {11, 1, f.ids.Next()}} {
			put(event, row.run, row.number, row.replay)
			last := got(f.store.LastOf(t.Context(), s.ID, event))(t)
			wantEqual(t, last.AttemptKey, hermod.AttemptKey{
				RunKey: hermod.RunKey{SubscriptionID: s.ID, EventID: event, Run: row.run}, Number: row.number,
			})
			wantEqual(t, last.Replay, row.replay)
		}
	})
	f.run(t, "a row past its retention that still stands counts", func(t *testing.T) {
		a := f.attempt(f.subscription(f.name("a")), f.ids.Next())
		a.RetainUntil = time.Now().Add(-time.Hour)
		must(t, f.store.PutAttempt(t.Context(), a))
		if last := got(f.store.LastOf(t.Context(), a.SubscriptionID, a.EventID))(t); last == nil {
			t.Fatal("got no row; a run that took its number would never be put")
		}
	})
}
