// Package queues builds what sends to and reads from queues.
package queues

import (
	"fmt"
	"strconv"
	"time"

	"hermod/functions/internal/wire"
	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqs"
)

// Open is the queue whose URL is in the variable.
func Open(e *wire.Env, variable string) (*sqs.Queue, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.SQS)
	if err != nil {
		return nil, fmt.Errorf("configuring SQS: %w", err)
	}
	var pause time.Duration // 0 is the default
	if text := e.Get("HERMOD_TEST_REDRIVE_HIDE"); text != "" && e.Emulator() {
		if pause, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("reading HERMOD_TEST_REDRIVE_HIDE: %w", err)
		}
	}
	return sqs.New(cfg, sqs.Options{URL: e.Get(variable), Now: e.Now, Log: e.Log, GiveUpPause: pause}), nil
}

// Acceptor accepts events into the tables and the delivery queue. A function that
// accepts nothing but mocks needs no schemas, and does not link what reads them.
func Acceptor(e *wire.Env, store *dynamo.Store, schemas ingest.Compiler) (*ingest.Acceptor, error) {
	queue, err := Open(e, "HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Options{
		Config: store, Journal: ingest.Direct{Store: store, Queue: queue},
		IDs: hermod.NewIDs(e.Now, wire.RandomBytes), Now: e.Now, Log: e.Log, Schemas: schemas,
	}), nil
}

// MaxReceives is how often the function's queue hands out a message.
func MaxReceives(e *wire.Env) (int, error) {
	n, err := strconv.Atoi(e.Get("HERMOD_MAX_RECEIVES"))
	if err != nil {
		return 0, fmt.Errorf("reading HERMOD_MAX_RECEIVES: %w", err)
	}
	return n, nil
}
