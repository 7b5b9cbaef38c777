package sqs_test

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
)

func md5Of(e map[string]any) string {
	body, _ := e["MessageBody"].(string)
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

func messages(n int) []hermod.Message {
	list := make([]hermod.Message, n)
	for i := range list {
		list[i] = hermod.Message{SubscriptionID: "s" + strconv.Itoa(i), Trigger: hermod.TriggerMatch}
	}
	return list
}

func TestSendTakesOneRequestForTenMessages(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int{0: 0, 1: 1, 10: 1, 11: 2, 25: 3} {
		s := &server{answer: accepted}
		if err := queueOn(t, s).Send(t.Context(), messages(n)); err != nil {
			t.Fatal(err)
		}
		if got := len(s.seen()); got != requests {
			t.Errorf("got %d requests for %d messages, want %d", got, n, requests)
		}
	}
}

func TestSendGroupsBySubscriptionAndNotesTheTime(t *testing.T) {
	t.Parallel()
	s := &server{answer: accepted}
	sent := messages(2)
	if err := queueOn(t, s).Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	for i, e := range entries(s.seen()[0]) {
		want := map[string]any{
			"Id": strconv.Itoa(i), "MessageGroupId": sent[i].SubscriptionID, "MessageBody": string(sent[i].Encode()),
			"MessageAttributes": map[string]any{
				"sent": map[string]any{"DataType": "Number", "StringValue": strconv.FormatInt(now().UnixMilli(), 10)},
			},
		}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("got %v, want %v", e, want)
		}
	}
}

func TestWhatIsSentAgainIsHiddenForTheWait(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]any{
		-time.Second: nil, 0: nil, time.Millisecond: 1.0, 29500 * time.Millisecond: 30.0, time.Hour: 900.0,
	} {
		s := &server{answer: accepted}
		if err := queueOn(t, s).SendAgain(t.Context(), messages(2), wait); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries(s.seen()[0]) {
			if e["DelaySeconds"] != want {
				t.Errorf("after %v: hidden for %v s, want %v", wait, e["DelaySeconds"], want)
			}
		}
	}
}

func TestLargeBodiesAreSpreadOverRequests(t *testing.T) {
	t.Parallel()
	s := &server{answer: accepted}
	body := []byte(strings.Repeat("x", hermod.MaxEventBytes))
	if err := queueOn(t, s).SendBodies(t.Context(), [][]byte{body, body, body, body, body}); err != nil {
		t.Fatal(err)
	}
	if got := len(s.seen()); got != 2 {
		t.Errorf("got %d requests for five bodies of 256 KB, want 2", got)
	}
}

// refusing fails the entries of the given ids in the first requests.
func refusing(requests int, fault bool, ids ...string) func(int, map[string]any) (int, any) {
	return func(n int, request map[string]any) (int, any) {
		status, answer := accepted(n, request)
		if n <= requests {
			var list []any
			for _, id := range ids {
				list = append(list, map[string]any{"Id": id, "Code": "InternalError", "SenderFault": fault})
			}
			answer.(map[string]any)["Failed"] = list //nolint:forcetypeassert // a test's
		}
		return status, answer
	}
}

func TestFailedEntriesAreSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: refusing(2, false, "1", "3")}
		if err := queueOn(t, s).Send(t.Context(), messages(5)); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for _, r := range s.seen() {
			sizes = append(sizes, len(entries(r)))
		}
		if want := []int{5, 2, 2}; !reflect.DeepEqual(sizes, want) {
			t.Errorf("got requests of %v entries, want %v", sizes, want)
		}
	})
}

func TestSendFailsWithACodeThatSaysWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(int, map[string]any) (int, any)
		want   hermod.Code
	}{
		"entries fail again and again": {refusing(100, false, "0"), hermod.CodeUnavailable},
		"an entry is at fault":         {refusing(100, true, "0"), hermod.CodeInternal},
		"SQS is down":                  {func(int, map[string]any) (int, any) { return http.StatusServiceUnavailable, nil }, hermod.CodeUnavailable},
		"SQS throttles": {func(int, map[string]any) (int, any) {
			return http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#RequestThrottled"}
		}, hermod.CodeUnavailable},
		"SQS has an account's limit": {func(int, map[string]any) (int, any) {
			return http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#OverLimit"}
		}, hermod.CodeUnavailable},
		"SQS is not reached": {func(int, map[string]any) (int, any) { return 0, nil }, hermod.CodeUnavailable},
		"answers break off":  {func(int, map[string]any) (int, any) { return http.StatusOK, cutOff }, hermod.CodeUnavailable},
		"the queue is not there": {func(int, map[string]any) (int, any) {
			return http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
		}, hermod.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := queueOn(t, &server{answer: c.answer}).Send(t.Context(), messages(1))
				if got := hermod.CodeOf(err); got != c.want {
					t.Errorf("got %v of code %q, want %q", err, got, c.want)
				}
			})
		})
	}
}

// Nobody knows whether SQS took what it did not answer: it is sent again, and may be there
// twice, which deliver tells by its rows.
func TestSendOutlivesARefusal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   any
	}{
		"500 without a body":     {http.StatusInternalServerError, nil},
		"503 without a body":     {http.StatusServiceUnavailable, nil},
		"throttling":             {http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#ThrottlingException"}},
		"a queue's own":          {http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.sqs#RequestThrottled"}},
		"the connection is lost": {0, nil},
		"the answer is cut off":  {http.StatusOK, cutOff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, request map[string]any) (int, any) {
					if n == 1 {
						return c.status, c.body
					}
					return accepted(n, request)
				}}
				if err := queueOn(t, s).Send(t.Context(), messages(3)); err != nil {
					t.Fatal(err)
				}
				if n := len(s.seen()); n != 2 || len(entries(s.seen()[1])) != 3 {
					t.Errorf("got %d requests, want a second one with all three", n)
				}
			})
		})
	}
}
