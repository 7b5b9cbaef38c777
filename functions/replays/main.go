// The replays function starts deliveries again: of one event, of a mocked one, and
// of what a filter selects.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api/signicat"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	replays := &signicat.Replays{BaseURL: e.BaseURL()}
	return e.HTTP(store, e.Keys(store, nil), replays.Routes()), nil
}
