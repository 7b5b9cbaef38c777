// The telia function serves the Telia Sign dialect.
package main

import (
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/telia"
	"hermod/pkg/hermod"
	"hermod/pkg/lambdahttp"
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
	webhooks, err := targets.Webhooks(e)
	if err != nil {
		return nil, err
	}
	keys := e.Keys(store, box)
	keys.First = keys.Ensure // the first login may come before the first access token
	d := telia.New(keys, store, e.Now)
	ids := hermod.NewIDs(e.Now, wire.RandomBytes)
	hooks := &telia.Hooks{Store: secrets.Before(e, store, box), Targets: webhooks, Now: e.Now, NewID: ids.Next}
	server := api.NewServer(api.Options{Dialect: d, Routes: telia.Routes(d, hooks), Log: e.Log, Now: e.Now, Trace: wire.RandomID})
	return lambdahttp.Handler(telia.WithoutSlash(server)), nil
}
