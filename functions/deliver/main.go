// The deliver function carries deliveries on.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/deliver"
	"hermod/pkg/sqs"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	options, err := e.Delivery()
	if err != nil {
		return nil, err
	}
	queue, err := e.Queue("HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return sqs.Handler(deliver.New(options).Handle, queue), nil
}
