package dynamo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
)

// These tests show what no emulator does: lost answers, throttling, transactions
// that meet, batches left undone. The answers are as AWS documents them.

type object = map[string]any

// A call is one request that reached DynamoDB.
type call struct {
	operation string
	in        object
}

// A service answers requests. A status of 0 is a lost answer.
type service struct {
	mu     sync.Mutex
	calls  []call
	answer func(n int, c call) (status int, body any)
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c := call{operation: operation}
	if err := json.NewDecoder(r.Body).Decode(&c.in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	n := len(s.calls)
	s.mu.Unlock()
	status, body := s.answer(n, c)
	switch {
	case status == 0:
		return nil, errors.New("connection reset by peer")
	case status < 0: // hangs
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var content io.Reader = bytes.NewReader(encoded)
	if cut, ok := body.(cutOff); ok {
		content = io.MultiReader(strings.NewReader(`{"Item":{`), iotest.ErrReader(cut.err))
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(content), Request: r,
	}, nil
}

// cutOff is a body whose end does not arrive.
type cutOff struct{ err error }

func storeOn(t *testing.T, answer func(n int, c call) (int, any)) (*dynamo.Store, *service) {
	t.Helper()
	return storeOf(t, dynamo.Shards{}, answer)
}

func storeOf(t *testing.T, shards dynamo.Shards, answer func(n int, c call) (int, any)) (*dynamo.Store, *service) {
	t.Helper()
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}[name]
	}, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{answer: answer}
	cfg.BaseEndpoint = aws.String("http://dynamodb.test")
	cfg.HTTPClient = s
	var mu sync.Mutex
	next := byte(0)
	random := func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		next++
		b[0] = next
	}
	tables := dynamo.Tables{Config: "config", Events: "events", Deliveries: "deliveries", Shards: shards}
	return dynamo.New(cfg, tables, time.Now, random), s
}

// storeUnderTest is short for the long name.
type storeUnderTest = *dynamo.Store

func fault(kind string, more object) object {
	body := object{"__type": "com.amazonaws.dynamodb.v20120810#" + kind}
	for name, value := range more {
		body[name] = value
	}
	return body
}

func attempt() *hermod.Attempt {
	return &hermod.Attempt{AttemptKey: hermod.AttemptKey{
		RunKey: hermod.RunKey{SubscriptionID: "s", EventID: hermod.FirstIDAt(time.Unix(1_800_000_000, 0))}, Number: 1,
	}, Owner: "a", Account: "a", State: hermod.Succeeded}
}

func event() *hermod.Event {
	return &hermod.Event{ID: attempt().EventID, AccountID: "a", Sender: "s", Name: "n", Data: []byte("1")}
}

// bubble runs a test on a clock that waits are skipped on.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func wantCode(t *testing.T, err error, want hermod.Code) {
	t.Helper()
	if got := hermod.CodeOf(err); got != want {
		t.Errorf("got %v of code %q, want %q", err, got, want)
	}
}

func TestPutWhoseAnswerWasLostIsKnownAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first any
		s, _ := storeOn(t, func(n int, c call) (int, any) {
			if n == 1 {
				first = c.in["Item"] // it arrived
				return 0, nil
			}
			return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": first})
		})
		wantCode(t, s.PutAttempt(t.Context(), attempt()), "")
	})
}

func TestPutThatLostToAnEqualRowIsAConflict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first any
		s, _ := storeOn(t, func(n int, c call) (int, any) {
			if n == 1 {
				first = c.in["Item"]
				return http.StatusOK, object{}
			}
			return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": first})
		})
		wantCode(t, s.PutAttempt(t.Context(), attempt()), "")
		wantCode(t, s.PutAttempt(t.Context(), attempt()), hermod.CodeConflict)
	})
}

func TestEventThatIsThereAlreadyIsPut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := storeOn(t, func(int, call) (int, any) {
			return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": object{"PK": object{"S": "a#0"}}})
		})
		wantCode(t, s.PutEvents(t.Context(), []*hermod.Event{event()}), "")
	})
}

