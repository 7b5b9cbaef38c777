package storetest

import (
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// subscription makes one that is not stored yet.
func (f *fixture) subscription(owner string) *hermod.Subscription {
	return &hermod.Subscription{
		ID: f.name("s"), Owner: owner, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook,
		CreatedAt: instant(), UpdatedAt: instant(), Sealed: []byte{1, 0, 2},
	}
}

// created makes one that is stored.
func (f *fixture) created(t *testing.T, owner string) *hermod.Subscription {
	t.Helper()
	s := f.subscription(owner)
	must(t, f.store.CreateSubscription(t.Context(), s))
	return s
}

func normalSubscription(s *hermod.Subscription) hermod.Subscription {
	c := *s
	utc(&c.ExpiresAt, &c.CreatedAt, &c.UpdatedAt, &c.DeletedAt)
	c.Filters, c.Tags, c.Sealed = orNil(c.Filters), orNil(c.Tags), orNil(c.Sealed)
	c.Secrets = hermod.Secrets{}
	return c
}

func (f *fixture) ownerVersion(t *testing.T, owner string) int64 {
	t.Helper()
	return got(f.store.Owners(t.Context(), []string{owner}))(t)[owner].Version
}

func testSubscriptions(t *testing.T, f *fixture) {
	f.run(t, "come back whole by every read", f.subscriptionRoundTrip)
	f.run(t, "no schedule and a schedule without waits differ", func(t *testing.T) {
		owner := f.owner(t).ID
		s := f.subscription(owner)
		s.Schedule = hermod.Schedule{}
		must(t, f.store.CreateSubscription(t.Context(), s))
		read := got(f.store.Subscription(t.Context(), s.Ref()))(t)
		if read.Schedule == nil || len(read.Schedule) > 0 {
			t.Fatalf("got schedule %#v, want an empty one, not nil", read.Schedule)
		}
		kept := got(f.store.Subscription(t.Context(), f.created(t, owner).Ref()))(t)
		if kept.Schedule != nil {
			t.Fatalf("got schedule %#v, want nil", kept.Schedule)
		}
	})
	f.run(t, "secrets in the clear are not stored", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		s.Secrets = hermod.Secrets{SigningSecret: "whsec_x"}
		must(t, f.store.CreateSubscription(t.Context(), s))
		wantEqual(t, got(f.store.Subscription(t.Context(), s.Ref()))(t).Secrets, hermod.Secrets{})
	})
	f.run(t, "what a reader changes stays its own", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		s.Filters = []hermod.Pattern{"a:b"}
		must(t, f.store.CreateSubscription(t.Context(), s))
		read := got(f.store.Subscription(t.Context(), s.Ref()))(t)
		read.Filters[0], read.Name = "x:y", "changed"
		again := got(f.store.Subscription(t.Context(), s.Ref()))(t)
		wantEqual(t, normalSubscription(again), normalSubscription(s))
	})
	f.run(t, "of another owner are not found", func(t *testing.T) {
		s, other := f.created(t, f.owner(t).ID), f.owner(t).ID
		foreign := hermod.Ref{Owner: other, ID: s.ID}
		_, err := f.store.Subscription(t.Context(), foreign)
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.SubscriptionsByRef(t.Context(), []hermod.Ref{foreign}))(t)), 0)
		wantEqual(t, len(got(f.store.Subscriptions(t.Context(), other))(t)), 0)
	})
	f.run(t, "need an owner", func(t *testing.T) {
		wantCode(t, f.store.CreateSubscription(t.Context(), f.subscription(f.name("a"))), hermod.CodeNotFound)
	})
	f.run(t, "one of many creators of an id wins", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		wantOneWinner(t, race(func(int) error {
			c := *s
			return f.store.CreateSubscription(t.Context(), &c)
		}), hermod.CodeConflict)
		wantEqual(t, f.ownerVersion(t, s.Owner), 1)
	})
	f.run(t, "one of many writers of a version wins", f.subscriptionRace)
	f.run(t, "a change of one that is gone is refused", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		s.Version = 1
		wantCode(t, f.store.UpdateSubscription(t.Context(), s), hermod.CodePreconditionFailed)
		wantEqual(t, f.ownerVersion(t, s.Owner), 0)
	})
	f.run(t, "every change bumps the owner once", f.ownerVersions)
	f.run(t, "a change is seen by the next read", func(t *testing.T) {
		s := f.created(t, f.owner(t).ID)
		for i := range 5 {
			s.Active = i%2 == 0
			must(t, f.store.UpdateSubscription(t.Context(), s))
			all := got(f.store.Subscriptions(t.Context(), s.Owner))(t)
			wantEqual(t, []bool{all[0].Active}, []bool{s.Active})
			wantEqual(t, f.ownerVersion(t, s.Owner), int64(i+2))
		}
	})
}

