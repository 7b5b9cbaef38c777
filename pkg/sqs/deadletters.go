package sqs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
)

// DeadLetters is a dead-letter queue in an operator's hands.
type DeadLetters struct {
	client *sqs.Client
	url    string
}

// OpenDeadLetters finds the queue by its URL or its ARN.
func OpenDeadLetters(ctx context.Context, cfg aws.Config, queue string) (*DeadLetters, error) {
	d := &DeadLetters{client: sqs.NewFromConfig(cfg), url: queue}
	if !strings.HasPrefix(queue, "arn:") {
		return d, nil
	}
	parts := strings.Split(queue, ":") // arn:partition:sqs:region:account:name
	if len(parts) != 6 || parts[2] != "sqs" {
		return nil, hermod.Errorf(hermod.CodeInvalid, "%s is not the ARN of a queue", queue)
	}
	out, err := d.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &parts[5], QueueOwnerAWSAccountId: &parts[4]})
	if err != nil {
		return nil, awscfg.Wrap("finding the queue", err)
	}
	d.url = aws.ToString(out.QueueUrl)
	return d, nil
}

// peekTime is how long a message that was looked at stays hidden: until the look is over.
const peekTime = 30 * time.Second

// Peek receives at most so many messages without deleting them. They are hidden for
// peekTime, and from a move that begins meanwhile.
func (d *DeadLetters) Peek(ctx context.Context, most int) (letters []hermod.DeadMessage, err error) {
	seen := map[string]bool{}
	for empty := 0; len(letters) < most && empty < 2; {
		out, err := d.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &d.url, MaxNumberOfMessages: int32(min(most-len(letters), maxBatch)), WaitTimeSeconds: 1, //nolint:gosec // 10 at most
			VisibilityTimeout: int32(peekTime / time.Second), MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
			MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return nil, awscfg.Wrap("receiving dead letters", err)
		}
		empty++
		for i := range out.Messages {
			m := &out.Messages[i]
			if id := aws.ToString(m.MessageId); !seen[id] {
				seen[id], empty = true, 0
				letters = append(letters, hermod.DeadMessage{
					ID: id, Body: []byte(aws.ToString(m.Body)), SentAt: millis(m.Attributes["SentTimestamp"]), Reason: busReason(m),
				})
			}
		}
	}
	return letters, nil
}

// busReason is why the event bus could not hand a message over, which EventBridge says
// in the message's attributes; "" for a message that came another way.
func busReason(m *types.Message) string {
	return aws.ToString(m.MessageAttributes["ERROR_CODE"].StringValue)
}

// A Move is how far the moving back of dead letters is.
type Move struct {
	// Status is RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED.
	Status       string
	Moved, Total int64
	// Failure says why it failed; "" where it did not.
	Failure string
}

// StartMove has SQS move all messages back to the queues they came from, at most so many
// a second; 0 is as fast as SQS can. There is no filter, and one move a queue at a time.
func (d *DeadLetters) StartMove(ctx context.Context, rate int) error {
	arn, err := d.arn(ctx)
	if err != nil {
		return err
	}
	in := &sqs.StartMessageMoveTaskInput{SourceArn: &arn}
	if rate > 0 {
		in.MaxNumberOfMessagesPerSecond = aws.Int32(int32(rate)) //nolint:gosec // MaxMoveRate at most
	}
	if _, err := d.client.StartMessageMoveTask(ctx, in); err != nil {
		return awscfg.Wrap("starting to move the dead letters back", err)
	}
	return nil
}

// MaxMoveRate bounds the messages a second of a move, by SQS.
const MaxMoveRate = 500

// LastMove is the latest move of the queue; it fails with CodeNotFound where there was
// none.
func (d *DeadLetters) LastMove(ctx context.Context) (Move, error) {
	arn, err := d.arn(ctx)
	if err != nil {
		return Move{}, err
	}
	out, err := d.client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &arn, MaxResults: aws.Int32(1)})
	if err != nil {
		return Move{}, awscfg.Wrap("reading how far the move is", err)
	}
	if len(out.Results) == 0 {
		return Move{}, hermod.Errorf(hermod.CodeNotFound, "no move of this queue is known")
	}
	r := out.Results[0]
	return Move{
		Status: aws.ToString(r.Status), Moved: r.ApproximateNumberOfMessagesMoved,
		Total: aws.ToInt64(r.ApproximateNumberOfMessagesToMove), Failure: aws.ToString(r.FailureReason),
	}, nil
}

func (d *DeadLetters) arn(ctx context.Context) (string, error) {
	out, err := d.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &d.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", awscfg.Wrap("finding the queue", err)
	}
	arn := out.Attributes[string(types.QueueAttributeNameQueueArn)]
	if arn == "" {
		return "", fmt.Errorf("the queue has no ARN")
	}
	return arn, nil
}
