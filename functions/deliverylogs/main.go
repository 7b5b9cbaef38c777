// The deliverylogs function reads the delivery log.
package main

import (
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
	keys := e.Keys(store, nil)
	logs := &signicat.DeliveryLogs{Store: store, Cursors: api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL()}
	return e.HTTP(store, keys, logs.Routes()), nil
}
