// The subscriptions function manages subscriptions.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/push"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	box, err := e.Box()
	if err != nil {
		return nil, err
	}
	policy, err := e.Policy()
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, nil)
	subscriptions := &signicat.Subscriptions{
		Store: e.Sealed(store, box), Targets: push.New(push.Options{Policy: policy}),
		Cursors: api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL(), Now: e.Now, Random: wire.RandomBytes,
	}
	return e.HTTP(store, keys, subscriptions.Routes()), nil
}
