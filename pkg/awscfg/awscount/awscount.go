// Package awscount counts what the AWS clients of a test cost: requests, and write and
// read units. It is imported by tests alone.
package awscount

import (
	"context"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// A Counter counts the requests that clients send, retries included, and the
// units that DynamoDB says they cost.
type Counter struct {
	mu         sync.Mutex
	requests   map[string]int
	writeUnits float64
	readUnits  float64
}

// New makes a Counter that has counted nothing.
func New() *Counter { return &Counter{requests: map[string]int{}} }

// Attach makes every client made from the answered configuration count here.
func (c *Counter) Attach(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(cfg.APIOptions[:len(cfg.APIOptions):len(cfg.APIOptions)], func(stack *middleware.Stack) error {
		if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CountUnits", c.countUnits), middleware.Before); err != nil {
			return err
		}
		// The deserialize step runs once an attempt.
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountRequests", c.countRequest), middleware.After)
	})
	return cfg
}

// Requests are the requests sent so far, by "Service.Operation".
func (c *Counter) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Total is the number of requests sent so far.
func (c *Counter) Total() int {
	total := 0
	for _, n := range c.Requests() {
		total += n
	}
	return total
}

// WriteUnits are the write request units used so far, indexes included.
func (c *Counter) WriteUnits() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeUnits
}

// ReadUnits are the read request units used so far.
func (c *Counter) ReadUnits() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readUnits
}

func (c *Counter) countRequest(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	c.mu.Lock()
	c.requests[awsmiddleware.GetServiceID(ctx)+"."+awsmiddleware.GetOperationName(ctx)]++
	c.mu.Unlock()
	return next.HandleDeserialize(ctx, in)
}

func (c *Counter) countUnits(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	switch input := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.UpdateItemInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.BatchWriteItemInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.TransactWriteItemsInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.GetItemInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.BatchGetItemInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	case *dynamodb.QueryInput:
		input.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	switch output := out.Result.(type) {
	case *dynamodb.PutItemOutput:
		c.add(&c.writeUnits, output.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		c.add(&c.writeUnits, output.ConsumedCapacity)
	case *dynamodb.BatchWriteItemOutput:
		c.addAll(&c.writeUnits, output.ConsumedCapacity)
	case *dynamodb.TransactWriteItemsOutput:
		c.addAll(&c.writeUnits, output.ConsumedCapacity)
	case *dynamodb.GetItemOutput:
		c.add(&c.readUnits, output.ConsumedCapacity)
	case *dynamodb.BatchGetItemOutput:
		c.addAll(&c.readUnits, output.ConsumedCapacity)
	case *dynamodb.QueryOutput:
		c.add(&c.readUnits, output.ConsumedCapacity)
	}
	return out, metadata, err
}

func (c *Counter) addAll(units *float64, used []types.ConsumedCapacity) {
	for i := range used {
		c.add(units, &used[i])
	}
}

func (c *Counter) add(units *float64, used *types.ConsumedCapacity) {
	if used == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*units += aws.ToFloat64(used.CapacityUnits)
}