func (f *fixture) subscriptionRoundTrip(t *testing.T) {
	owner := f.owner(t).ID
	full := f.subscription(owner)
	full.Name, full.DisabledReason = odd, "gone"
	full.Filters = []hermod.Pattern{"a:b", "c:*", hermod.AnyType}
	full.Tags = []string{odd, "", "b"}
	full.Tenant, full.Description, full.Backoff, full.Translate = odd, odd, "linear", true
	full.RateLimit = hermod.MaxRateLimit
	full.Signing, full.Format = hermod.HMACSHA256, hermod.CloudEventsBinary
	full.Schedule = hermod.Schedule{time.Second, 0, 24 * time.Hour}
	full.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	bare := &hermod.Subscription{ID: f.name("s"), Owner: owner}
	gone := f.subscription(owner)
	for _, s := range []*hermod.Subscription{full, bare, gone} {
		must(t, f.store.CreateSubscription(t.Context(), s))
		wantEqual(t, s.Version, 1)
	}
	gone.DeletedAt, gone.Sealed, gone.Active = instant(), nil, false
	must(t, f.store.UpdateSubscription(t.Context(), gone))
	wantEqual(t, gone.Version, 2)

	var refs []hermod.Ref
	all := got(f.store.Subscriptions(t.Context(), owner))(t)
	wantEqual(t, len(all), 3)
	for _, s := range []*hermod.Subscription{full, bare, gone} {
		refs = append(refs, s.Ref())
		i := slices.IndexFunc(all, func(a *hermod.Subscription) bool { return a.ID == s.ID })
		wantEqual(t, normalSubscription(all[i]), normalSubscription(s))
		wantEqual(t, normalSubscription(got(f.store.Subscription(t.Context(), s.Ref()))(t)), normalSubscription(s))
	}
	absent := hermod.Ref{Owner: owner, ID: f.name("s")}
	_, err := f.store.Subscription(t.Context(), absent)
	wantCode(t, err, hermod.CodeNotFound)
	byRef := got(f.store.SubscriptionsByRef(t.Context(), append(refs, absent)))(t)
	wantEqual(t, len(byRef), 3)
	for _, s := range []*hermod.Subscription{full, bare, gone} {
		wantEqual(t, normalSubscription(byRef[s.Ref()]), normalSubscription(s))
	}
}

func (f *fixture) subscriptionRace(t *testing.T) {
	s := f.created(t, f.owner(t).ID)
	names := make([]string, racers)
	for i := range names {
		names[i] = f.name("n")
	}
	winner := -1
	wantOneWinner(t, race(func(i int) error {
		c := *s
		c.Name = names[i]
		err := f.store.UpdateSubscription(t.Context(), &c)
		if err == nil {
			winner = i
		}
		return err
	}), hermod.CodePreconditionFailed)
	read := got(f.store.Subscription(t.Context(), s.Ref()))(t)
	wantEqual(t, read.Name, names[winner])
	wantEqual(t, read.Version, 2)
	wantEqual(t, f.ownerVersion(t, s.Owner), 2)
	wantCode(t, f.store.UpdateSubscription(t.Context(), s), hermod.CodePreconditionFailed)
	wantEqual(t, s.Version, 1)
}

// ownerVersions has writers change different subscriptions of one owner at once:
// none may be refused for that, and no bump may be lost.
func (f *fixture) ownerVersions(t *testing.T) {
	owner := f.owner(t).ID
	codes := race(func(int) error {
		s := f.subscription(owner)
		if err := f.store.CreateSubscription(t.Context(), s); err != nil {
			return err
		}
		return f.store.UpdateSubscription(t.Context(), s)
	})
	wantEqual(t, codes, map[hermod.Code]int{"": racers})
	wantEqual(t, f.ownerVersion(t, owner), 2*racers)
}
