// The signly function serves the API of Signly's webhooks.
package main

import (
	"hermod/functions/internal/webhooks"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signly"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	parts, err := webhooks.Open(e)
	if err != nil {
		return nil, err
	}
	cursors := api.Cursors{Keys: parts.Keys(e).CursorKeys}
	hooks := &signly.Webhooks{
		Store: parts.Store, Targets: parts.Pushers, Pusher: parts.Pushers, Cursors: cursors, Now: e.Now, NewID: parts.NewID,
	}
	history := &signly.History{Store: parts.Plain, Cursors: cursors, Now: e.Now}
	speaks := signly.Dialect{Secrets: &auth.Secrets{Credentials: parts.Plain, Now: e.Now}, Now: e.Now}
	return e.Dialect(parts.Plain, speaks, signly.Base, append(hooks.Routes(), history.Routes()...)), nil
}
