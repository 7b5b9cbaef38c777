//go:build cloud

package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/hermod"
)

// handed is a message that was handed out and not deleted: hidden until.
type handed struct {
	url, receipt string
	until        time.Time
}

// poll is one round of Lambda's poller on a queue: it receives, invokes the function,
// and deletes what has not failed. It answers how many messages there were.
func (w *world) poll(url, role string) (int, error) {
	wait := int32(0)
	if w.awaits() {
		wait = 2
	}
	out, err := w.lane.client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return 0, err
	}
	var batch events.SQSEvent
	for i := range out.Messages {
		m := &out.Messages[i]
		batch.Records = append(batch.Records, w.record(m))
		w.mu.Lock()
		w.handed[*m.MessageId] = handed{url: url, receipt: *m.ReceiptHandle, until: w.clock.now().Add(visibility)}
		w.mu.Unlock()
	}
	if len(batch.Records) == 0 {
		return 0, nil
	}
	return len(batch.Records), w.handle(url, role, batch)
}

// handle invokes the role's function with a batch, and deletes what has not failed.
func (w *world) handle(url, role string, batch events.SQSEvent) error {
	var response events.SQSEventResponse
	answered := w.invoke(role, func(ctx context.Context, k *worker) (err error) {
		function := k.deliver
		if role == roleIngest {
			function = k.ingest
		}
		response, err = function(ctx, batch)
		return err
	})
	if !answered {
		return nil // the messages come back when their visibility ends
	}
	failed := map[string]bool{}
	for _, f := range response.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	var done []types.DeleteMessageBatchRequestEntry
	var ids []string
	for i := range batch.Records {
		if r := &batch.Records[i]; !failed[r.MessageId] {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &r.ReceiptHandle})
			ids = append(ids, r.MessageId)
		}
	}
	if len(done) == 0 {
		return nil
	}
	cfg := w.lane.sqs
	cfg.HTTPClient = w.worker(rolePoller).wire
	out, err := sqs.NewFromConfig(cfg).DeleteMessageBatch(w.ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: done})
	w.worker(rolePoller).end()
	if err != nil || len(out.Failed) > 0 {
		return nil // they come back
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		delete(w.handed, id)
	}
	return nil
}

// record is the message as Lambda passes it to a function. SQS's clock is the machine's.
func (w *world) record(m *types.Message) events.SQSMessage {
	r := events.SQSMessage{
		MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes,
		MessageAttributes: map[string]events.SQSMessageAttribute{},
	}
	if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
		r.Attributes["SentTimestamp"] = strconv.FormatInt(w.clock.when(time.UnixMilli(ms)).UnixMilli(), 10)
	}
	for name, a := range m.MessageAttributes {
		r.MessageAttributes[name] = events.SQSMessageAttribute{DataType: *a.DataType, StringValue: a.StringValue}
	}
	return r
}

// hurry takes the delay off messages but for a second. Their time is noted: nobody looks
// for them before it has come.
func (w *world) hurry(r *http.Request, body []byte) []byte {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SendMessageBatch") {
		return body
	}
	var request object
	if err := json.Unmarshal(body, &request); err != nil {
		return body
	}
	entries, _ := request["Entries"].([]any)
	for i := range entries {
		entry, _ := entries[i].(object)
		if delay, _ := entry["DelaySeconds"].(float64); delay > 1 {
			entry["DelaySeconds"] = 1
			w.mu.Lock()
			w.delayed = append(w.delayed, w.clock.now().Add(time.Duration(delay)*time.Second))
			w.mu.Unlock()
		}
	}
	changed, _ := json.Marshal(request) // it was read from JSON
	return changed
}

// awaits reports whether delayed messages are due, and forgets that they are.
func (w *world) awaits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.delayed)
	now := w.clock.now()
	w.delayed = slices.DeleteFunc(w.delayed, func(at time.Time) bool { return !at.After(now) })
	return len(w.delayed) < before
}

// sawRequest notes for how long messages were hidden.
func (w *world) sawRequest(r *http.Request, body []byte) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ChangeMessageVisibilityBatch") {
		return
	}
	var request struct {
		Entries []struct {
			ReceiptHandle     string
			VisibilityTimeout int
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range request.Entries {
		for id, h := range w.handed {
			if h.receipt == e.ReceiptHandle {
				h.until = w.clock.now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
				w.handed[id] = h
			}
		}
	}
}

// rounds bounds a run: nothing takes so many.
const rounds = 400

var errEndless = fmt.Errorf("there is still something to do after %d rounds", rounds)

// settle lets the functions work until nothing is left to do, and time pass where there
// is nothing but waiting.
func (w *world) settle() error {
	for range rounds {
		ingested, err := w.poll(w.lane.ingest, roleIngest)
		if err != nil {
			return err
		}
		delivered, err := w.poll(w.lane.delivery, roleDeliver)
		if err != nil {
			return err
		}
		if ingested+delivered > 0 {
			continue
		}
		next, due, err := w.next()
		if err != nil {
			return err
		}
		switch {
		case due.IsZero() && next.IsZero():
			return nil
		case !due.IsZero() && (next.IsZero() || !due.After(next)):
			w.clock.moveTo(due)
			w.invoke(roleDue, func(ctx context.Context, k *worker) error { return k.due(ctx) })
		default:
			w.clock.moveTo(next)
			if err := w.show(); err != nil {
				return err
			}
		}
	}
	return errEndless
}

// next is when the next message is to be seen, and when the due function has something to
// do; zero for nothing.
func (w *world) next() (message, due time.Time, err error) {
	earliest := func(t *time.Time, at time.Time) {
		if t.IsZero() || at.Before(*t) {
			*t = at
		}
	}
	w.mu.Lock()
	for _, h := range w.handed {
		earliest(&message, h.until)
	}
	for _, at := range w.delayed {
		earliest(&message, at)
	}
	w.mu.Unlock()
	ever := w.clock.now().AddDate(1, 0, 0)
	rows, err := w.store.Due(w.ctx, ever, 1)
	if err != nil {
		return message, due, err
	}
	for _, a := range rows {
		earliest(&due, a.NextAt)
	}
	parked, err := w.store.ParkedDue(w.ctx, ever, 1)
	if err != nil {
		return message, due, err
	}
	for _, p := range parked {
		earliest(&due, p.WakeAt)
	}
	h, err := w.store.Health(w.ctx, hermod.Ref{Owner: w.account, ID: w.subscription})
	if err != nil || h == nil || !h.Attended() || h.Paused {
		return message, due, err
	}
	switch {
	case h.Circuit == hermod.Draining:
		earliest(&due, w.clock.now())
	case len(parked) > 0: // else the next to come probes
		earliest(&due, h.NextProbeAt)
	}
	return message, due, nil
}

// show has the messages whose time has come handed out again.
func (w *world) show() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, h := range w.handed {
		if h.until.After(w.clock.now()) {
			continue
		}
		delete(w.handed, id)
		_, err := w.lane.client.ChangeMessageVisibility(w.ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &h.url, ReceiptHandle: &h.receipt, VisibilityTimeout: 0,
		})
		if errors.Is(err, context.Canceled) {
			return err
		}
		// One that is deleted, or was handed out meanwhile, has another receipt.
	}
	return nil
}
