package cost

// batchSize is how many events are counted at a time: what one invocation takes of a
// queue.
const batchSize = 10

// A Stage is one step of the way of an event.
type Stage string

// The stages. Publishing by HTTPS is a request for each event.
const (
	HTTPS       Stage = "HTTPS, no key"
	HTTPSKeyed  Stage = "HTTPS, key"
	SQS         Stage = "SQS"
	EventBridge Stage = "EventBridge"
	Deliver     Stage = "deliver"
	// DeliverAlone is Deliver where so little comes that each message is a batch.
	DeliverAlone Stage = "deliver, one by one"
)

// Stages are all of them, in the order of the way.
func Stages() []Stage { return []Stage{HTTPS, HTTPSKeyed, SQS, EventBridge, Deliver, DeliverAlone} }

// Counts are what ten events of 1.5 KB cost at a stage, each matched by one webhook of its
// account: when all is warm, so that types are registered and subscriptions are read.
type Counts struct {
	// Requests are those to DynamoDB and SQS, by "Service.Operation", the receive and the
	// delete that Lambda's poller makes included.
	Requests map[string]int
	// WriteUnits and ReadUnits are request units, indexes included.
	WriteUnits, ReadUnits float64
	// LogLines and LogBytes are what the function logs.
	LogLines, LogBytes int
	// RowBytes are what stays in the tables for 30 days, IndexBytes what stays in their
	// indexes; ClaimBytes are kept a day.
	RowBytes, IndexBytes, ClaimBytes int
	// EgressBytes leave AWS: answers to publishers, pushes to the endpoint. Without TLS.
	EgressBytes int
}

// Counted is the one table of counted calls.
var Counted = map[Stage]Counts{
	HTTPS: {
		Requests:   map[string]int{"DynamoDB.BatchGetItem": 10, "DynamoDB.PutItem": 10, "SQS.SendMessageBatch": 10},
		WriteUnits: 20, ReadUnits: 20, // the versions of the account and of all owners
		LogLines: 10, LogBytes: 3_470, RowBytes: 9_755, IndexBytes: 2_680, EgressBytes: 2_550,
	},
	HTTPSKeyed: {
		Requests:   map[string]int{"DynamoDB.BatchGetItem": 10, "DynamoDB.PutItem": 20, "SQS.SendMessageBatch": 10},
		WriteUnits: 30, ReadUnits: 20,
		LogLines: 10, LogBytes: 3_470, RowBytes: 9_755, IndexBytes: 2_680, ClaimBytes: 2_950, EgressBytes: 2_550,
	},
	// A message of a queue, and an event of a bus, has an id, which is its key.
	SQS: {
		Requests:   map[string]int{"DynamoDB.BatchGetItem": 1, "DynamoDB.PutItem": 20, "SQS.SendMessageBatch": 1},
		WriteUnits: 30, ReadUnits: 2,
		LogLines: 1, LogBytes: 237, RowBytes: 9_755, IndexBytes: 2_680, ClaimBytes: 2_950,
	},
	EventBridge: {
		Requests:   map[string]int{"DynamoDB.BatchGetItem": 1, "DynamoDB.PutItem": 20, "SQS.SendMessageBatch": 1},
		WriteUnits: 30, ReadUnits: 2,
		LogLines: 1, LogBytes: 237, RowBytes: 9_755, IndexBytes: 2_680, ClaimBytes: 2_950,
	},
	// The events are read in one request, the subscription with its endpoint's health in
	// another, and the last row of each run by a query.
	Deliver: {
		Requests: map[string]int{
			"DynamoDB.BatchGetItem": 2, "DynamoDB.Query": 10, "DynamoDB.PutItem": 10,
			"SQS.ReceiveMessage": 1, "SQS.DeleteMessageBatch": 1,
		},
		WriteUnits: 10, ReadUnits: 17, // half a unit for an event, which never changes
		LogLines: 10, LogBytes: 3_690, RowBytes: 3_140, EgressBytes: 21_330,
	},
	DeliverAlone: {
		Requests: map[string]int{
			"DynamoDB.BatchGetItem": 20, "DynamoDB.Query": 10, "DynamoDB.PutItem": 10,
			"SQS.ReceiveMessage": 10, "SQS.DeleteMessageBatch": 10,
		},
		WriteUnits: 10, ReadUnits: 35,
		LogLines: 10, LogBytes: 3_690, RowBytes: 3_140, EgressBytes: 21_330,
	},
}
