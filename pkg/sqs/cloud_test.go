//go:build cloud

package sqs_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/sqs"
	"hermod/pkg/storetest"
)

const (
	maxReceives = 3
	visibility  = 6 * time.Second
	// redrivenAfter is less than the default, for the test's sake, and more than a
	// send to a busy emulator takes: at 1 s, fresh messages once counted as moved.
	redrivenAfter = 10 * time.Second
)

// What MiniStack does differently from AWS, as far as this test touches it: it has
// no StartMessageMoveTask, so Redrive does by hand what AWS documents of it.
func TestQueueConforms(t *testing.T) {
	t.Parallel()
	storetest.TestQueue(t, storetest.QueueSpec{
		Open:        func(t *testing.T) storetest.Queue { return open(t) },
		MaxReceives: maxReceives,
		Visibility:  visibility,
	})
}

// A queue is an SQS queue with its dead letters, and the part of Lambda's poller:
// it receives, runs the function's handler, and deletes what has not failed.
type queue struct {
	*sqs.Queue
	client    *awssqs.Client
	url, dead string

	mu     sync.Mutex
	inHand map[string]events.SQSMessage // by message id
}

func open(t *testing.T) *queue {
	t.Helper()
	cfg, err := awscfg.Load(emulated(t), awscfg.SQS)
	if err != nil {
		t.Fatal(err)
	}
	// An answer given up for late is a message sent twice, and the suite counts.
	cfg.HTTPClient = awscfg.HTTPClient(time.Minute)
	q := &queue{client: awssqs.NewFromConfig(cfg), inHand: map[string]events.SQSMessage{}}
	name := "q-" + rand.Text()
	// Dead letters are not hidden from the next look at them.
	q.dead = q.create(t, name+"-dead", map[string]string{"VisibilityTimeout": "0"})
	attributes, err := q.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: &q.dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	redrive, err := json.Marshal(map[string]any{
		"deadLetterTargetArn": attributes.Attributes["QueueArn"], "maxReceiveCount": maxReceives,
	})
	if err != nil {
		t.Fatal(err)
	}
	q.url = q.create(t, name, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(visibility / time.Second)), "RedrivePolicy": string(redrive),
	})
	q.Queue = sqs.New(cfg, sqs.Options{
		URL: q.url, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		GiveUpPause: time.Second, RedrivenAfter: redrivenAfter,
	})
	return q
}

func emulated(t *testing.T) func(string) string {
	t.Helper()
	url := os.Getenv("AWS_ENDPOINT_URL")
	if url == "" {
		t.Fatal("AWS_ENDPOINT_URL is not set: start MiniStack and put its URL there (make test-cloud does)")
	}
	environment := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url,
	}
	return func(name string) string { return environment[name] }
}

func (q *queue) create(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := q.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := q.client.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	return *out.QueueUrl
}

// Receive hands out what a handler would be given.
func (q *queue) Receive(ctx context.Context, most int) (batch []hermod.Received, err error) {
	out, err := q.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: 1,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	records := make([]events.SQSMessage, len(out.Messages))
	q.mu.Lock()
	for i := range out.Messages {
		records[i] = record(&out.Messages[i])
		q.inHand[records[i].MessageId] = records[i]
	}
	q.mu.Unlock()
	_, err = sqs.Handler(func(_ context.Context, received []hermod.Received) []hermod.Outcome {
		batch = received
		return make([]hermod.Outcome, len(received))
	}, q.Queue)(ctx, events.SQSEvent{Records: records})
	return batch, err
}

// record is the message as Lambda passes it to a function.
func record(m *types.Message) events.SQSMessage {
	r := events.SQSMessage{
		MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes,
		MessageAttributes: map[string]events.SQSMessageAttribute{},
	}
	for name, a := range m.MessageAttributes {
		r.MessageAttributes[name] = events.SQSMessageAttribute{DataType: *a.DataType, StringValue: a.StringValue}
	}
	return r
}

// Settle runs the function's handler on the batch and deletes what has not failed.
func (q *queue) Settle(ctx context.Context, batch []hermod.Received, outcomes []hermod.Outcome) error {
	var event events.SQSEvent
	receipts := map[string]string{}
	q.mu.Lock()
	for _, m := range batch {
		event.Records = append(event.Records, q.inHand[m.ID])
		receipts[m.ID] = q.inHand[m.ID].ReceiptHandle
	}
	q.mu.Unlock()
	decide := func(context.Context, []hermod.Received) []hermod.Outcome { return outcomes }
	response, err := sqs.Handler(decide, q.Queue)(ctx, event)
	if err != nil {
		return err
	}
	for _, failed := range response.BatchItemFailures {
		delete(receipts, failed.ItemIdentifier)
	}
	for _, receipt := range receipts {
		if _, err := q.client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &receipt}); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) deadLetters(ctx context.Context) ([]types.Message, error) {
	out, err := q.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: &q.dead, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func (q *queue) DeadLetters(ctx context.Context) ([][]byte, error) {
	messages, err := q.deadLetters(ctx)
	bodies := make([][]byte, len(messages))
	for i := range messages {
		bodies[i] = []byte(*messages[i].Body)
	}
	return bodies, err
}

// Redrive is StartMessageMoveTask as AWS documents it: each dead letter becomes a
// new message with the body and the attributes of the old one.
func (q *queue) Redrive(ctx context.Context) error {
	select { // an operator comes later than a message can be on its way
	case <-time.After(redrivenAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	messages, err := q.deadLetters(ctx)
	if err != nil {
		return err
	}
	for _, m := range messages {
		_, err := q.client.SendMessage(ctx, &awssqs.SendMessageInput{
			QueueUrl: &q.url, MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
		})
		if err != nil {
			return err
		}
		_, err = q.client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &q.dead, ReceiptHandle: m.ReceiptHandle})
		if err != nil {
			return err
		}
	}
	return nil
}
