//go:build cloud

package dynamo_test

import (
	"testing"
	"time"

	"hermod/pkg/dynamo"
	"hermod/pkg/storetest"
)

var _ storetest.Store = (*dynamo.Store)(nil)

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			storetest.TestStore(t, func(t *testing.T) storetest.Store { return open(t, e.config(t), dynamo.Shards{}) })
		})
	}
}

func TestAnOwnerMayHaveSoManySubscriptions(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			const limit = 3
			storetest.TestSubscriptionLimit(t, open(t, e.config(t), dynamo.Shards{}).WithMaxSubscriptions(limit), limit)
		})
	}
}

func TestStoreConformsWhereItsShardsChanged(t *testing.T) {
	t.Parallel()
	// The suite's rows are of about now, and of the hours and days before.
	shards, err := dynamo.ParseShards("2020-01-01T00:00:00Z=2," + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + "=5")
	if err != nil {
		t.Fatal(err)
	}
	storetest.TestStore(t, func(t *testing.T) storetest.Store { return open(t, emulators[0].config(t), shards) })
}
