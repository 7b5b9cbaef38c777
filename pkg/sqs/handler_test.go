package sqs_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/sqs"
)

// now is the tests' clock.
func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// A server answers the SDK's requests: one operation after another, and keeps them.
type server struct {
	mu       sync.Mutex
	requests []map[string]any
	answer   func(n int, request map[string]any) (status int, body any)
}

func (s *server) Do(r *http.Request) (*http.Response, error) {
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
	status, body := s.answer(len(s.requests), request)
	if status == 0 {
		return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var content io.Reader = strings.NewReader(string(encoded))
	if body == cutOff {
		content = io.MultiReader(strings.NewReader(`{"Successful":[`), iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(content), Request: r,
	}, nil
}

// cutOff is the body of an answer whose end does not arrive. A status of 0 is no answer.
const cutOff = "cut off"

func (s *server) seen() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// queueOn makes a Queue whose requests the server answers.
func queueOn(t *testing.T, s *server) *sqs.Queue {
	t.Helper()
	cfg, err := awscfg.Load(func(name string) string { return "x" + strings.ToLower(name[4:5]) }, awscfg.SQS)
	if err != nil {
		t.Fatal(err)
	}
	cfg.BaseEndpoint = aws.String("http://sqs.test")
	cfg.HTTPClient = s
	return sqs.New(cfg, sqs.Options{URL: "http://sqs.test/q", Now: now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

// accepted answers a batch request with success for each entry.
func accepted(_ int, request map[string]any) (int, any) {
	var done []map[string]any
	for _, e := range entries(request) {
		done = append(done, map[string]any{"Id": e["Id"], "MessageId": "m", "MD5OfMessageBody": md5Of(e), "MD5OfMessageAttributes": ""})
	}
	return http.StatusOK, map[string]any{"Successful": done, "Failed": []any{}}
}

func entries(request map[string]any) (list []map[string]any) {
	raw, _ := request["Entries"].([]any)
	for _, e := range raw {
		list = append(list, e.(map[string]any)) //nolint:forcetypeassert // a test's
	}
	return list
}

func records(n int) (event events.SQSEvent) {
	for i := range n {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: "m" + strconv.Itoa(i), ReceiptHandle: "r" + strconv.Itoa(i), Body: "b" + strconv.Itoa(i),
		})
	}
	return event
}

func failed(response events.SQSEventResponse) (ids []string) {
	for _, f := range response.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func always(o ...hermod.Outcome) hermod.Handler {
	return func(context.Context, []hermod.Received) []hermod.Outcome { return o }
}

// The sample of aws-lambda-go is an event that SQS made.
func TestSampleEventOfAWSIsUnderstood(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "events/testdata/sqs-event.json"))
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal(content, &event); err != nil {
		t.Fatal(err)
	}
	var got []hermod.Received
	response, err := sqs.Handler(func(_ context.Context, batch []hermod.Received) []hermod.Outcome {
		got = batch
		return make([]hermod.Outcome, len(batch))
	}, nil)(t.Context(), event)
	if err != nil || len(response.BatchItemFailures) > 0 {
		t.Errorf("got failures %v (%v), want none", response.BatchItemFailures, err)
	}
	want := []hermod.Received{{
		ID: "MessageID_1", Body: []byte("Message Body"), Receives: 2,
		SentAt: time.UnixMilli(1520621625029).UTC(), Sender: "AROAIWPX5BD2BHG722MW4:sender",
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMessageMovedBackFromTheDeadLettersIsTold(t *testing.T) {
	t.Parallel()
	const sentTimestamp = 1_700_000_000_000
	for name, c := range map[string]struct {
		first string // the attribute; "" for none
		want  bool
	}{
		"fresh":                         {strconv.Itoa(sentTimestamp - 3), false},
		"sent with all its retries":     {strconv.Itoa(sentTimestamp - 24_999), false},
		"moved":                         {strconv.Itoa(sentTimestamp - 25_001), true},
		"moved after days":              {strconv.Itoa(sentTimestamp - 259_200_000), true},
		"sender's clock ahead":          {strconv.Itoa(sentTimestamp + 60_000), false},
		"from a producer, no attribute": {"", false},
		"an attribute that is no time":  {"x", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := records(1)
			event.Records[0].Attributes = map[string]string{"SentTimestamp": strconv.Itoa(sentTimestamp)}
			if c.first != "" {
				event.Records[0].MessageAttributes = map[string]events.SQSMessageAttribute{
					"sent": {DataType: "Number", StringValue: &c.first},
				}
			}
			_, err := sqs.Handler(func(_ context.Context, batch []hermod.Received) []hermod.Outcome {
				if batch[0].Redriven != c.want {
					t.Errorf("got redriven %t, want %t", batch[0].Redriven, c.want)
				}
				return make([]hermod.Outcome, 1)
			}, nil)(t.Context(), event)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOutcomesBecomeFailuresAndVisibility(t *testing.T) {
	t.Parallel()
	again := func(d time.Duration) hermod.Outcome { return hermod.Outcome{Action: hermod.Again, At: now().Add(d)} }
	s := &server{answer: accepted}
	response, err := sqs.Handler(always(
		hermod.Outcome{}, again(5*time.Second), again(1500*time.Millisecond), again(-time.Hour),
		again(11*time.Hour+59*time.Minute), again(24*time.Hour), hermod.Outcome{Action: hermod.GiveUp}, hermod.Outcome{},
		hermod.Outcome{Action: hermod.Again},
	), queueOn(t, s))(t.Context(), records(9))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := failed(response), []string{"m1", "m2", "m3", "m4", "m5", "m6", "m8"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got failures %v, want %v", got, want)
	}
	hidden := map[string]float64{}
	for _, r := range s.seen() {
		for _, e := range entries(r) {
			hidden[e["ReceiptHandle"].(string)], _ = e["VisibilityTimeout"].(float64) //nolint:forcetypeassert // a test's
		}
	}
	want := map[string]float64{"r1": 5, "r2": 2, "r3": 0, "r4": 43140, "r5": 43140, "r6": 30, "r8": 0}
	if !reflect.DeepEqual(hidden, want) || len(s.seen()) != 1 {
		t.Errorf("got %v in %d requests, want %v in one", hidden, len(s.seen()), want)
	}
}

func TestNoMessageIsLost(t *testing.T) {
	t.Parallel()
	all := []string{"m0", "m1", "m2"}
	for name, c := range map[string]struct {
		h      hermod.Handler
		answer func(int, map[string]any) (int, any)
	}{
		"when the handler panics":          {h: func(context.Context, []hermod.Received) []hermod.Outcome { panic("x") }, answer: accepted},
		"when the handler loses count":     {h: always(hermod.Outcome{}), answer: accepted},
		"when the handler answers nothing": {h: always(), answer: accepted},
		"when messages cannot be hidden": {
			h: always(make([]hermod.Outcome, 0)...),
			answer: func(int, map[string]any) (int, any) {
				return http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
			},
		},
	} {
		for _, with := range []bool{true, false} {
			t.Run(name+"/"+strconv.FormatBool(with), func(t *testing.T) {
				t.Parallel()
				var q *sqs.Queue
				if with {
					q = queueOn(t, &server{answer: c.answer})
				}
				response, err := sqs.Handler(c.h, q)(t.Context(), records(3))
				if got := failed(response); err != nil || !reflect.DeepEqual(got, all) {
					t.Errorf("got failures %v (%v), want all", got, err)
				}
			})
		}
	}
}

func TestMessageThatCannotBeHiddenStillFails(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(int, map[string]any) (int, any){
		"the request fails": func(int, map[string]any) (int, any) {
			return http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
		},
		"the entry fails": func(int, map[string]any) (int, any) {
			return http.StatusOK, map[string]any{"Failed": []any{map[string]any{"Id": "0", "Code": "x", "SenderFault": true}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := queueOn(t, &server{answer: answer})
			response, err := sqs.Handler(always(hermod.Outcome{Action: hermod.GiveUp}), q)(t.Context(), records(1))
			if got := failed(response); err != nil || !reflect.DeepEqual(got, []string{"m0"}) {
				t.Errorf("got failures %v (%v), want m0", got, err)
			}
		})
	}
}
