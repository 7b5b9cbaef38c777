package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func testCredentials(t *testing.T, f *fixture) {
	normal := func(c *hermod.Credential) hermod.Credential {
		utc(&c.CreatedAt, &c.RevokedAt)
		c.Scopes = orNil(c.Scopes)
		return *c
	}
	listed := func(t *testing.T, account string) []hermod.Credential {
		t.Helper()
		var all []hermod.Credential
		for _, c := range got(f.store.Credentials(t.Context(), account))(t) {
			all = append(all, normal(c))
		}
		return all
	}
	f.run(t, "come back whole and are replaced, by id and in their account's list", func(t *testing.T) {
		c := hermod.Credential{
			ID: f.name("oauth:client"), Name: odd, Tenant: odd, SecretHash: []byte{0, 1, 255}, Account: f.name("a"), Organization: f.name("o"),
			Scopes: []string{hermod.ScopeManage, hermod.ScopePublish}, CreatedAt: instant(),
		}
		must(t, f.store.PutCredential(t.Context(), &c))
		wantEqual(t, normal(got(f.store.Credential(t.Context(), c.ID))(t)), c)
		wantEqual(t, listed(t, c.Account), []hermod.Credential{c})
		c.RevokedAt, c.Organization, c.Name, c.Tenant, c.Scopes = instant(), "", "", "", nil
		must(t, f.store.PutCredential(t.Context(), &c))
		wantEqual(t, normal(got(f.store.Credential(t.Context(), c.ID))(t)), c)
		wantEqual(t, listed(t, c.Account), []hermod.Credential{c})
	})
	f.run(t, "absent ones are not found", func(t *testing.T) {
		_, err := f.store.Credential(t.Context(), f.name("oauth:client"))
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(listed(t, f.name("a"))), 0)
	})
	f.run(t, "a revoked one is forgotten after 90 days", func(t *testing.T) {
		c := hermod.Credential{ID: f.name("apikey:x"), Account: f.name("a"), CreatedAt: instant()}
		for age, want := range map[time.Duration]int{0: 1, hermod.RevokedRetention - time.Minute: 1, hermod.RevokedRetention: 0} {
			c.RevokedAt = instant().Add(-age)
			must(t, f.store.PutCredential(t.Context(), &c))
			wantEqual(t, len(listed(t, c.Account)), want)
			if _, err := f.store.Credential(t.Context(), c.ID); want == 0 {
				wantCode(t, err, hermod.CodeNotFound)
			} else {
				must(t, err)
			}
		}
		c.RevokedAt = time.Time{} // a client that an operator writes again
		must(t, f.store.PutCredential(t.Context(), &c))
		wantEqual(t, listed(t, c.Account), []hermod.Credential{c})
	})
	f.run(t, "an account lists its own alone, in the order of their ids", func(t *testing.T) {
		account := f.owner(t).ID
		must(t, f.store.RegisterTypes(t.Context(), account, []string{"credential:none"}))
		var want []hermod.Credential
		for i := range 120 { // more than one batch of any engine
			c := hermod.Credential{
				ID: fmt.Sprintf("%s-%03d", f.name("apikey:x"), 119-i), Account: account, SecretHash: []byte{1}, CreatedAt: instant(),
			}
			must(t, f.store.PutCredential(t.Context(), &c))
			want = append(want, c)
			c.ID, c.Account = c.ID+"other", account+"x"
			must(t, f.store.PutCredential(t.Context(), &c))
		}
		slices.SortFunc(want, func(a, b hermod.Credential) int {
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
		wantEqual(t, listed(t, account), want)
	})
	f.run(t, "one that moves is in the new account's list alone", func(t *testing.T) {
		from, to := f.name("a"), f.name("a")
		c := hermod.Credential{ID: f.name("oauth:client"), Account: from, CreatedAt: instant()}
		must(t, f.store.PutCredential(t.Context(), &c))
		c.Account = to
		must(t, f.store.PutCredential(t.Context(), &c))
		wantEqual(t, len(listed(t, from)), 0)
		wantEqual(t, listed(t, to), []hermod.Credential{c})
	})
	f.run(t, "are renamed, and not where they are revoked or absent", func(t *testing.T) {
		c := hermod.Credential{
			ID: f.name("apikey:x"), Name: "before", Account: f.name("a"), SecretHash: []byte{1}, Scopes: []string{"s"}, CreatedAt: instant(),
		}
		must(t, f.store.PutCredential(t.Context(), &c))
		must(t, f.store.RenameCredential(t.Context(), c.ID, odd))
		c.Name = odd
		wantEqual(t, listed(t, c.Account), []hermod.Credential{c})
		c.RevokedAt = instant()
		must(t, f.store.PutCredential(t.Context(), &c))
		wantCode(t, f.store.RenameCredential(t.Context(), c.ID, "after"), hermod.CodeNotFound)
		wantEqual(t, normal(got(f.store.Credential(t.Context(), c.ID))(t)), c)
		wantCode(t, f.store.RenameCredential(t.Context(), f.name("apikey:x"), "after"), hermod.CodeNotFound)
	})
	f.run(t, "written by many at once stand, and are listed", func(t *testing.T) {
		c := hermod.Credential{ID: f.name("oauth:client"), Account: f.name("a"), CreatedAt: instant()}
		codes := race(func(int) error { return f.store.PutCredential(t.Context(), &c) })
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, listed(t, c.Account), []hermod.Credential{c})
	})
}

func testSigningKeys(t *testing.T, f *fixture) {
	mine := func(t *testing.T, ids []hermod.SigningKey) []hermod.SigningKey {
		t.Helper()
		var mine []hermod.SigningKey
		for _, k := range got(f.store.SigningKeys(t.Context()))(t) {
			utc(&k.CreatedAt)
			if slices.ContainsFunc(ids, func(w hermod.SigningKey) bool { return w.ID == k.ID }) {
				mine = append(mine, k)
			}
		}
		return mine
	}
	f.run(t, "come back whole, the newest first", func(t *testing.T) {
		var want []hermod.SigningKey
		for i := range 3 {
			k := hermod.SigningKey{
				ID: f.name("key"), Use: []string{"", "webhooks"}[i%2], Public: []byte{1, 0, byte(i)}, Sealed: []byte{2, 0, byte(i)},
				CreatedAt: instant().Add(time.Duration(i) * time.Second),
			}
			must(t, f.store.PutSigningKey(t.Context(), k))
			want = append([]hermod.SigningKey{k}, want...)
		}
		wantEqual(t, mine(t, want), want)
	})
	f.run(t, "one of many putters wins", func(t *testing.T) {
		k := hermod.SigningKey{ID: f.name("key"), Public: []byte{1}, Sealed: []byte{2}, CreatedAt: instant()}
		wantOneWinner(t, race(func(int) error { return f.store.PutSigningKey(t.Context(), k) }), hermod.CodeConflict)
	})
	f.run(t, "a deleted one is gone, twice too, and no other", func(t *testing.T) {
		gone := hermod.SigningKey{ID: f.name("key"), Public: []byte{1}, Sealed: []byte{2}, CreatedAt: instant()}
		stays := hermod.SigningKey{ID: f.name("key"), Public: []byte{1}, Sealed: []byte{2}, CreatedAt: instant()}
		must(t, f.store.PutSigningKey(t.Context(), gone))
		must(t, f.store.PutSigningKey(t.Context(), stays))
		for range 2 {
			must(t, f.store.DeleteSigningKey(t.Context(), gone.ID))
		}
		wantEqual(t, mine(t, []hermod.SigningKey{gone, stays}), []hermod.SigningKey{stays})
	})
}
