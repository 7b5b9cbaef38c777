package seal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/seal"
	"hermod/pkg/storetest"
)

// rows is a store of subscriptions in memory.
type rows struct {
	mu   sync.Mutex
	rows map[hermod.Ref]hermod.Subscription
}

func (r *rows) CreateSubscription(_ context.Context, s *hermod.Subscription) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.rows[s.Ref()]; taken {
		return hermod.Errorf(hermod.CodeConflict, "the id is taken")
	}
	s.Version = 1
	r.rows[s.Ref()] = *s
	return nil
}

func (r *rows) UpdateSubscription(_ context.Context, s *hermod.Subscription) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows[s.Ref()].Version != s.Version {
		return hermod.Errorf(hermod.CodePreconditionFailed, "another version")
	}
	s.Version++
	r.rows[s.Ref()] = *s
	return nil
}

func (r *rows) Subscription(_ context.Context, ref hermod.Ref) (*hermod.Subscription, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.rows[ref]
	if !ok {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such subscription")
	}
	return &s, nil
}

func (r *rows) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	found := map[hermod.Ref]*hermod.Subscription{}
	for _, ref := range refs {
		if s, err := r.Subscription(ctx, ref); err == nil {
			found[ref] = s
		}
	}
	return found, nil
}

// A fixture is a sealing store, the rows behind it and what it logged.
type fixture struct {
	*seal.Store
	behind *rows
	keys   *countedKeys
	clock  *clock
	logged *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	box, keys, c := newBox(t)
	f := &fixture{behind: &rows{rows: map[hermod.Ref]hermod.Subscription{}}, keys: keys, clock: c, logged: &bytes.Buffer{}}
	f.Store = seal.NewStore(f.behind, box, c.now, slog.New(slog.NewTextHandler(f.logged, nil)))
	return f
}

const configuration = `{"url":"https://receiver.example/hook?token=s3cret"}`

func (f *fixture) create(t *testing.T, id string) *hermod.Subscription {
	t.Helper()
	s := &hermod.Subscription{ID: id, Owner: "a-1", Type: hermod.Webhook, Secrets: hermod.Secrets{
		Configuration: json.RawMessage(configuration), SigningSecret: "signing-s3cret",
	}}
	if err := f.CreateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheStoreBehindSeesNoSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	s.Secrets.SigningSecret = "another s3cret"
	if err := f.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	row := f.behind.rows[s.Ref()]
	if row.Secrets.Configuration != nil || row.Secrets.SigningSecret != "" {
		t.Error("secrets reached the store")
	}
	if len(row.Sealed) == 0 || bytes.Contains(row.Sealed, []byte("s3cret")) {
		t.Errorf("sealed is %q", row.Sealed)
	}
}

func TestSecretsComeBackByEveryRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	check := func(how string, got *hermod.Subscription, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", how, err)
		} else if string(got.Secrets.Configuration) != configuration || got.Secrets.SigningSecret != "signing-s3cret" {
			t.Errorf("%s: got other secrets", how)
		}
	}
	check("created", s, nil)
	got, err := f.Subscription(t.Context(), s.Ref())
	check("Subscription", got, err)
	found, err := f.SubscriptionsByRef(t.Context(), []hermod.Ref{s.Ref(), {Owner: "a-1", ID: "none"}})
	if len(found) != 1 {
		t.Fatalf("found %d", len(found))
	}
	check("SubscriptionsByRef", found[s.Ref()], err)
	listed := f.behind.rows[s.Ref()]
	err = f.OpenSecrets(t.Context(), &listed)
	check("OpenSecrets", &listed, err)
}

