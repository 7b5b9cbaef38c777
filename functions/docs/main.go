// The docs function serves the description of the API.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api/docs"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	return e.HTTP(store, e.Keys(store, nil), docs.Pages{}.Routes()), nil
}
