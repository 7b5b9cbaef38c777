package storetest

import (
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func testOwners(t *testing.T, f *fixture) {
	f.run(t, "come back whole", func(t *testing.T) {
		full := hermod.Owner{
			ID: f.name("a"), Organization: f.name("o"), Retention: 7 * 24 * time.Hour, CreatedAt: instant(),
		}
		bare := hermod.Owner{ID: f.name("a")}
		must(t, f.store.CreateOwner(t.Context(), full))
		must(t, f.store.CreateOwner(t.Context(), bare))
		owners := got(f.store.Owners(t.Context(), []string{full.ID, bare.ID, f.name("absent")}))(t)
		for id, o := range owners {
			utc(&o.CreatedAt)
			owners[id] = o
		}
		wantEqual(t, owners, map[string]hermod.Owner{full.ID: full, bare.ID: bare})
	})
	f.run(t, "none asked for, none answered", func(t *testing.T) {
		wantEqual(t, len(got(f.store.Owners(t.Context(), nil))(t)), 0)
	})
	f.run(t, "one of many creators wins", func(t *testing.T) {
		o := hermod.Owner{ID: f.name("a")}
		wantOneWinner(t, race(func(int) error { return f.store.CreateOwner(t.Context(), o) }), hermod.CodeConflict)
	})
}

func testTypes(t *testing.T, f *fixture) {
	f.run(t, "are known once and sorted, for their account only", func(t *testing.T) {
		one, other := f.owner(t).ID, f.owner(t).ID
		must(t, f.store.RegisterTypes(t.Context(), one, []string{"b:two", "a:one"}))
		must(t, f.store.RegisterTypes(t.Context(), one, []string{"a:one", "b.c:three"}))
		must(t, f.store.RegisterTypes(t.Context(), one, nil))
		must(t, f.store.RegisterTypes(t.Context(), other, []string{"z:z"}))
		want := []string{"a:one", "b:two", "b.c:three"}
		slices.Sort(want)
		wantEqual(t, got(f.store.Types(t.Context(), one))(t), want)
		wantEqual(t, len(got(f.store.Types(t.Context(), f.name("a")))(t)), 0)
	})
	f.run(t, "registered by many at once are all known", func(t *testing.T) {
		account := f.owner(t).ID
		codes := race(func(i int) error {
			return f.store.RegisterTypes(t.Context(), account, []string{"s:shared", "s:" + string(rune('A'+i))})
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, len(got(f.store.Types(t.Context(), account))(t)), racers+1)
	})
}

func testClaims(t *testing.T, f *fixture) {
	claim := func(owner, key string) hermod.Claim {
		return hermod.Claim{
			Owner: owner, Key: key, Hash: []byte(f.name("hash")), EventID: f.ids.Next(),
			ExpiresAt: instant().Add(hermod.ClaimRetention),
		}
	}
	take := func(t *testing.T, claims ...hermod.Claim) []hermod.Claim {
		t.Helper()
		standing := got(f.store.Claim(t.Context(), claims))(t)
		for i := range standing {
			utc(&standing[i].ExpiresAt)
		}
		return standing
	}
	f.run(t, "the first on a key stands, in the order asked", func(t *testing.T) {
		owner := f.name("a")
		first, second := claim(owner, odd), claim(owner, odd)
		other, foreign := claim(owner, "other"), claim(f.name("a"), odd)
		wantEqual(t, take(t, first), []hermod.Claim{first})
		wantEqual(t, take(t, other, second, foreign), []hermod.Claim{other, first, foreign})
	})
	f.run(t, "an expired one gives its key free", func(t *testing.T) {
		old := claim(f.name("a"), "key")
		old.ExpiresAt = instant().Add(-time.Second)
		wantEqual(t, take(t, old), []hermod.Claim{old})
		fresh := claim(old.Owner, old.Key)
		wantEqual(t, take(t, fresh), []hermod.Claim{fresh})
	})
	f.run(t, "one of many claimers wins and all see it", func(t *testing.T) {
		owner := f.name("a")
		answers := make([]hermod.ID, racers)
		won := make([]bool, racers)
		codes := race(func(i int) error {
			c := claim(owner, "key")
			standing, err := f.store.Claim(t.Context(), []hermod.Claim{c})
			if err == nil {
				answers[i], won[i] = standing[0].EventID, standing[0].EventID == c.EventID
			}
			return err
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, len(slices.Compact(answers)), 1)
		wantEqual(t, len(slices.DeleteFunc(won, func(w bool) bool { return !w })), 1)
	})
	f.run(t, "one of many reclaimers wins", func(t *testing.T) {
		standing := claim(f.name("a"), "key")
		take(t, standing)
		wantOneWinner(t, race(func(int) error {
			return f.store.Reclaim(t.Context(), standing, claim(standing.Owner, standing.Key))
		}), hermod.CodeConflict)
	})
	f.run(t, "a reclaimed key answers the fresh row", func(t *testing.T) {
		standing := claim(f.name("a"), "key")
		take(t, standing)
		fresh := claim(standing.Owner, standing.Key)
		must(t, f.store.Reclaim(t.Context(), standing, fresh))
		wantEqual(t, take(t, claim(standing.Owner, standing.Key)), []hermod.Claim{fresh})
		wantCode(t, f.store.Reclaim(t.Context(), standing, claim(standing.Owner, standing.Key)), hermod.CodeConflict)
	})
	f.run(t, "an absent row cannot be reclaimed", func(t *testing.T) {
		c := claim(f.name("a"), "key")
		wantCode(t, f.store.Reclaim(t.Context(), c, claim(c.Owner, c.Key)), hermod.CodeConflict)
	})
}
