package main

import (
	"slices"

	"hermod/functions/internal/queues"
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// rows are the rows of the dialect.
func rows(e *wire.Env, store *dynamo.Store) ([]api.Route, error) {
	box, err := secrets.Box(e)
	if err != nil {
		return nil, err
	}
	pushers, err := targets.Webhooks(e)
	if err != nil {
		return nil, err
	}
	queue, err := queues.Open(e, "HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	acceptor, err := queues.Acceptor(e, store, nil)
	if err != nil {
		return nil, err
	}
	keys := &auth.Keys{
		Store: store, Sealer: box, Use: universign.Use, Prefix: universign.KeyPrefix, Now: e.Now, Log: e.Log,
	}
	endpoints := &universign.Endpoints{
		Store: secrets.Before(e, store, box), Targets: pushers, EnsureKey: keys.Ensure,
		IDs: hermod.NewIDs(e.Now, wire.RandomBytes), Now: e.Now,
	}
	webhooks := &universign.Webhooks{
		Store: store, Now: e.Now,
		Retrier: &replay.Starter{Deliveries: store, Queue: queue, Now: e.Now, Trigger: hermod.TriggerRetry},
	}
	apiKeys := &universign.APIKeys{
		Registry: &auth.Registry{Store: store, Now: e.Now, Random: wire.RandomBytes},
		Renamer:  store, Acceptor: acceptor, Now: e.Now, Log: e.Log,
	}
	return slices.Concat(
		endpoints.Routes(), webhooks.Routes(), (&universign.JWKS{Keys: keys}).Routes(), apiKeys.Routes(),
	), nil
}