func TestPutOfAnEventIsGivenUpAfterTwoSeconds(t *testing.T) {
	for name, answer := range map[string]func(int, call) (int, any){
		"no answer": func(int, call) (int, any) { return -1, nil },
		"throttled": func(int, call) (int, any) {
			return http.StatusBadRequest, fault("ProvisionedThroughputExceededException", nil)
		},
		"broken": func(int, call) (int, any) { return http.StatusInternalServerError, fault("InternalServerError", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _ := storeOn(t, answer)
				start := time.Now()
				wantCode(t, s.PutEvents(t.Context(), []*hermod.Event{event()}), hermod.CodeUnavailable)
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %s, want 2 s at most", took)
				}
			})
		})
	}
}

// The SDK's own list of what to try again lacks this one, which single writes get while a
// transaction is about the same row.
func TestWriteThatMeetsATransactionIsTriedAgain(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, s storeUnderTest) error{
		"a put": func(t *testing.T, s storeUnderTest) error { return s.PutAttempt(t.Context(), attempt()) },
		"an update": func(t *testing.T, s storeUnderTest) error {
			_, err := s.Fail(t.Context(), subscription().Ref(), time.Now(), "x")
			return err
		},
		"a delete": func(t *testing.T, s storeUnderTest) error {
			return s.DeleteHealth(t.Context(), &hermod.Health{Owner: "a", SubscriptionID: "s"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, calls := storeOn(t, func(n int, _ call) (int, any) {
					if n == 1 {
						return http.StatusBadRequest, fault("TransactionConflictException", nil)
					}
					return http.StatusOK, object{"Attributes": object{"PK": object{"S": "health#a#s"}}}
				})
				wantCode(t, write(t, s), "")
				if len(calls.calls) != 2 {
					t.Errorf("got %d requests, want 2", len(calls.calls))
				}
			})
		})
	}
}

// Ten failures open a circuit: one that is counted twice would open it early.
func TestFailureWhoseCountWasNotAnsweredCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var row object
		failures := 0
		s, _ := storeOn(t, func(n int, c call) (int, any) {
			mark := c.in["ExpressionAttributeValues"].(object)[":mark"] //nolint:forcetypeassert // a test's
			if row != nil && reflect.DeepEqual(row["w"], mark) && strings.Contains(c.in["ConditionExpression"].(string), "w <> :mark") {
				return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": row})
			}
			failures++
			row = object{"PK": object{"S": "health#a#s"}, "f": object{"N": strconv.Itoa(failures)}, "w": mark}
			if n == 1 {
				return 0, nil // it was counted
			}
			return http.StatusOK, object{"Attributes": row}
		})
		for want := 1; want <= 2; want++ {
			h, err := s.Fail(t.Context(), subscription().Ref(), time.Now(), "x")
			wantCode(t, err, "")
			if h == nil || h.Failures != want {
				t.Errorf("got %+v, want %d failures", h, want)
			}
		}
	})
}

func subscription() *hermod.Subscription {
	return &hermod.Subscription{ID: "s", Owner: "a", Version: 3}
}

// standing is what a read answers of a subscription whose owner is gone.
func standing(c call) (int, any) {
	if c.in["Key"].(object)["SK"].(object)["S"] == "owner" { //nolint:forcetypeassert // a test's
		return http.StatusOK, object{}
	}
	return http.StatusOK, object{"Item": object{"PK": object{"S": "a"}, "SK": object{"S": "sub#s"}, "v": object{"N": "3"}}}
}

// cancelled is a transaction cancelled for the reasons, one an item.
func cancelled(reasons ...string) (int, any) {
	var list []object
	for _, r := range reasons {
		list = append(list, object{"Code": r})
	}
	return http.StatusBadRequest, fault("TransactionCanceledException", object{"CancellationReasons": list})
}

func TestTransactionThatMetAnotherIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, calls := storeOn(t, func(n int, c call) (int, any) {
			if c.operation == "GetItem" {
				return standing(c)
			}
			if n < 7 {
				return cancelled("None", "TransactionConflict")
			}
			return http.StatusOK, object{}
		})
		sub := subscription()
		wantCode(t, s.UpdateSubscription(t.Context(), sub), "")
		if sub.Version != 4 || len(calls.calls) != 7 {
			t.Errorf("got version %d after %d requests, want 4 after a read and 6 tries", sub.Version, len(calls.calls))
		}
		token := calls.calls[1].in["ClientRequestToken"]
		if token == nil || token != calls.calls[6].in["ClientRequestToken"] {
			t.Error("the tries have different tokens: one that arrived twice would take effect twice")
		}
	})
}

