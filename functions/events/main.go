// The events function takes events in and reads them back.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/signicat"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	acceptor, err := queues.Acceptor(e, store)
	if err != nil {
		return nil, err
	}
	events := &signicat.Events{Store: store, Acceptor: acceptor, BaseURL: e.BaseURL(), Now: e.Now}
	return e.HTTP(store, e.Keys(store, nil), events.Routes()), nil
}
