package sqs_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/sqs"
)

func deadLettersOn(t *testing.T, s *server, queue string) *sqs.DeadLetters {
	t.Helper()
	cfg, err := awscfg.Load(func(string) string { return "x" }, awscfg.SQS)
	if err != nil {
		t.Fatal(err)
	}
	cfg.BaseEndpoint = aws.String("http://sqs.test")
	cfg.HTTPClient = s
	d, err := sqs.OpenDeadLetters(t.Context(), cfg, queue)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPeekShowsEachDeadLetterOnceAndDeletesNone(t *testing.T) {
	t.Parallel()
	message := func(id string) map[string]any {
		sum := md5.Sum([]byte("body"))
		return map[string]any{
			"MessageId": id, "Body": "body", "MD5OfBody": hex.EncodeToString(sum[:]), "Attributes": map[string]any{"SentTimestamp": "1795348800000"},
			"MessageAttributes": map[string]any{"ERROR_CODE": map[string]any{"DataType": "String", "StringValue": "NO_PERMISSIONS"}},
		}
	}
	for _, tt := range []struct{ most, shown int }{{100, 4}, {3, 3}} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(n int, _ map[string]any) (int, any) {
				switch n {
				case 1:
					return 200, map[string]any{"Messages": []any{message("a"), message("b")}}
				case 2: // as a standard queue may, one of them again
					return 200, map[string]any{"Messages": []any{message("b"), message("c")}}
				case 4:
					return 200, map[string]any{"Messages": []any{message("d")}}
				default:
					return 200, map[string]any{}
				}
			}}
			letters, err := deadLettersOn(t, s, "http://sqs.test/dead").Peek(t.Context(), tt.most)
			if err != nil || len(letters) != tt.shown {
				t.Fatalf("got %d, %v", len(letters), err)
			}
			if l := letters[0]; l.ID != "a" || string(l.Body) != "body" || l.Reason != "NO_PERMISSIONS" || l.SentAt.UnixMilli() != 1795348800000 {
				t.Errorf("got %+v", l)
			}
			for _, r := range s.seen() {
				if r["ReceiptHandle"] != nil || r["VisibilityTimeout"] == nil {
					t.Errorf("asked %v", r)
				}
			}
		})
	}
}

func TestAMoveIsStartedAtARateAndWatched(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:sqs:eu-west-1:123456789012:hermod-delivery-dead"
	s := &server{answer: func(_ int, r map[string]any) (int, any) {
		switch {
		case r["QueueName"] != nil:
			return 200, map[string]any{"QueueUrl": "http://sqs.test/dead"}
		case r["AttributeNames"] != nil:
			return 200, map[string]any{"Attributes": map[string]any{"QueueArn": arn}}
		case r["MaxResults"] != nil:
			return 200, map[string]any{"Results": []any{map[string]any{
				"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 7, "ApproximateNumberOfMessagesToMove": 9,
			}}}
		default:
			return 200, map[string]any{"TaskHandle": "x"}
		}
	}}
	d := deadLettersOn(t, s, arn)
	if err := d.StartMove(t.Context(), 20); err != nil {
		t.Fatal(err)
	}
	requests := s.seen()
	if last := requests[len(requests)-1]; last["SourceArn"] != arn || fmt.Sprint(last["MaxNumberOfMessagesPerSecond"]) != "20" || last["DestinationArn"] != nil {
		t.Errorf("asked %v", last)
	}
	move, err := d.LastMove(t.Context())
	if err != nil || move != (sqs.Move{Status: "RUNNING", Moved: 7, Total: 9}) {
		t.Errorf("got %+v, %v", move, err)
	}
}

func TestAnARNOfNoQueueIsRefused(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{"arn:", "arn:aws:sns:eu-west-1:123456789012:x", "arn:aws:sqs:eu-west-1:x"} {
		if _, err := sqs.OpenDeadLetters(t.Context(), aws.Config{}, arn); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("%s: %v", arn, err)
		}
	}
}
