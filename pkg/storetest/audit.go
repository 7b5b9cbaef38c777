package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// changes reads the whole audit log of an owner, the newest first, by pages of n.
func (f *fixture) changes(t *testing.T, q hermod.ChangeQuery, n int) []*hermod.Change {
	t.Helper()
	var all []*hermod.Change
	q.Limit = n
	for {
		page := got(f.store.Changes(t.Context(), q))(t)
		if len(page.Changes) > n {
			t.Fatalf("a page of %d has %d changes", n, len(page.Changes))
		}
		all = append(all, page.Changes...)
		if page.Next.IsZero() {
			return all
		}
		if !q.Below.IsZero() && page.Next.Compare(q.Below) >= 0 {
			t.Fatalf("the page below %s goes on at %s", q.Below, page.Next)
		}
		q.Below = page.Next
	}
}

// A written is a change that a write must leave one row of.
type written struct {
	action  hermod.ChangeAction
	target  string
	members []string
}

// wantRow makes a write in the name of a credential, and wants one new row for it, or
// none where the action is "".
func (f *fixture) wantRow(t *testing.T, owner string, want written, write func(ctx context.Context) error) {
	t.Helper()
	actor := hermod.Actor{Kind: hermod.ActorCredential, Credential: f.name("oauth:c"), Trace: f.ids.Next().String()}
	q := hermod.ChangeQuery{Owner: owner}
	before := f.changes(t, q, 100)
	err := write(hermod.WithActor(t.Context(), actor))
	after := f.changes(t, q, 100)
	if want.action == "" {
		if err == nil || len(after) != len(before) {
			t.Fatalf("a write that fails with %v leaves %d rows, want none", err, len(after)-len(before))
		}
		return
	}
	must(t, err)
	mine := slices.DeleteFunc(after, func(c *hermod.Change) bool { return c.Actor != actor })
	if len(mine) != 1 {
		t.Fatalf("%s leaves %d rows, want one", want.action, len(mine))
	}
	c := mine[0]
	wantEqual(t, written{c.Action, c.Target, orNil(c.Members)}, want)
	wantEqual(t, c.Owner, owner)
	if age := time.Since(c.ID.Time()); age < -time.Minute || age > time.Minute {
		t.Errorf("%s was made at %s", c.Action, c.ID.Time())
	}
}

func testAudit(t *testing.T, f *fixture) {
	f.run(t, "an owner", func(t *testing.T) {
		o := hermod.Owner{ID: f.name("a")}
		create := func(ctx context.Context) error { return f.store.CreateOwner(ctx, o) }
		f.wantRow(t, o.ID, written{action: hermod.OwnerCreated, target: o.ID}, create)
		f.wantRow(t, o.ID, written{}, create)
	})
	f.run(t, "a subscription", f.testAuditOfSubscription)
	f.run(t, "a pause", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		must(t, f.store.CreateSubscription(t.Context(), s))
		h := &hermod.Health{Owner: s.Owner, SubscriptionID: s.ID}
		pause := func(ctx context.Context) error { return f.store.PauseHealth(ctx, h) }
		h.Pause(true)
		f.wantRow(t, s.Owner, written{action: hermod.SubscriptionPaused, target: s.ID}, pause)
		h.Pause(false)
		f.wantRow(t, s.Owner, written{action: hermod.SubscriptionResumed, target: s.ID}, pause)
		h.Version--
		f.wantRow(t, s.Owner, written{}, pause)
		h.Version++
		must(t, f.store.DeleteHealth(t.Context(), h)) // others count who is attended
	})
	f.run(t, "a definition", f.testAuditOfDefinition)
	f.run(t, "a credential", f.testAuditOfCredential)
	f.run(t, "a signing key", func(t *testing.T) {
		k := hermod.SigningKey{ID: f.name("k"), Use: f.name("use"), Public: []byte("p"), Sealed: []byte("s"), CreatedAt: instant()}
		put := func(ctx context.Context) error { return f.store.PutSigningKey(ctx, k) }
		f.wantRow(t, hermod.EveryOwner, written{action: hermod.SigningKeyCreated, target: k.ID}, put)
		wantCode(t, put(t.Context()), hermod.CodeConflict)
		remove := func(ctx context.Context) error { return f.store.DeleteSigningKey(ctx, k.ID) }
		f.wantRow(t, hermod.EveryOwner, written{action: hermod.SigningKeyDeleted, target: k.ID}, remove)
		must(t, remove(t.Context()))
		all := f.changes(t, hermod.ChangeQuery{Owner: hermod.EveryOwner, Target: k.ID}, 10)
		wantEqual(t, len(all), 2)
	})
	f.run(t, "a replay", f.testAuditOfReplay)
	f.run(t, "one of many writers leaves one row", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		wantOneWinner(t, race(func(int) error {
			c := *s
			return f.store.CreateSubscription(t.Context(), &c)
		}), hermod.CodeConflict)
		wantEqual(t, len(f.changes(t, hermod.ChangeQuery{Owner: s.Owner}, 100)), 2) // and that of the owner
	})
	f.run(t, "what nobody else did was done by Hermod", func(t *testing.T) {
		owner := f.owner(t).ID
		all := f.changes(t, hermod.ChangeQuery{Owner: owner}, 10)
		wantEqual(t, len(all), 1)
		wantEqual(t, all[0].Actor, hermod.Actor{Kind: hermod.ActorHermod})
	})
	f.run(t, "pages and filters", f.testAuditPages)
}

