//go:build cloud

package dynamo_test

import (
	"maps"
	"testing"
	"time"

	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
)

// The calls are those that accept and deliver make for a batch of ten events that
// match one subscription each, its owner's subscriptions cached. With one
// SendMessageBatch, one ReceiveMessage and one DeleteMessageBatch these are 36
// requests, 3.6 an event.
func TestBatchOfTenFirstTryDeliveriesIsCheap(t *testing.T) {
	t.Parallel()
	for _, e := range emulators {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			cfg := e.config(t)
			tables := createTables(t, cfg)
			count := awscount.New()
			deliverBatch(t, dynamo.New(count.Attach(cfg), tables, time.Now, fillRandom), 10)
			want := map[string]int{"DynamoDB.BatchGetItem": 3, "DynamoDB.PutItem": 20, "DynamoDB.Query": 10}
			if got := count.Requests(); !maps.Equal(got, want) {
				t.Errorf("got requests %v, want %v", got, want)
			}
			if got := count.WriteUnits(); got != 30 {
				t.Errorf("got %v write units for 10 deliveries, want 30", got)
			}
		})
	}
}

func deliverBatch(t *testing.T, s *dynamo.Store, n int) {
	t.Helper()
	ids := hermod.NewIDs(time.Now, fillRandom)
	event, attempt := typical()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var events []*hermod.Event
	var keys []hermod.EventKey
	for range n {
		e := *event
		e.ID = ids.Next()
		events, keys = append(events, &e), append(keys, e.Key())
	}
	_, err := s.Owners(t.Context(), []string{event.AccountID})
	check(err)
	check(s.PutEvents(t.Context(), events))
	_, err = s.EventsByKey(t.Context(), keys)
	check(err)
	_, err = s.SubscriptionsByRef(t.Context(), []hermod.Ref{event.Matches[0]})
	check(err)
	for _, e := range events {
		a := *attempt
		a.EventID = e.ID
		_, err = s.LastAttempt(t.Context(), a.RunKey)
		check(err)
		check(s.PutAttempt(t.Context(), &a))
	}
}
