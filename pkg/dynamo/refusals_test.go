package dynamo_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// A refusal is an answer that says: not now.
type refusal struct {
	status int
	body   any
}

// refusals are what DynamoDB answers when it is short of something.
func refusals() map[string]refusal {
	throttled := func(kind string) refusal { return refusal{http.StatusBadRequest, fault(kind, nil)} }
	return map[string]refusal{
		"throughput":             throttled("ProvisionedThroughputExceededException"),
		"throttling":             throttled("ThrottlingException"),
		"the account's limit":    throttled("RequestLimitExceeded"),
		"500":                    {http.StatusInternalServerError, fault("InternalServerError", nil)},
		"500 without a body":     {http.StatusInternalServerError, nil},
		"503 without a body":     {http.StatusServiceUnavailable, nil},
		"the connection is lost": {0, nil},
		"the answer is reset":    {http.StatusOK, cutOff{&net.OpError{Op: "read", Err: syscall.ECONNRESET}}},
		"the answer is cut off":  {http.StatusOK, cutOff{io.ErrUnexpectedEOF}},
		"the answer comes slow":  {http.StatusOK, cutOff{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}}},
	}
}

// operations are one of each that accept and deliver ask for.
func operations() map[string]func(ctx context.Context, s storeUnderTest) error {
	ref := hermod.Ref{Owner: "a", ID: "s"}
	at := time.Unix(1_800_000_000, 0)
	parked := &hermod.Parked{Message: hermod.Message{EventID: attempt().EventID, SubscriptionID: "s"}}
	return map[string]func(ctx context.Context, s storeUnderTest) error{
		"Owners":        func(ctx context.Context, s storeUnderTest) error { _, err := s.Owners(ctx, []string{"a"}); return err },
		"Subscriptions": func(ctx context.Context, s storeUnderTest) error { _, err := s.Subscriptions(ctx, "a"); return err },
		"Definitions":   func(ctx context.Context, s storeUnderTest) error { _, err := s.Definitions(ctx, "a"); return err },
		"RegisterTypes": func(ctx context.Context, s storeUnderTest) error { return s.RegisterTypes(ctx, "a", []string{"s:n"}) },
		"Claim": func(ctx context.Context, s storeUnderTest) error {
			_, err := s.Claim(ctx, []hermod.Claim{{Owner: "a", Key: "k"}})
			return err
		},
		"Reclaim": func(ctx context.Context, s storeUnderTest) error {
			return s.Reclaim(ctx, hermod.Claim{}, hermod.Claim{})
		},
		"EventsByKey": func(ctx context.Context, s storeUnderTest) error {
			_, err := s.EventsByKey(ctx, []hermod.EventKey{event().Key()})
			return err
		},
		"PutEvents": func(ctx context.Context, s storeUnderTest) error { return s.PutEvents(ctx, []*hermod.Event{event()}) },
		"SubscriptionsByRef": func(ctx context.Context, s storeUnderTest) error {
			_, err := s.SubscriptionsByRef(ctx, []hermod.Ref{ref})
			return err
		},
		"LastAttempt": func(ctx context.Context, s storeUnderTest) error {
			_, err := s.LastAttempt(ctx, attempt().RunKey)
			return err
		},
		"PutAttempt": func(ctx context.Context, s storeUnderTest) error { return s.PutAttempt(ctx, attempt()) },
		"ClearDead": func(ctx context.Context, s storeUnderTest) error {
			return s.ClearDead(ctx, []hermod.AttemptKey{attempt().AttemptKey})
		},
		"UpdateSubscription": func(ctx context.Context, s storeUnderTest) error { return s.UpdateSubscription(ctx, subscription()) },
		"Fail":               func(ctx context.Context, s storeUnderTest) error { _, err := s.Fail(ctx, ref, at, "x"); return err },
		"PutHealth": func(ctx context.Context, s storeUnderTest) error {
			return s.PutHealth(ctx, &hermod.Health{Owner: "a", SubscriptionID: "s"})
		},
		"DeleteHealth": func(ctx context.Context, s storeUnderTest) error {
			return s.DeleteHealth(ctx, &hermod.Health{Owner: "a", SubscriptionID: "s"})
		},
		"Park":      func(ctx context.Context, s storeUnderTest) error { return s.Park(ctx, parked) },
		"ParkedOf":  func(ctx context.Context, s storeUnderTest) error { _, err := s.ParkedOf(ctx, "s", 1); return err },
		"Unpark":    func(ctx context.Context, s storeUnderTest) error { return s.Unpark(ctx, []*hermod.Parked{parked}) },
		"Due":       func(ctx context.Context, s storeUnderTest) error { _, err := s.Due(ctx, at, 1); return err },
		"ParkedDue": func(ctx context.Context, s storeUnderTest) error { _, err := s.ParkedDue(ctx, at, 1); return err },
		"ClearDue": func(ctx context.Context, s storeUnderTest) error {
			return s.ClearDue(ctx, []hermod.AttemptKey{attempt().AttemptKey})
		},
		"Attended": func(ctx context.Context, s storeUnderTest) error { _, err := s.Attended(ctx); return err },
	}
}

// Whatever is short for a moment is asked again, and what stays short is unavailable:
// callers try again later, and no message or request is given up for it.
func TestEveryOperationOutlivesARefusalAndIsUnavailableAfterMany(t *testing.T) {
	for operation, do := range operations() {
		for name, r := range refusals() {
			t.Run(operation+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s, calls := storeOn(t, func(n int, _ call) (int, any) {
						if n == 1 {
							return r.status, r.body
						}
						return http.StatusOK, object{
							"Attributes": object{"PK": object{"S": "health#a#s"}},
							"Item":       object{"PK": object{"S": "a"}, "SK": object{"S": "sub#s"}, "v": object{"N": "3"}},
						}
					})
					wantCode(t, do(t.Context(), s), "")
					if len(calls.calls) < 2 {
						t.Error("it was not asked again")
					}
					s, _ = storeOn(t, func(int, call) (int, any) { return r.status, r.body })
					wantCode(t, do(t.Context(), s), hermod.CodeUnavailable)
				})
			})
		}
	}
}

// In a goroutine of its own a panic would end the process, and with it the whole batch of
// messages that a function has in hand.
func TestPanicOverOneRowOfSeveralIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := storeOn(t, func(int, call) (int, any) { return http.StatusOK, object{} })
		wantCode(t, s.PutEvents(t.Context(), []*hermod.Event{event(), nil, event()}), hermod.CodeInternal)
	})
}
