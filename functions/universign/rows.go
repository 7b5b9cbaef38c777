package main

import (
	"slices"

	"hermod/functions/internal/queues"
	"hermod/functions/internal/webhooks"
	"hermod/functions/internal/wire"
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// rows are the rows of the dialect.
func rows(e *wire.Env, parts *webhooks.Parts) ([]api.Route, error) {
	store := parts.Plain
	queue, err := queues.Open(e, "HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	acceptor, err := queues.Acceptor(e, store, nil)
	if err != nil {
		return nil, err
	}
	keys := &auth.Keys{
		Store: store, Sealer: parts.Box, Use: universign.Use, Prefix: universign.KeyPrefix, Now: e.Now, Log: e.Log,
	}
	endpoints := &universign.Endpoints{
		Store: parts.Store, Targets: parts.Pushers, EnsureKey: keys.Ensure, NewID: parts.NewID, Now: e.Now,
	}
	sent := &universign.Webhooks{
		Store: store, Now: e.Now,
		Retrier: &replay.Starter{Deliveries: store, Queue: queue, Now: e.Now, Trigger: hermod.TriggerRetry},
	}
	apiKeys := &universign.APIKeys{
		Registry: &auth.Registry{Store: store, Now: e.Now, Random: wire.RandomBytes},
		Renamer:  store, Emitter: acceptor, Now: e.Now, Log: e.Log,
	}
	return slices.Concat(
		endpoints.Routes(), sent.Routes(), (&universign.JWKS{Keys: keys}).Routes(), apiKeys.Routes(),
	), nil
}
