// Package sqs is Hermod's queues on Amazon SQS: it sends messages, and turns a
// hermod.Handler into the handler of a Lambda function that SQS feeds.
package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
)

// What one batch request may hold, by SQS.
const (
	maxBatch = 10
	// maxBatchBytes stays below the 1 MiB of a request, to leave room for attributes.
	maxBatchBytes = 1_000_000
)

// sent is the message attribute with the moment of sending, in milliseconds since
// 1970. See redriven.
const sent = "sent"

// Options are what a Queue needs beside its client. Log and Now are required.
type Options struct {
	URL string
	Now func() time.Time
	Log *slog.Logger
	// GiveUpPause is how long a message that was given up stays hidden; 0 is
	// hermod.GiveUpPause.
	GiveUpPause time.Duration
	// RedrivenAfter is by how much SQS's moment of sending has to be past the
	// sender's own for the message to count as moved back from the dead letters;
	// 0 is 25 s.
	RedrivenAfter time.Duration
}

// A Queue is a standard queue. It is safe for concurrent use.
type Queue struct {
	client  *sqs.Client
	retryer aws.Retryer
	Options
}

// New makes a Queue.
func New(cfg aws.Config, o Options) *Queue {
	if o.GiveUpPause == 0 {
		o.GiveUpPause = hermod.GiveUpPause
	}
	if o.RedrivenAfter == 0 {
		o.RedrivenAfter = defaultRedrivenAfter
	}
	retryer := awscfg.NewRetryer()
	client := sqs.NewFromConfig(cfg, func(c *sqs.Options) { c.Retryer = retryer })
	return &Queue{client: client, retryer: retryer, Options: o}
}

// Send enqueues messages in requests of ten. Each is in the fairness group of its
// subscription, so that a backlog of one subscriber does not hold up the others.
// On an error some of the messages may have been sent: sent again, they are
// duplicates, which deliver tells by its rows.
func (q *Queue) Send(ctx context.Context, messages []hermod.Message) error {
	return q.send(ctx, messages, 0)
}

// SendAgain is Send of messages that are hidden for the wait, of 15 minutes at most.
func (q *Queue) SendAgain(ctx context.Context, messages []hermod.Message, wait time.Duration) error {
	return q.send(ctx, messages, wait)
}

// maxDelay is the longest delay of a message, by SQS.
const maxDelay = 15 * time.Minute

func (q *Queue) send(ctx context.Context, messages []hermod.Message, wait time.Duration) error {
	delay := (min(max(wait, 0), maxDelay) + time.Second - 1) / time.Second
	entries := make([]types.SendMessageBatchRequestEntry, len(messages))
	for i := range messages {
		entries[i].DelaySeconds = int32(delay)
		entries[i].MessageBody = aws.String(string(messages[i].Encode()))
		if id := messages[i].SubscriptionID; id != "" {
			entries[i].MessageGroupId = aws.String(id)
		}
	}
	return q.sendAll(ctx, entries)
}

// SendBodies enqueues bodies as they are, in no fairness group.
func (q *Queue) SendBodies(ctx context.Context, bodies [][]byte) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i, body := range bodies {
		entries[i].MessageBody = aws.String(string(body))
	}
	return q.sendAll(ctx, entries)
}

// sending is how many batches are sent at a time.
const sending = 16

func (q *Queue) sendAll(ctx context.Context, entries []types.SendMessageBatchRequestEntry) error {
	for i := range entries {
		entries[i].Id = aws.String(strconv.Itoa(i))
	}
	batches := split(entries)
	errs := make([]error, len(batches))
	var wg sync.WaitGroup
	free := make(chan struct{}, sending)
	for i, batch := range batches {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = q.sendBatch(ctx, batch)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return awscfg.Wrap("sending messages", err)
		}
	}
	return nil
}

// split cuts entries into batches that SQS takes in one request.
func split(entries []types.SendMessageBatchRequestEntry) (batches [][]types.SendMessageBatchRequestEntry) {
	for len(entries) > 0 {
		n, size := 0, 0
		for n < min(len(entries), maxBatch) {
			size += len(*entries[n].MessageBody)
			if n > 0 && size > maxBatchBytes {
				break
			}
			n++
		}
		batches = append(batches, entries[:n])
		entries = entries[n:]
	}
	return batches
}

// sendBatch sends a batch, and again what SQS failed to take of it.
func (q *Queue) sendBatch(ctx context.Context, entries []types.SendMessageBatchRequestEntry) error {
	byID := make(map[string]types.SendMessageBatchRequestEntry, len(entries))
	for i := range entries {
		byID[*entries[i].Id] = entries[i]
	}
	for try := 1; ; try++ {
		now := strconv.FormatInt(q.Now().UnixMilli(), 10) // of this try, see redriven
		for i := range entries {
			entries[i].MessageAttributes = map[string]types.MessageAttributeValue{
				sent: {DataType: aws.String("Number"), StringValue: aws.String(now)},
			}
		}
		out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.URL), Entries: entries})
		if err != nil || len(out.Failed) == 0 {
			return err
		}
		left := make([]types.SendMessageBatchRequestEntry, 0, len(out.Failed))
		for _, f := range out.Failed {
			if f.SenderFault {
				return fmt.Errorf("the queue refused a message: %s: %s", aws.ToString(f.Code), aws.ToString(f.Message))
			}
			left = append(left, byID[aws.ToString(f.Id)])
		}
		failure := fmt.Errorf("the queue failed to take %d of %d messages: %s", len(left), len(entries), aws.ToString(out.Failed[0].Code))
		if try == awscfg.MaxAttempts {
			return &hermod.Error{Code: hermod.CodeUnavailable, Message: "the queue is not taking messages; try again", Err: failure}
		}
		if err := q.pause(ctx, try, failure); err != nil {
			return err
		}
		entries = left
	}
}

// pause waits as the SDK would before a retry.
func (q *Queue) pause(ctx context.Context, try int, why error) error {
	delay, err := q.retryer.RetryDelay(try, why)
	if err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
