//go:build cloud

package dynamo_test

import (
	"testing"

	"hermod/pkg/dynamo"
	"hermod/pkg/storetest"
)

var _ storetest.Store = (*dynamo.Store)(nil)

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			storetest.TestStore(t, func(t *testing.T) storetest.Store { return open(t, e.config(t)) })
		})
	}
}
