// The credentials function manages OAuth clients and API keys, and shows the audit log.
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
	cursors := api.Cursors{Keys: keys.CursorKeys}
	credentials := &signicat.Credentials{
		Registry: &auth.Registry{Store: store, Now: e.Now, Random: wire.RandomBytes},
		Cursors:  cursors, BaseURL: e.BaseURL(),
	}
	changes := &signicat.AuditLog{Store: store, Cursors: cursors, BaseURL: e.BaseURL()}
	return e.HTTP(store, keys, append(credentials.Routes(), changes.Routes()...)), nil
}
