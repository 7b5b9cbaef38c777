package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"hermod/functions/internal/queues"
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/api/signly"
	"hermod/pkg/api/telia"
	"hermod/pkg/api/universign"
	"hermod/pkg/deliver"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/seal"
)

// options are what the deliverer needs.
func options(e *wire.Env) (deliver.Options, error) {
	store, err := e.Store()
	if err != nil {
		return deliver.Options{}, err
	}
	box, err := secrets.Box(e)
	if err != nil {
		return deliver.Options{}, err
	}
	pushers, err := targets.Pushers(e, e.Keys(store, box))
	if err != nil {
		return deliver.Options{}, err
	}
	waits, queueWait, err := testWaits(e)
	if err != nil {
		return deliver.Options{}, err
	}
	maxReceives, err := queues.MaxReceives(e)
	if err != nil {
		return deliver.Options{}, err
	}
	return deliver.Options{
		Store: secrets.Before(e, store, box), Pusher: pushers, MaxReceives: maxReceives, QueueWait: queueWait,
		Encoders: map[hermod.Dialect]deliver.Encoder{
			hermod.Signicat:   signicat.Encoder{Waits: waits},
			hermod.Signly:     signly.Encoder{},
			hermod.TeliaSign:  telia.Encoder{Waits: waits},
			hermod.Universign: universign.Encoder{Keys: deliveryKeys(e, store, box), Waits: waits},
		},
		Now: e.Now, Random: rand.Float64, Log: e.Log,
	}, nil
}

// deliveryKeys sign the deliveries of Universign's endpoints.
func deliveryKeys(e *wire.Env, store *dynamo.Store, box *seal.Box) *auth.Keys {
	return &auth.Keys{Store: store, Sealer: box, Use: universign.Use, Prefix: universign.KeyPrefix, Now: e.Now, Log: e.Log}
}

// testWaits are the waits between attempts that a test asks for, and the longest of
// them that stays in the queue, as in 1s,1s,2s/1500ms; none otherwise.
func testWaits(e *wire.Env) (waits hermod.Schedule, queueWait time.Duration, err error) {
	if !e.Emulator() || e.Get("HERMOD_TEST_RETRY_SCHEDULE") == "" {
		return nil, 0, nil
	}
	list, longest, _ := strings.Cut(e.Get("HERMOD_TEST_RETRY_SCHEDULE"), "/")
	for text := range strings.SplitSeq(list, ",") {
		wait, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			return nil, 0, fmt.Errorf("reading HERMOD_TEST_RETRY_SCHEDULE: %w", err)
		}
		waits = append(waits, wait)
	}
	if longest == "" {
		return waits, 0, nil
	}
	if queueWait, err = time.ParseDuration(longest); err != nil {
		return nil, 0, fmt.Errorf("reading HERMOD_TEST_RETRY_SCHEDULE: %w", err)
	}
	return waits, queueWait, nil
}