func TestErrorsAndVersionsOfTheStorePassThrough(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	if s.Version != 1 {
		t.Errorf("created with version %d", s.Version)
	}
	again := *s
	if err := f.CreateSubscription(t.Context(), &again); hermod.CodeOf(err) != hermod.CodeConflict {
		t.Errorf("created twice: %v", err)
	}
	stale := *s
	if err := f.UpdateSubscription(t.Context(), s); err != nil || s.Version != 2 {
		t.Errorf("updated to version %d, %v", s.Version, err)
	}
	stale.Secrets.SigningSecret = "new"
	before := stale.Sealed
	if err := f.UpdateSubscription(t.Context(), &stale); hermod.CodeOf(err) != hermod.CodePreconditionFailed {
		t.Errorf("stale: %v", err)
	}
	if stale.Version != 1 || !bytes.Equal(stale.Sealed, before) {
		t.Error("a failed update changed the subscription in hand")
	}
	if _, err := f.Subscription(t.Context(), hermod.Ref{Owner: "a-1", ID: "none"}); hermod.CodeOf(err) != hermod.CodeNotFound {
		t.Errorf("read of none: %v", err)
	}
}

func TestAnUpdateKeepsSecretsThatItDidNotOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	listed := f.behind.rows[s.Ref()]
	listed.Active = true
	if err := f.UpdateSubscription(t.Context(), &listed); err != nil {
		t.Fatal(err)
	}
	got, err := f.Subscription(t.Context(), s.Ref())
	if err != nil || string(got.Secrets.Configuration) != configuration || !got.Active {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATombstoneCanDropItsSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	s.Secrets, s.Sealed = hermod.Secrets{}, nil
	s.DeletedAt = time.Unix(1, 0)
	if err := f.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, err := f.Subscription(t.Context(), s.Ref())
	if err != nil || got.Sealed != nil || got.Secrets.Configuration != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAnUpdateOfOtherMembersMakesNoDataKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	f.clock.advance(time.Hour)
	made := f.keys.made.Load()
	s.Active = true
	if err := f.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if f.keys.made.Load() != made {
		t.Error("a data key was made though no secret changed")
	}
	s.Secrets.SigningSecret = "new"
	if err := f.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, err := f.Subscription(t.Context(), s.Ref())
	if err != nil || got.Secrets.SigningSecret != "new" || f.keys.made.Load() != made+1 {
		t.Errorf("after a change: %d keys made, %v", f.keys.made.Load()-made, err)
	}
}

func TestFormerSecretsAreSealedWithTheRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	now := f.clock.now()
	for _, secret := range []string{"second-s3cret", "third-s3cret"} {
		s.Secrets.Rotate(secret, now, now.Add(time.Hour))
	}
	write := func(ends time.Time) {
		t.Helper()
		if err := f.UpdateSubscription(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		got, err := f.Subscription(t.Context(), s.Ref())
		if err != nil || !got.Secrets.SameSigning(s.Secrets) || !got.Secrets.FormerUntil(now).Equal(ends) {
			t.Errorf("got %d secrets until %s, want %d until %s: %v",
				len(got.Secrets.ValidAt(now)), got.Secrets.FormerUntil(now), len(s.Secrets.ValidAt(now)), ends, err)
		}
		if row := f.behind.rows[s.Ref()]; row.Secrets.Former != nil || bytes.Contains(row.Sealed, []byte("s3cret")) {
			t.Error("a former secret reached the store")
		}
	}
	write(now.Add(time.Hour))
	s.Secrets.Rotate(s.Secrets.SigningSecret, now, now.Add(time.Minute)) // only the end is another
	write(now.Add(time.Minute))
}

func TestDeliveriesOpenTheSecretsOfAVersionOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	read := func() {
		t.Helper()
		if _, err := f.Subscription(t.Context(), s.Ref()); err != nil {
			t.Error(err)
		}
	}
	read()
	f.keys.fail.Store(true)
	read() // from the cache, also when the keys are down
	f.clock.advance(5 * time.Minute)
	if _, err := f.Subscription(t.Context(), s.Ref()); !errors.Is(err, errKeysDown) {
		t.Errorf("after five minutes: %v", err)
	}
}

