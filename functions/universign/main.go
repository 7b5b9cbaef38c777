// The universign function serves the dialect of Universign.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	routes, err := rows(e, store)
	if err != nil {
		return nil, err
	}
	d := universign.Dialect{Secrets: &auth.Secrets{Credentials: store, Now: e.Now}}
	return e.Dialect(d, universign.Prefix, routes), nil
}
