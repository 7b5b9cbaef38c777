// The credentials function manages OAuth clients and API keys.
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
	credentials := &signicat.Credentials{BaseURL: e.BaseURL()}
	return e.HTTP(store, e.Keys(store, nil), credentials.Routes()), nil
}
