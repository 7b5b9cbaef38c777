// The universign function serves the dialect of Universign.
package main

import (
	"hermod/functions/internal/webhooks"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	parts, err := webhooks.Open(e)
	if err != nil {
		return nil, err
	}
	routes, err := rows(e, parts)
	if err != nil {
		return nil, err
	}
	d := universign.Dialect{Secrets: &auth.Secrets{Credentials: parts.Plain, Now: e.Now}}
	return e.Dialect(parts.Plain, d, universign.Prefix, routes), nil
}
