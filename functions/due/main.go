// The due function wakes, each minute, the deliveries whose next attempt is due
// and which no message carries, and looks after endpoints that fail: it probes them, and
// drains what was parked of those that are well again.
package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/deliver"
	"hermod/pkg/ingest"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	queue, err := queues.Open(e, "HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	waker := &deliver.Waker{Index: store, Queue: queue, Now: e.Now, Log: e.Log}
	acceptor, err := queues.Acceptor(e, store, nil)
	if err != nil {
		return nil, err
	}
	sweeper := &deliver.Sweeper{
		Store: store, Queue: queue, Now: e.Now, Random: rand.Float64, Log: e.Log,
		Notifier: &ingest.Notices{Acceptor: acceptor, Now: e.Now},
	}
	return func(ctx context.Context) error {
		var swept error
		var wg sync.WaitGroup
		wg.Go(func() { swept = sweeper.Sweep(ctx) })
		_, err := waker.Wake(ctx)
		wg.Wait()
		return errors.Join(err, swept)
	}, nil
}
