package cost

// A Price is what AWS asks for so much of something, in US dollars, in us-east-1.
type Price struct {
	USD    float64
	Per    float64
	Source string
}

// of is the price of an amount.
func (p Price) of(amount float64) float64 { return amount * p.USD / p.Per }

// Where prices come from. What is marked as general knowledge has to be looked up again
// before somebody relies on it.
const (
	// Airbyte's account of the DynamoDB prices since November 2024, read in July 2025.
	fromAirbyte = "airbyte 2025-07, after the cut of November 2024"
	// AWS's own notice of INIT billing of August 2025, with the prices of arm64.
	fromAWSBlog = "AWS blog 2025-08"
	// CloudBurn's list of prices of EventBridge.
	fromCloudburn = "cloudburn 2026-03"
	// Facts collected for this project, which name no source for them.
	fromFacts = "facts collected 2026-11"
	// General knowledge of November 2026, with no source.
	general = "general knowledge 2026-11"
)

// The price table.
var (
	priceHTTPAPI       = Price{1.00, million, fromFacts} // a request of 512 KB or less
	priceLambdaRequest = Price{0.20, million, fromAWSBlog}
	priceGBSecond      = Price{0.0000133334, 1, fromAWSBlog} // arm64
	priceWriteUnit     = Price{0.625, million, fromAirbyte}  // on demand
	priceReadUnit      = Price{0.125, million, fromAirbyte}  // on demand
	priceTableGB       = Price{0.25, 1, fromAirbyte}         // a month
	priceSQS           = Price{0.40, million, fromFacts}     // a request of 64 KB or less
	priceEventBridge   = Price{1.00, million, fromCloudburn} // a custom event of 64 KB or less
	pricePITRGB        = Price{0.20, 1, general}             // a month
	priceLogGB         = Price{0.50, 1, general}             // taken in
	priceLogStoredGB   = Price{0.03, 1, general}             // a month, compressed
	priceEgressGB      = Price{0.09, 1, general}             // to the internet
	priceTrace         = Price{5.00, million, general}       // X-Ray, recorded
	priceKMS           = Price{0.03, 10_000, general}        // a request
	priceKMSKey        = Price{1.00, 1, general}             // a month
	priceAlarmMetric   = Price{0.10, 1, general}             // a month
	priceDashboard     = Price{3.00, 1, general}             // a month
	priceIdlePoller    = Price{0.26, 1, fromFacts}           // a month a queue: five pollers, three long polls a minute each
)

const (
	million = 1e6
	// gigabyte is what AWS bills by.
	gigabyte = 1 << 30
)

// What no counting on one machine can tell. Each is of the design's arithmetic ("facts"),
// or general knowledge.
const (
	// AcceptSeconds is how long the function of events runs for one event (facts: 12 ms).
	AcceptSeconds = 0.012
	// ingestSeconds is how long the function ingest runs for a batch of ten (facts).
	ingestSeconds = 0.036
	// DeliverSeconds is how long the function deliver runs for a batch of ten, side by
	// side: the slowest of ten endpoints that answer after 200 ms, and its own calls
	// (facts).
	DeliverSeconds = 0.36
	// aloneSeconds is how long it runs for a batch of one (facts: the endpoint's 200 ms, and
	// its own calls).
	aloneSeconds = 0.22
	// limiterSample is of how many requests one is counted by the rate limiter that all
	// instances share (sampleMost in pkg/api), with one write.
	limiterSample = 50
	// tracedShare is what X-Ray records of the invocations (general: its default rule).
	tracedShare = 0.05
	// handshakeBytes are what a TLS handshake sends; a connection serves a batch.
	handshakeBytes = 1200
	// recordBytes are what TLS and TCP add to a request or an answer (general).
	recordBytes = 150
	// gatewayHeaderBytes are what API Gateway adds to an answer (general).
	gatewayHeaderBytes = 200
	// lineOverhead is what CloudWatch counts for each line beside its bytes (general).
	lineOverhead = 26
	// claimDays is how long the row of an idempotency key is kept.
	claimDays = 1.0
	// keptDays is how long events and attempts are kept by default; logDays is what the
	// template keeps logs in prod.
	keptDays = 30.0
	logDays  = 90.0
	// monthDays is what AWS bills a month as.
	monthDays = 30.0
	// compressedLogs is what is left of logs when they are stored (general).
	compressedLogs = 0.15
	// kmsPerMillion are the requests to KMS: an instance opens the data key of each
	// subscription it pushes for once in five minutes. Ten instances, one busy
	// subscription, a million events in a day.
	kmsPerMillion = 10 * 24 * 12
)
