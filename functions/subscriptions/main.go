// The subscriptions function manages subscriptions.
package main

import (
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	box, err := secrets.Box(e)
	if err != nil {
		return nil, err
	}
	pushers, err := targets.Pushers(e, e.Keys(store, box))
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, nil)
	subscriptions := &signicat.Subscriptions{
		Store: secrets.Before(e, store, box), Health: store, Targets: pushers, Prober: pushers,
		Cursors: api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL(), Now: e.Now, Random: wire.RandomBytes,
	}
	return e.HTTP(store, keys, subscriptions.Routes()), nil
}
