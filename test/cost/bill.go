package cost

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Line is one item of a bill, in US dollars a million events.
type Line struct {
	Item string
	USD  float64
}

// A Bill is what a million events cost.
type Bill []Line

// Total is the sum of the lines.
func (b Bill) Total() float64 {
	total := 0.0
	for _, line := range b {
		total += line.USD
	}
	return total
}

// A Deployment is what template.yaml says of the way of an event.
type Deployment struct {
	// EventsMB, IngestMB and DeliverMB are the functions' memory.
	EventsMB, IngestMB, DeliverMB float64
	// AccessLogBytes is the length of a line of the API's access log.
	AccessLogBytes int
	// AlarmMetrics are the metrics that alarms watch, and Queues those that a function polls.
	AlarmMetrics, Queues int
	// Settings are those of stage prod.
	Settings Settings
	// RateLimit is how many requests a second a credential may make.
	RateLimit float64
}

const mbPerGB = 1024

// Price1M is the bill of a million events that are published one way and delivered to one
// webhook at the first try.
func Price1M(published Stage, d Deployment) Bill {
	return price1M(published, Deliver, d)
}

// Price1MAlone is Price1M where so little comes that each delivery is an invocation.
func Price1MAlone(published Stage, d Deployment) Bill {
	return price1M(published, DeliverAlone, d)
}

func price1M(published, delivered Stage, d Deployment) Bill {
	accept, deliver := Counted[published], Counted[delivered]
	batches, seconds := million/batchSize, DeliverSeconds
	if delivered == DeliverAlone {
		batches, seconds = million, aloneSeconds
	}
	each := func(perBatch float64) float64 { return perBatch * million / batchSize }
	gb := func(bytes float64) float64 { return each(bytes) / gigabyte }

	bill := frontDoor(published, d)
	lines := float64(accept.LogLines + deliver.LogLines)
	logged := float64(accept.LogBytes+deliver.LogBytes) + lines*lineOverhead
	egress := float64(accept.EgressBytes+deliver.EgressBytes) + batchSize*recordBytes + handshakeBytes*batches*batchSize/million
	traced := batches * tracedShare
	if published == HTTPS || published == HTTPSKeyed {
		logged += batchSize * float64(d.AccessLogBytes+lineOverhead)
		egress += batchSize * (recordBytes + gatewayHeaderBytes)
		traced += million * tracedShare
	} else {
		traced += million / batchSize * tracedShare
	}
	polled := float64(deliver.Requests["SQS.ReceiveMessage"] + deliver.Requests["SQS.DeleteMessageBatch"])
	rows := float64(accept.RowBytes + deliver.RowBytes)
	stored := rows + float64(accept.IndexBytes+deliver.IndexBytes) + float64(accept.ClaimBytes)*claimDays/keptDays
	return append(bill,
		Line{"accept: DynamoDB writes", priceWriteUnit.of(each(accept.WriteUnits))},
		Line{"accept: DynamoDB reads", priceReadUnit.of(each(accept.ReadUnits))},
		Line{"accept: messages sent", priceSQS.of(each(float64(accept.Requests["SQS.SendMessageBatch"])))},
		Line{"deliver: receive and delete", priceSQS.of(each(polled))},
		Line{"deliver: Lambda", lambda(batches, seconds, d.DeliverMB)},
		Line{"deliver: DynamoDB reads", priceReadUnit.of(each(deliver.ReadUnits))},
		Line{"deliver: DynamoDB writes", priceWriteUnit.of(each(deliver.WriteUnits))},
		Line{"keys opened", priceKMS.of(kmsPerMillion)},
		Line{"storage, 30 days", priceTableGB.of(gb(stored) * keptDays / monthDays)},
		Line{"backup (PITR), 30 days", pricePITRGB.of(gb(rows) * keptDays / monthDays)},
		Line{"logs", priceLogGB.of(gb(logged)) + priceLogStoredGB.of(gb(logged)*compressedLogs*logDays/monthDays)},
		Line{"traces", priceTrace.of(traced)},
		Line{"egress", priceEgressGB.of(gb(egress))},
	)
}

// frontDoor is what it takes to bring a million events to accept.
func frontDoor(published Stage, d Deployment) Bill {
	batches := million / batchSize
	fromQueue := Bill{
		{"ingest: receive and delete", priceSQS.of(2 * batches)},
		{"ingest: Lambda", lambda(batches, ingestSeconds, d.IngestMB)},
	}
	switch published {
	case SQS:
		return append(Bill{{"ingest: sent in tens", priceSQS.of(batches)}}, fromQueue...)
	case EventBridge:
		return append(Bill{
			{"EventBridge", priceEventBridge.of(million)},
			{"ingest: sent by the rule", priceSQS.of(million)},
		}, fromQueue...)
	default:
		return Bill{
			{"API Gateway", priceHTTPAPI.of(million)},
			{"accept: Lambda", lambda(million, AcceptSeconds, d.EventsMB)},
			{"rate limit", priceWriteUnit.of(million / limiterSample)},
		}
	}
}

func lambda(invocations, seconds, mb float64) float64 {
	return priceLambdaRequest.of(invocations) + priceGBSecond.of(invocations*seconds*mb/mbPerGB)
}

// Idle is what a deployment costs a month without any event.
func Idle(d Deployment) Bill {
	return Bill{
		{"alarms", priceAlarmMetric.of(float64(d.AlarmMetrics))},
		{"dashboard", priceDashboard.of(1)},
		{"key", priceKMSKey.of(1)},
		{"polling of empty queues", priceIdlePoller.of(float64(d.Queues))},
	}
}

// Print writes the bills side by side.
func Print(w io.Writer, d Deployment) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var items []string
	header, totals := "USD a million events\t", "total\t"
	usd := map[string]string{}
	ways := []Stage{HTTPS, HTTPSKeyed, SQS, EventBridge}
	for n, way := range ways {
		bill := Price1M(way, d)
		for _, line := range bill {
			if _, known := usd[line.Item]; !known {
				items = append(items, line.Item)
				usd[line.Item] = strings.Repeat("-\t", n)
			}
		}
		for _, item := range items {
			usd[item] += bill.of(item) + "\t"
		}
		header += string(way) + "\t"
		totals += fmt.Sprintf("%.2f\t", bill.Total())
	}
	for i, item := range items {
		items[i] = item + "\t" + usd[item]
	}
	if _, err := fmt.Fprintln(table, strings.Join(append(append([]string{header}, items...), totals), "\n")); err != nil {
		return err
	}
	return table.Flush()
}

// of is the price of an item; "-" where the bill has none.
func (b Bill) of(item string) string {
	for _, line := range b {
		if line.Item == item {
			return fmt.Sprintf("%.3f", line.USD)
		}
	}
	return "-"
}
