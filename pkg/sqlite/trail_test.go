package sqlite_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
	"hermod/pkg/storetest"
)

func TestAnOwnerMayHaveSoManySubscriptions(t *testing.T) {
	t.Parallel()
	const limit = 3
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: newIDs(time.Now), MaxSubscriptions: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.TestSubscriptionLimit(t, db, limit)
}

func TestTombstonesAndChangesAreForgottenInTheirTime(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: newIDs(now), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.CreateOwner(t.Context(), hermod.Owner{ID: "a"}))
	s := &hermod.Subscription{ID: "s", Owner: "a", Active: true}
	must(db.CreateSubscription(t.Context(), s))
	s.Active, s.DeletedAt = false, now()
	must(db.UpdateSubscription(t.Context(), s)) // three changes, one tombstone

	state := func(what string, purged, subscriptions, changes int) {
		t.Helper()
		page, err := db.Changes(t.Context(), hermod.ChangeQuery{Owner: "a", Limit: 10})
		must(err)
		n, err := db.Purge(t.Context())
		must(err)
		subs, err := db.Subscriptions(t.Context(), "a")
		must(err)
		if n != purged || len(subs) != subscriptions || len(page.Changes) != changes {
			t.Errorf("%s: purged %d rows, %d subscriptions and %d changes; want %d, %d and %d", what, n, len(subs), len(page.Changes), purged, subscriptions, changes)
		}
	}
	day := int64(24 * time.Hour)
	state("at first", 0, 1, 3)
	ahead.Store(61 * day)
	state("after 61 days", 1, 0, 3)
	ahead.Store(399 * day)
	state("after 399 days", 0, 0, 3)
	ahead.Store(401 * day)
	state("after 401 days", 3, 0, 0)
}