func (f *fixture) testAuditOfSubscription(t *testing.T) {
	s := f.subscription(f.owner(t).ID)
	write := func(ctx context.Context) error { return f.store.UpdateSubscription(ctx, s) }
	create := func(ctx context.Context) error { return f.store.CreateSubscription(ctx, s) }
	f.wantRow(t, s.Owner, written{action: hermod.SubscriptionCreated, target: s.ID}, create)
	f.wantRow(t, s.Owner, written{}, create)

	s.Name, s.Filters, s.UpdatedAt = "another", []hermod.Pattern{"another:*"}, instant()
	f.wantRow(t, s.Owner, written{hermod.SubscriptionUpdated, s.ID, []string{"filters", "name"}}, write)
	f.wantRow(t, s.Owner, written{hermod.SubscriptionUpdated, s.ID, nil}, write)
	s.Sealed = []byte(f.name("sealed"))
	f.wantRow(t, s.Owner, written{hermod.SubscriptionUpdated, s.ID, []string{"secrets"}}, write)
	s.Sealed, s.SecretsChanged = []byte(f.name("sealed")), []string{"configuration"}
	f.wantRow(t, s.Owner, written{hermod.SubscriptionUpdated, s.ID, []string{"configuration"}}, write)
	s.Sealed, s.SecretsChanged = []byte(f.name("sealed")), []string{"former", "signingSecret"}
	f.wantRow(t, s.Owner, written{hermod.SubscriptionRotated, s.ID, []string{"former", "signingSecret"}}, write)
	s.SecretsChanged = nil
	s.Active, s.DisabledReason = false, "gone"
	f.wantRow(t, s.Owner, written{hermod.SubscriptionDisabled, s.ID, []string{"active", "disabledReason"}}, write)

	s.Version--
	f.wantRow(t, s.Owner, written{}, write)
	s.Version++
	s.DeletedAt = instant()
	f.wantRow(t, s.Owner, written{action: hermod.SubscriptionDeleted, target: s.ID}, write)
}

func (f *fixture) testAuditOfDefinition(t *testing.T) {
	d := f.definition(f.owner(t).ID, "a:b")
	put := func(ctx context.Context) error { return f.store.PutDefinition(ctx, d) }
	remove := func(ctx context.Context) error { return f.store.DeleteDefinition(ctx, d.Account, d.Type) }
	f.wantRow(t, d.Account, written{}, remove)
	f.wantRow(t, d.Account, written{action: hermod.DefinitionCreated, target: "a:b"}, put)
	d.Internal, d.Schema, d.UpdatedAt = !d.Internal, []byte(`{"type":"string"}`), instant()
	f.wantRow(t, d.Account, written{hermod.DefinitionUpdated, "a:b", []string{"internal", "schema"}}, put)
	f.wantRow(t, d.Account, written{action: hermod.DefinitionDeleted, target: "a:b"}, remove)
}

func (f *fixture) testAuditOfCredential(t *testing.T) {
	c := &hermod.Credential{ID: f.name("apikey:k"), Name: "a key", SecretHash: []byte("h"), Account: f.owner(t).ID, CreatedAt: instant()}
	put := func(ctx context.Context) error { return f.store.PutCredential(ctx, c) }
	rename := func(ctx context.Context) error { return f.store.RenameCredential(ctx, c.ID, "another") }
	f.wantRow(t, c.Account, written{}, rename)
	f.wantRow(t, c.Account, written{action: hermod.CredentialCreated, target: c.ID}, put)
	f.wantRow(t, c.Account, written{hermod.CredentialRenamed, c.ID, []string{"name"}}, rename)
	c.Name, c.Scopes = "another", []string{"s"}
	f.wantRow(t, c.Account, written{hermod.CredentialReplaced, c.ID, []string{"scopes"}}, put)
	c.RevokedAt = instant()
	f.wantRow(t, c.Account, written{action: hermod.CredentialRevoked, target: c.ID}, put)
	f.wantRow(t, c.Account, written{}, rename)
}

