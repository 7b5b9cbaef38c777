// The deliver function carries deliveries on.
package main

import (
	"hermod/functions/internal/queues"
	"hermod/functions/internal/wire"
	"hermod/pkg/deliver"
	"hermod/pkg/sqs"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	o, err := options(e)
	if err != nil {
		return nil, err
	}
	queue, err := queues.Open(e, "HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return sqs.Handler(deliver.New(o).Handle, queue), nil
}
