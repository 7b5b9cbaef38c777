//go:build cloud

package dynamo_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/dynamo"
)

func TestWhatManyCountAddsUp(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, e.config(t), dynamo.Shards{})
			name, until := "n#"+time.Now().Format(time.RFC3339Nano), time.Now().Add(time.Minute)
			sums := make([]int64, 16)
			var wg sync.WaitGroup
			for i := range sums {
				wg.Go(func() {
					var err error
					if sums[i], err = store.Count(t.Context(), name, 3, until); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			slices.Sort(sums)
			for i, sum := range sums {
				if want := int64(3 * (i + 1)); sum != want {
					t.Fatalf("sums %v, want each multiple of 3 once", sums)
				}
			}
		})
	}
}
