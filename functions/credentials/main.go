// The credentials function manages OAuth clients and API keys.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, nil)
	credentials := &signicat.Credentials{
		Registry: &auth.Registry{Store: store, Now: e.Now, Random: wire.RandomBytes},
		Cursors:  api.Cursors{Keys: keys.CursorKeys}, BaseURL: e.BaseURL(),
	}
	return e.HTTP(store, keys, credentials.Routes()), nil
}
