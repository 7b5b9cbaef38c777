//go:build cloud

package aws_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/test/faults/ledger"
)

// A story is what happens in a run beside its fault.
type story struct {
	name string
	// roles are those of the workers that faults befall.
	roles []string
	// schedule is the subscription's, breaker when its circuit opens.
	schedule hermod.Schedule
	breaker  deliver.Breaker
	// answers is what the receiver answers to its n-th request; 200 if nil.
	answers func(n int) int
	// hang is called before the receiver answers its n-th request; nil for not.
	hang func(n int)
	// put and encode see each event before it is put and encoded; nil for nobody.
	put, encode func(*hermod.Event)
	play        func(w *world) error
}

// failing answers 500 to the first requests.
func failing(first int) func(int) int {
	return func(n int) int {
		if n <= first {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
}

// stories are short, and together come by everything that accept and deliver do.
func stories() []*story {
	short := hermod.Schedule{5 * time.Second, time.Minute, time.Minute, time.Minute, time.Minute}
	return []*story{
		{name: "published over HTTP", roles: []string{roleAccept}, play: func(w *world) error { return w.publish("", 1, 2) }},
		{
			name: "published over HTTP twice under a key", roles: []string{roleAccept},
			play: func(w *world) error {
				if err := w.publish("key", 1, 2); err != nil {
					return err
				}
				if err := w.settle(); err != nil {
					return err
				}
				w.clock.move(retryAfter)
				return w.publish("key", 1, 2)
			},
		},
		{
			name: "taken from the ingest queue, with one that is no event", roles: []string{roleIngest, rolePoller},
			play: func(w *world) error {
				if err := w.put(w.lane.ingest, "{}"); err != nil {
					return err
				}
				w.unfit++
				return w.enqueue(nativeBody, 1, 2)
			},
		},
		{
			name: "delivered at the first try", roles: []string{roleDeliver, rolePoller},
			play: func(w *world) error { return w.publish("", 1, 2, 3) },
		},
		{
			name: "delivered at the third try", roles: []string{roleDeliver}, schedule: short, answers: failing(2),
			play: func(w *world) error { return w.publish("", 1) },
		},
		{
			name: "delivered after a long wait", roles: []string{roleDeliver, roleDue}, answers: failing(1),
			schedule: hermod.Schedule{time.Hour},
			play:     func(w *world) error { return w.publish("", 1, 2) },
		},
		{
			name: "dead, and redriven", roles: []string{roleDeliver}, schedule: hermod.Schedule{5 * time.Second}, answers: failing(2),
			play: func(w *world) error {
				if err := w.publish("", 1); err != nil {
					return err
				}
				if err := w.settle(); err != nil {
					return err
				}
				w.clock.move(time.Hour)
				_, err := w.redrive()
				return err
			},
		},
		{
			name: "parked, probed and drained", roles: []string{roleDeliver, roleDue}, schedule: short, answers: failing(4),
			breaker: deliver.Breaker{Failures: 3},
			play: func(w *world) error {
				if err := w.publish("", 1, 2, 3); err != nil {
					return err
				}
				return nil
			},
		},
		{
			name: "switched off by 410 Gone", roles: []string{roleDeliver},
			answers: func(int) int { return http.StatusGone },
			play:    func(w *world) error { w.ledger.MayDrop(w.subscription); return w.publish("", 1) },
		},
	}
}

// nativeBody and cloudBody are an event in Hermod's form and as a CloudEvent, which has a
// key.
func nativeBody(n int, account string) string {
	return fmt.Sprintf(`{"accountId":%q,"sender":%q,"eventName":"happened","eventData":%s}`, account, sender, ledger.Data(n))
}

func cloudBody(n int, account string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"c-%d","source":"x","type":%q,"accountid":%q,"data":%s}`,
		n, sender+":happened", account, ledger.Data(n))
}

// enqueue puts events into the ingest queue: SQS's answer is what acknowledges them.
func (w *world) enqueue(form func(n int, account string) string, payloads ...int) error {
	bodies := make([]string, len(payloads))
	for i, n := range payloads {
		bodies[i] = form(n, w.account)
		w.queued = append(w.queued, n)
		w.ledger.Sent(ledger.Publication{Payload: n, Subscriptions: []string{w.subscription}})
	}
	return w.put(w.lane.ingest, bodies...)
}

// put sends messages as they are.
func (w *world) put(url string, bodies ...string) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i := range bodies {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]}
	}
	out, err := w.lane.client.SendMessageBatch(w.ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return err
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("%d messages were not taken", len(out.Failed))
	}
	return nil
}

// deadLetters empties a dead-letter queue.
func (w *world) deadLetters(ctx context.Context, url string) (letters []types.Message, err error) {
	for {
		out, err := w.lane.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			return letters, err
		}
		letters = append(letters, out.Messages...)
		var done []types.DeleteMessageBatchRequestEntry
		for i, m := range out.Messages {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := w.lane.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: done}); err != nil {
			return letters, err
		}
	}
}

// redrive is StartMessageMoveTask on both queues as AWS documents it: each dead letter
// becomes a new message with the body and the attributes of the old one. It answers how
// many there were.
func (w *world) redrive() (moved int, err error) {
	for dead, url := range map[string]string{w.lane.deadDeliveries: w.lane.delivery, w.lane.deadIngest: w.lane.ingest} {
		letters, err := w.deadLetters(w.ctx, dead)
		if err != nil {
			return moved, err
		}
		for _, m := range letters {
			_, err := w.lane.client.SendMessage(w.ctx, &sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
			})
			if err != nil {
				return moved, err
			}
			moved++
		}
	}
	return moved, nil
}
