// The ingest function accepts what producers send by SQS and EventBridge.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/schema"
	"hermod/pkg/sqs"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	acceptor, err := queues.Acceptor(e, store, schema.Checker)
	if err != nil {
		return nil, err
	}
	queue, err := queues.Open(e, "HERMOD_INGEST_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return sqs.Handler(acceptor.Handle, queue), nil
}
