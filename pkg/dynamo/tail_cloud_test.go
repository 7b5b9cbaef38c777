//go:build cloud

package dynamo_test

import (
	"context"
	"testing"
	"time"

	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/storetest"
)

// nowhere takes the messages of deliveries.
type nowhere struct{}

func (nowhere) Send(context.Context, []hermod.Message) error                     { return nil }
func (nowhere) SendAgain(context.Context, []hermod.Message, time.Duration) error { return nil }

// Each writer stands for an instance of the function, with ids of its own. Some puts
// come near to the bound of 4 s after the stamp, some are past it and given up.
func TestFollowersSeeEveryEventOnce(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			cfg := e.config(t)
			store := dynamo.New(cfg, createTables(t, cfg), time.Now, fillRandom)
			spec := storetest.FollowSpec{
				Store: store, Batches: 12, Poll: 250 * time.Millisecond,
				Pauses: []time.Duration{0, 0, 10 * time.Millisecond, 0, 500 * time.Millisecond, 0, 0, 2 * time.Second, 0, 3 * time.Second, 5 * time.Second},
			}
			for range 8 {
				spec.Writers = append(spec.Writers, storetest.Writer{
					Journal: ingest.Direct{Store: store, Queue: nowhere{}}, IDs: hermod.NewIDs(time.Now, fillRandom),
				})
			}
			storetest.TestFollowers(t, spec)
		})
	}
}
