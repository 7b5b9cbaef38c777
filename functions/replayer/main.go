// The replayer function carries on, each minute and for most of it, the replays of
// what a filter selects.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/replay"
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
	return (&replay.Runner{Store: store, Queue: queue, Now: e.Now, Log: e.Log}).Run, nil
}
