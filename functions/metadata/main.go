// The metadata function serves the catalog of event types.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	metadata := &signicat.Metadata{
		Store: store, Catalog: catalog.Published{}, BaseURL: e.BaseURL(), Mint: e.Get("HERMOD_MINT_URL") != "", AWSRolePrefix: e.Get("HERMOD_AWS_ROLE_PREFIX"), Now: e.Now,
	}
	return e.HTTP(store, e.Keys(store, nil), metadata.Routes()), nil
}