func TestSecretsMovedToAnotherSubscriptionDoNotOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	from, to := f.create(t, "s-1"), f.create(t, "s-2")
	for _, ref := range []hermod.Ref{from.Ref(), to.Ref()} {
		if _, err := f.Subscription(t.Context(), ref); err != nil {
			t.Fatal(err) // now both are in the cache
		}
	}
	row := f.behind.rows[to.Ref()]
	row.Sealed = f.behind.rows[from.Ref()].Sealed
	f.behind.rows[to.Ref()] = row
	if _, err := f.Subscription(t.Context(), to.Ref()); err == nil {
		t.Error("opened under another id")
	}
}

func TestOneDamagedSubscriptionDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good, bad := f.create(t, "s-1"), f.create(t, "s-2")
	row := f.behind.rows[bad.Ref()]
	row.Sealed = bytes.Clone(row.Sealed)
	row.Sealed[len(row.Sealed)-1] ^= 1
	f.behind.rows[bad.Ref()] = row
	found, err := f.SubscriptionsByRef(t.Context(), []hermod.Ref{good.Ref(), bad.Ref()})
	if err != nil || len(found) != 2 {
		t.Fatalf("found %d, %v", len(found), err)
	}
	if string(found[good.Ref()].Secrets.Configuration) != configuration {
		t.Error("the good one has no secrets")
	}
	if found[bad.Ref()].Secrets.Configuration != nil {
		t.Error("the damaged one has secrets")
	}
	if log := f.logged.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "subscription=s-2") {
		t.Errorf("logged %q", log)
	}
	if _, err := f.Subscription(t.Context(), bad.Ref()); err == nil {
		t.Error("read alone, the damaged one has no error")
	}
}

func TestABatchFailsWhenTheKeysAreDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.create(t, "s-1")
	f.keys.fail.Store(true)
	if _, err := f.SubscriptionsByRef(t.Context(), []hermod.Ref{s.Ref()}); !errors.Is(err, errKeysDown) {
		t.Errorf("got %v", err)
	}
}

func TestAStoreIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var refs []hermod.Ref
	for i := range 5 {
		refs = append(refs, f.create(t, fmt.Sprint("s-", i)).Ref())
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				found, err := f.SubscriptionsByRef(t.Context(), refs)
				if err != nil {
					t.Error(err)
					return
				}
				s := found[refs[i%len(refs)]]
				s.Secrets.SigningSecret = fmt.Sprint(i)
				err = f.UpdateSubscription(t.Context(), s)
				if err != nil && hermod.CodeOf(err) != hermod.CodePreconditionFailed {
					t.Error(err)
				}
				f.clock.advance(time.Second)
			}
		})
	}
	all.Wait()
}

// engine stands for an engine's store with all of its methods.
type engine struct{ storetest.Store }

// The way the comment of seal.Store says to put it before an engine.
type (
	sealed struct {
		*seal.Store
		plain
	}
	plain struct{ *engine }
)

var _ storetest.Store = sealed{}

func BenchmarkSubscriptionsByRef(b *testing.B) {
	keys, err := seal.NewLocalKeys(b.TempDir()+"/key", random)
	if err != nil {
		b.Fatal(err)
	}
	behind := &rows{rows: map[hermod.Ref]hermod.Subscription{}}
	st := seal.NewStore(behind, seal.NewBox(keys, random, time.Now), time.Now, slog.New(slog.DiscardHandler))
	s := &hermod.Subscription{ID: "s-1", Owner: "a-1", Secrets: hermod.Secrets{Configuration: json.RawMessage(configuration)}}
	if err := st.CreateSubscription(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	row := behind.rows[s.Ref()]
	b.ReportAllocs()
	for b.Loop() {
		read := row
		if err := st.OpenSecrets(b.Context(), &read); err != nil {
			b.Fatal(err)
		}
	}
}