func (f *fixture) testAuditOfReplay(t *testing.T) {
	for _, kind := range []struct {
		dead           *hermod.DeadFilter
		started, ended hermod.ChangeAction
	}{
		{nil, hermod.ReplayStarted, hermod.ReplayStopped},
		{&hermod.DeadFilter{}, hermod.RedriveStarted, hermod.RedriveStopped},
	} {
		r := &hermod.Replay{ID: f.ids.Next(), Owner: f.name("a"), Dead: kind.dead, State: hermod.ReplayRunning, Rate: 1, CreatedAt: instant()}
		update := func(ctx context.Context) error { return f.store.UpdateReplay(ctx, r) }
		create := func(ctx context.Context) error { return f.store.CreateReplay(ctx, r) }
		f.wantRow(t, r.Owner, written{action: kind.started, target: r.ID.String()}, create)
		f.wantRow(t, r.Owner, written{}, create)
		r.Done.Events = 7
		must(t, update(t.Context())) // progress
		r.End(hermod.ReplayCancelled, instant())
		f.wantRow(t, r.Owner, written{action: kind.ended, target: r.ID.String()}, update)
		r.Done.Events = 8
		must(t, update(t.Context())) // the counts of what was on its way
		wantEqual(t, len(f.changes(t, hermod.ChangeQuery{Owner: r.Owner}, 10)), 2)
	}
	r := &hermod.Replay{ID: f.ids.Next(), Owner: f.name("a"), State: hermod.ReplayRunning, Rate: 1, CreatedAt: instant()}
	must(t, f.store.CreateReplay(t.Context(), r))
	r.End(hermod.ReplayDone, instant())
	must(t, f.store.UpdateReplay(t.Context(), r))
	wantEqual(t, len(f.changes(t, hermod.ChangeQuery{Owner: r.Owner}, 10)), 1)
}

func (f *fixture) testAuditPages(t *testing.T) {
	owner, other := f.name("a"), f.name("a")
	must(t, f.store.Record(t.Context(), hermod.Change{Owner: other, Action: hermod.DeadLettersPurged}))
	const n = 7
	for i := range n {
		c := hermod.Change{Owner: owner, Action: hermod.DeadLettersPurged, Target: "odd"}
		if i%2 == 0 {
			c.Action, c.Target = hermod.DeadLetterPurged, "even"
		}
		must(t, f.store.Record(t.Context(), c))
	}
	all := f.changes(t, hermod.ChangeQuery{Owner: owner}, 100)
	wantEqual(t, len(all), n)
	if !slices.IsSortedFunc(all, func(a, b *hermod.Change) int { return b.ID.Compare(a.ID) }) {
		t.Error("the log is not the newest first")
	}
	pick := func(want func(i int) bool) (picked []*hermod.Change) {
		for i, c := range all {
			if want(i) {
				picked = append(picked, c)
			}
		}
		return picked
	}
	for name, tt := range map[string]struct {
		q    hermod.ChangeQuery
		want func(i int) bool
	}{
		"all":       {hermod.ChangeQuery{}, func(int) bool { return true }},
		"by target": {hermod.ChangeQuery{Target: "odd"}, func(i int) bool { return i%2 == 1 }},
		"by action": {hermod.ChangeQuery{Action: hermod.DeadLetterPurged}, func(i int) bool { return i%2 == 0 }},
		"by both":   {hermod.ChangeQuery{Target: "odd", Action: hermod.DeadLetterPurged}, func(int) bool { return false }},
		"below":     {hermod.ChangeQuery{Below: all[2].ID}, func(i int) bool { return i > 2 }},
		"above":     {hermod.ChangeQuery{Above: all[5].ID}, func(i int) bool { return i < 5 }},
		"between":   {hermod.ChangeQuery{Above: all[5].ID, Below: all[2].ID}, func(i int) bool { return i == 3 || i == 4 }},
	} {
		tt.q.Owner = owner
		for _, size := range []int{1, 2, n, 100} {
			if err := differ(f.changes(t, tt.q, size), pick(tt.want)); err != nil {
				t.Errorf("%s, by %d: %v", name, size, err)
			}
		}
	}
}
