//go:build cloud

package aws_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/hermod"
	"hermod/test/faults/ledger"
)

// alone plays one story on a lane of its own.
func alone(t *testing.T, s *story) *result {
	t.Helper()
	results := newSuite(t, 1).play([]run{{story: s}})
	if len(results) == 0 {
		t.FailNow()
	}
	t.Log(results[0].verdict)
	return results[0]
}

// batch receives messages until there are so many.
func (w *world) batch(url string, n int) (batch events.SQSEvent, err error) {
	for len(batch.Records) < n {
		out, err := w.lane.client.ReceiveMessage(w.ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return batch, err
		}
		if len(out.Messages) == 0 {
			return batch, fmt.Errorf("there are %d messages, want %d", len(batch.Records), n)
		}
		for i := range out.Messages {
			batch.Records = append(batch.Records, w.record(&out.Messages[i]))
		}
	}
	return batch, nil
}

// handOutTwice hands a batch to two workers at once, each in an order of its own, and to a
// third one when all is over.
func (w *world) handOutTwice(url, role string, batch events.SQSEvent) error {
	now := w.clock.now()
	w.ledger.Note(ledger.Incident{Name: "messages handed out twice at once", From: now, To: now.Add(time.Minute)})
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		shuffled := events.SQSEvent{Records: append([]events.SQSMessage(nil), batch.Records...)}
		rand.Shuffle(len(shuffled.Records), func(a, b int) {
			shuffled.Records[a], shuffled.Records[b] = shuffled.Records[b], shuffled.Records[a]
		})
		wg.Go(func() { errs[i] = w.handle(url, fmt.Sprint(role, i), shuffled) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	w.clock.move(time.Hour) // past the incident: what is pushed now has no excuse
	return w.handle(url, role, batch)
}

func TestMessagesHandedOutTwiceAndOutOfOrderDoNoHarm(t *testing.T) {
	t.Parallel()
	const n = 8
	payloads := []int{1, 2, 3, 4, 5, 6, 7, 8}
	r := alone(t, &story{name: "duplicates of both queues", answers: failing(3), schedule: hermod.Schedule{5 * time.Second, time.Minute}, play: func(w *world) error {
		if err := w.enqueue(nativeBody, payloads...); err != nil {
			return err
		}
		accepting, err := w.batch(w.lane.ingest, n)
		if err != nil {
			return err
		}
		if err := w.handOutTwice(w.lane.ingest, roleIngest, accepting); err != nil {
			return err
		}
		delivering, err := w.batch(w.lane.delivery, n)
		if err != nil {
			return err
		}
		return w.handOutTwice(w.lane.delivery, roleDeliver, delivering)
	}})
	if v := r.verdict; v.Events != n || v.Acknowledged != n || v.Dead > 0 {
		t.Errorf("%d events, %d of them acknowledged, %d dead: want %d and none dead", v.Events, v.Acknowledged, v.Dead, n)
	}
}

// A function that takes too long is ended in the middle of its batch: what has its row is
// done, and the rest comes again.
func TestAnInvocationCutByItsDeadlineLosesNothing(t *testing.T) {
	t.Parallel()
	const events, hanging = 5, 3
	ended := make(chan struct{})
	r := alone(t, &story{
		name: "an invocation cut by its deadline",
		hang: func(n int) {
			if n > events-hanging && n <= events {
				<-ended
			}
		},
		play: func(w *world) error {
			if err := w.publish("", 1, 2, 3, 4, 5); err != nil {
				return err
			}
			w.deadline = func() error { return w.written(events - hanging) }
			_, err := w.poll(w.lane.delivery, roleDeliver)
			close(ended)
			w.deadline = nil
			return err
		},
	})
	if v := r.verdict; v.Pushes != events+hanging || v.Explained["cut by the deadline"] != hanging {
		t.Errorf("%s: want the three pushes that hung made again, and the two others not", v)
	}
}

// written waits until there are so many rows, and all pushes of the batch are under way.
func (w *world) written(rows int) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		state, err := ledger.Read(w.ctx, w.store, w.account)
		if err != nil {
			return err
		}
		w.mu.Lock()
		pushes := w.pushes
		w.mu.Unlock()
		if len(state.Attempts) == rows && pushes == len(state.Events) {
			return nil
		}
		select {
		case <-look.C:
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

// explode panics over one event of several.
func explode(e *hermod.Event) {
	if n, _ := ledger.PayloadOf(e.Data); n == 3 {
		panic("over an event")
	}
}

func TestAMessageThatPanicsIsDeadAndItsBatchIsNot(t *testing.T) {
	t.Parallel()
	t.Run("deliver", func(t *testing.T) {
		t.Parallel()
		r := alone(t, &story{name: "a panic", encode: explode, play: func(w *world) error { return w.publish("", 1, 2, 3, 4, 5) }})
		if v := r.verdict; v.Dead != 1 || v.Deliveries != 5 || v.Pushes != 4 {
			t.Errorf("%s: want four delivered at once, and one dead", v)
		}
	})
	t.Run("ingest", func(t *testing.T) {
		t.Parallel()
		r := alone(t, &story{name: "a panic", put: explode, play: func(w *world) error {
			w.unfit++ // the one that panics is refused in the end
			return w.enqueue(nativeBody, 1, 2, 3, 4, 5)
		}})
		if v := r.verdict; v.Refused != 1 || v.Acknowledged != 4 || v.Pushes != 4 {
			t.Errorf("%s: want four accepted and delivered, and one refused", v)
		}
	})
}

// A message outlives an outage by its pauses. One whose receives are used up before the
// outage is over is among the dead letters, from where an operator moves it back. It has a
// key of its own, so that it is the same event then.
func TestNothingIsLostInAnOutage(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"DynamoDB", "SQS"} {
		for name, last := range map[string]time.Duration{"short": time.Minute, "long": 5 * time.Hour} {
			t.Run(service+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := alone(t, &story{name: "an outage", play: func(w *world) error {
					if err := w.publish("", 1, 2, 3); err != nil {
						return err
					}
					if err := w.enqueue(cloudBody, 4, 5); err != nil {
						return err
					}
					w.goDown(service, last)
					if w.post("", `{"sender":"faults","eventName":"happened","eventData":1}`) != nil {
						t.Error("an event was acknowledged in the outage")
					}
					if err := w.settle(); err != nil {
						return err
					}
					w.clock.moveTo(w.downUntil.Add(time.Minute))
					moved, err := w.redrive()
					if (moved > 0) != (name == "long") {
						t.Errorf("%d messages were among the dead letters", moved)
					}
					return err
				}})
				if v := r.verdict; v.Acknowledged != 5 || v.Dead > 0 || v.Refused > 0 {
					t.Errorf("%s: want all delivered in the end", v)
				}
			})
		}
	}
}
