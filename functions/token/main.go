// The token function issues access tokens.
package main

import (
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
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
	keys := e.Keys(store, box)
	tokens := &signicat.Tokens{
		BaseURL: e.BaseURL(),
		Guard:   e.Guard(store),
		Issuer:  &auth.Issuer{Keys: keys, Credentials: store, Now: e.Now, TokenID: wire.RandomID},
	}
	return e.HTTP(store, keys, tokens.Routes()), nil
}
