package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"hermod/pkg/dynamo"
	"hermod/test/cost"
)

// The quotas of AWS in us-east-1, for an account that has asked for nothing. They are
// general knowledge of November 2026, but for those of SQS and of the event source mapping
// (facts collected from AWS's documentation): look them up under Service Quotas.
const (
	gatewayRequests   = 10_000  // a second, an account and region
	lambdaConcurrency = 1_000   // an account and region
	lambdaRate        = 10      // invocations a second for each of the concurrency
	pollerConcurrency = 1_000   // MaximumConcurrency of an event source mapping, at most
	pollerStart       = 5       // concurrent invocations that it begins with
	pollerGrowth      = 300     // concurrent invocations more each minute
	inFlight          = 120_000 // messages of a standard queue
	partitionWrites   = 1_000   // write units a second and partition key
	partitionReads    = 3_000   // read units a second and partition key
	tableUnits        = 40_000  // of a kind a second, a table or index
	busPuts           = 10_000  // PutEvents entries a second
	busTargets        = 18_750  // invocations of targets a second
)

const (
	ownerCopies      = 4  // of an account's version (pkg/dynamo/owners.go)
	everyOwnerCopies = 32 // of the version of all owners
	// evenly is how much of the shards' throughput can be used: ids are spread by a hash.
	evenly = 0.7
	// batchSize is how many messages an invocation takes.
	batchSize = 10
)

// A Quota bounds how many events a second there can be.
type Quota struct {
	Name string
	// Each is how much of it one event a second takes, and Has how much there is.
	Each, Has float64
	// Lift says what moves it.
	Lift string
	// Account says that it bounds what one account can do, with one subscription, and not
	// what all of them can.
	Account bool
}

// Binds is at how many events a second the quota binds.
func (q *Quota) Binds() float64 { return q.Has / q.Each }

// quotas are those on the way of events that are published one by one over HTTPS and
// delivered to one webhook, for the stage prod, in the order in which they bind.
func quotas(d cost.Deployment) []Quota {
	accept, deliver := cost.Counted[cost.HTTPS], cost.Counted[cost.Deliver]
	perEvent := func(units float64) float64 { return units / batchSize }
	running := cost.AcceptSeconds + cost.DeliverSeconds/batchSize
	all := []Quota{
		{"requests of one credential", 1, d.RateLimit, "`RateLimit`; up to 100 events in a request; more credentials", true},
		{"writes of one account's log: one shard", 1, partitionWrites, "`Shards`, up to 64", true},
		{"writes of one subscription's log: one shard", 1, partitionWrites, "`Shards`, up to 64", true},
		// The partition of an account has its subscriptions, which each batch reads, and one
		// of the copies of its version, which each request reads.
		{"reads of one account's configuration", 1.0/ownerCopies + 1.0/batchSize, partitionReads, "up to 100 events in a request, or SQS: the version is read once for all of them", true},
		{"reads of all owners' version", 1.0 / everyOwnerCopies, partitionReads, "the same; or more copies (`pkg/dynamo/owners.go`)", false},
		{"requests to API Gateway", 1, gatewayRequests, "up to 100 events in a request, or SQS; ask AWS", false},
		{"invocations a second", 1 + 1.0/batchSize, lambdaConcurrency * lambdaRate, "the same; grows with the concurrency", false},
		{"functions running at a time, all", running, lambdaConcurrency, "ask AWS", false},
		{"deliver running at a time", cost.DeliverSeconds / batchSize, d.Settings.DeliverConcurrency, fmt.Sprintf("`DeliverConcurrency`, up to %d; past it provisioned pollers", pollerConcurrency), false},
		{"reads of the table Config", perEvent(accept.ReadUnits) + 2.0/batchSize, min(d.Settings.MaxRead, tableUnits), "up to 100 events in a request, or SQS; `MaxRead`, with AWS's own quota of the table", false},
		{"writes of the table Events", 1, min(d.Settings.MaxWrite, tableUnits), "`MaxWrite`, with AWS's own quota of the table and of its index `by-type`", false},
		{"writes of the table Deliveries", perEvent(deliver.WriteUnits), min(d.Settings.MaxWrite, tableUnits), "`MaxWrite`, with AWS's own quota of the table", false},
		{"reads of the table Deliveries", 1, min(d.Settings.MaxRead, tableUnits), "`MaxRead`, with AWS's own quota of the table", false},
		{"messages in flight, endpoints well", cost.DeliverSeconds, inFlight, "ask AWS", false},
	}
	slices.SortStableFunc(all, func(a, b Quota) int { return cmp.Compare(a.Binds(), b.Binds()) })
	return all
}

// shards is how many an account needs for so many events a second, 0 for more than there
// can be.
func shards(rate float64) int {
	n := int(math.Ceil(rate / partitionWrites))
	if n > 1 {
		n = int(math.Ceil(rate / (partitionWrites * evenly)))
	}
	if n > dynamo.MaxShards {
		return 0
	}
	return n
}
