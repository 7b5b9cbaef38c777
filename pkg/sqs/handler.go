package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/hermod"
)

// maxHidden is how long a message can be hidden, counted from its receive.
// Lambda received it some time before the function saw it, hence the margin; SQS
// refuses a request that goes beyond.
const (
	maxHidden    = 12 * time.Hour
	hiddenMargin = time.Minute
)

// Handler is h as the handler of a Lambda function with an SQS event source that
// has ReportBatchItemFailures set. Messages that h is done with are deleted by
// Lambda, the others are reported failed, and hidden on q until h wants them
// again. With q nil they come back when the queue's own visibility timeout ends.
//
// If h panics, every message of the batch is reported failed, so none is lost.
// The function itself never fails.
func Handler(h hermod.Handler, q *Queue) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		var start time.Time
		redrivenAfter := defaultRedrivenAfter
		if q != nil {
			start, redrivenAfter = q.Now(), q.RedrivenAfter
		}
		batch := make([]hermod.Received, len(event.Records))
		for i := range event.Records {
			batch[i] = received(&event.Records[i], redrivenAfter)
		}
		outcomes, err := decide(ctx, h, batch)
		if err != nil {
			logger(q).ErrorContext(ctx, "the whole batch fails",
				slog.Int("messages", len(batch)), hermod.LogError(err))
			return failures(event.Records), nil
		}
		var failed []events.SQSMessage
		var hide []hiding
		for i, outcome := range outcomes {
			if outcome.Action == hermod.Done {
				continue
			}
			failed = append(failed, event.Records[i])
			hide = append(hide, hiding{receipt: event.Records[i].ReceiptHandle, outcome: outcome})
		}
		if q != nil {
			q.hideAll(ctx, hide, start)
		}
		return failures(failed), nil
	}
}

func logger(q *Queue) *slog.Logger {
	if q != nil {
		return q.Log
	}
	return slog.Default()
}

// decide runs the handler and answers an error where it panicked or lost count.
func decide(ctx context.Context, h hermod.Handler, batch []hermod.Received) (outcomes []hermod.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	outcomes = h(ctx, batch)
	if len(outcomes) != len(batch) {
		return nil, fmt.Errorf("the handler answered %d outcomes for %d messages", len(outcomes), len(batch))
	}
	return outcomes, nil
}

func failures(records []events.SQSMessage) events.SQSEventResponse {
	// An empty list is written as [], and null is none of the forms that AWS
	// documents for "all succeeded" (Lambda Developer Guide, partial batch responses).
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range records {
		response.BatchItemFailures = append(response.BatchItemFailures,
			events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageId})
	}
	return response
}

func received(m *events.SQSMessage, redrivenAfter time.Duration) hermod.Received {
	sentAt := millis(m.Attributes["SentTimestamp"])
	receives, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]) // 0 for "unknown"
	return hermod.Received{
		ID:       m.MessageId,
		Body:     []byte(m.Body),
		Receives: max(receives, 1),
		SentAt:   sentAt,
		Redriven: redriven(sentAt, m.MessageAttributes[sent].StringValue, redrivenAfter),
		Sender:   m.Attributes["SenderId"],
	}
}

// defaultRedrivenAfter is more than one send takes with the SDK's retries, and less
// than a message spends in a queue before it is among the dead letters.
const defaultRedrivenAfter = 25 * time.Second

// redriven reports whether an operator moved the message back from the dead
// letters. StartMessageMoveTask enqueues a new message with the attributes of the
// old one, so the moment it was sent first lies well before SQS's SentTimestamp.
// Redrive to the dead-letter queue keeps both as they were.
func redriven(sentAt time.Time, first *string, after time.Duration) bool {
	if first == nil || sentAt.IsZero() {
		return false
	}
	at := millis(*first)
	return !at.IsZero() && sentAt.Sub(at) > after
}

func millis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// A hiding is a message that shall not be received before its outcome says so.
type hiding struct {
	receipt string
	outcome hermod.Outcome
}

// hideAll changes the visibility of messages. A failure is logged and no more: the
// message then comes back when its visibility timeout ends, and its rows tell
// deliver whether that is too early.
func (q *Queue) hideAll(ctx context.Context, messages []hiding, start time.Time) {
	for chunk := range slices.Chunk(messages, maxBatch) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(chunk))
		for i, m := range chunk {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id:                aws.String(strconv.Itoa(i)),
				ReceiptHandle:     aws.String(m.receipt),
				VisibilityTimeout: q.hidden(m.outcome, start),
			}
		}
		out, err := q.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: aws.String(q.URL), Entries: entries,
		})
		if err != nil {
			q.Log.WarnContext(ctx, "messages were not hidden", slog.Int("messages", len(entries)), hermod.LogError(err))
			continue
		}
		for _, f := range out.Failed {
			q.Log.WarnContext(ctx, "a message was not hidden",
				slog.String("code", aws.ToString(f.Code)), slog.String("error", aws.ToString(f.Message)))
		}
	}
}

// hidden is for how many seconds from now a message is hidden, rounded up.
func (q *Queue) hidden(o hermod.Outcome, start time.Time) int32 {
	wait := q.GiveUpPause
	if o.Action == hermod.Again {
		wait = o.At.Sub(q.Now())
	}
	longest := maxHidden - hiddenMargin - q.Now().Sub(start)
	wait = min(max(wait, 0), max(longest, 0))
	return int32((wait + time.Second - 1) / time.Second) //nolint:gosec // 43,200 at most
}
