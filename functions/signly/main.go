// The signly function serves the API of Signly's webhooks.
package main

import (
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signly"
	"hermod/pkg/hermod"
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
	pushers, err := targets.Webhooks(e)
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, box)
	keys.First = keys.Ensure
	cursors := api.Cursors{Keys: keys.CursorKeys}
	webhooks := &signly.Webhooks{
		Store: secrets.Before(e, store, box), Targets: pushers, Pusher: pushers, Cursors: cursors, Now: e.Now,
		NewID: hermod.NewIDs(e.Now, wire.RandomBytes).Next,
	}
	history := &signly.History{Store: store, Cursors: cursors, Now: e.Now}
	speaks := signly.Dialect{Secrets: &auth.Secrets{Credentials: store, Now: e.Now}, Now: e.Now}
	return e.Dialect(speaks, signly.Base, append(webhooks.Routes(), history.Routes()...)), nil
}
