// The deadletters function lists, redrives and purges dead letters, and tries any
// delivery of the log again.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
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
	keys := e.Keys(store, nil)
	letters := &signicat.DeadLetters{
		Store: store, Letters: &replay.Letters{Store: store, Now: e.Now},
		Redriver: &replay.Starter{Deliveries: store, Queue: queue, Now: e.Now},
		Planner:  &replay.Planner{Store: store, IDs: hermod.NewIDs(e.Now, wire.RandomBytes), Now: e.Now},
		Cursors:  api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL(), Now: e.Now,
	}
	return e.HTTP(store, keys, letters.Routes()), nil
}
