// The events function takes events in and reads them back.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/schema"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	acceptor, err := queues.Acceptor(e, store, schema.Checker)
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, nil)
	events := &signicat.Events{
		Store: store, Acceptor: acceptor, Cursors: api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL(), Now: e.Now,
	}
	return e.HTTP(store, keys, events.Routes()), nil
}
