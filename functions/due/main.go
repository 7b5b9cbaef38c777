// The due function wakes, each minute, the deliveries whose next attempt is due
// and which no message carries.
package main

import (
	"context"

	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/deliver"
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
	return func(ctx context.Context) error {
		_, err := waker.Wake(ctx)
		return err
	}, nil
}