func TestReasonsOfACancelledTransactionHaveCodes(t *testing.T) {
	for name, c := range map[string]struct {
		reasons        []string
		create, update hermod.Code
		requests       int
	}{
		"the row is in the way, or of another version": {
			[]string{"ConditionalCheckFailed", "None"}, hermod.CodeConflict, hermod.CodePreconditionFailed, 1,
		},
		"no owner":        {[]string{"None", "ConditionalCheckFailed"}, hermod.CodeNotFound, hermod.CodePreconditionFailed, 2},
		"meets for ever":  {[]string{"TransactionConflict", "None"}, hermod.CodeUnavailable, hermod.CodeUnavailable, 12},
		"throttled":       {[]string{"ThrottlingError", "None"}, hermod.CodeUnavailable, hermod.CodeUnavailable, 12},
		"refused as such": {[]string{"ValidationError", "None"}, hermod.CodeInternal, hermod.CodeInternal, 1},
		"meets and fails": {
			[]string{"ConditionalCheckFailed", "TransactionConflict"}, hermod.CodeConflict, hermod.CodePreconditionFailed, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, calls := storeOn(t, func(_ int, asked call) (int, any) {
					if asked.operation == "GetItem" {
						return standing(asked)
					}
					return cancelled(c.reasons...)
				})
				wantCode(t, s.CreateSubscription(t.Context(), subscription()), c.create)
				if len(calls.calls) != c.requests {
					t.Errorf("got %d requests, want %d", len(calls.calls), c.requests)
				}
				sub := subscription()
				wantCode(t, s.UpdateSubscription(t.Context(), sub), c.update)
				if sub.Version != 3 {
					t.Errorf("got version %d of a row not changed, want 3", sub.Version)
				}
			})
		})
	}
}

func TestKeysLeftUnprocessedAreAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, calls := storeOn(t, func(_ int, c call) (int, any) {
			keys := c.in["RequestItems"].(object)["config"].(object)["Keys"].([]any) //nolint:forcetypeassert // a test's
			answer := object{"Responses": object{"config": keys[:1]}}
			if len(keys) > 1 {
				answer["UnprocessedKeys"] = object{"config": object{"Keys": keys[1:]}}
			}
			return http.StatusOK, answer
		})
		owners, err := s.Owners(t.Context(), []string{"a", "b", "c", "a"})
		wantCode(t, err, "")
		if len(owners) != 3 || len(calls.calls) != 3 {
			t.Errorf("got %d owners in %d requests, want 3 in 3", len(owners), len(calls.calls))
		}
	})
}

func TestBatchesThatMakeNoProgressEndUnavailable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := storeOn(t, func(_ int, c call) (int, any) {
			answer := object{"Responses": object{}}
			answer["UnprocessedKeys"] = c.in["RequestItems"]
			if c.operation == "BatchWriteItem" {
				answer = object{"UnprocessedItems": c.in["RequestItems"]}
			}
			return http.StatusOK, answer
		})
		_, err := s.Owners(t.Context(), []string{"a"})
		wantCode(t, err, hermod.CodeUnavailable)
		wantCode(t, s.RegisterTypes(t.Context(), "a", []string{"s:n"}), hermod.CodeUnavailable)
	})
}

func TestBoundsThatCrossAskForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, calls := storeOn(t, func(int, call) (int, any) { return http.StatusOK, object{} })
		low, high := attempt().AttemptKey, attempt().AttemptKey
		high.Number = 2
		attempts, err := s.Attempts(t.Context(), hermod.LogQuery{Owner: "a", SubscriptionID: "s", Above: &high, Below: &low, Limit: 10})
		wantCode(t, err, "")
		later := hermod.FirstIDAt(low.EventID.Time().Add(time.Second))
		events, err := s.Events(t.Context(), hermod.EventQuery{Owner: "a", Above: later, Below: low.EventID, Limit: 10})
		wantCode(t, err, "")
		if rows := len(attempts.Attempts) + len(events.Events); rows+len(calls.calls) > 0 {
			t.Errorf("got %d rows in %d requests, want none", rows, len(calls.calls))
		}
	})
}
