package sqlite_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
)

// BenchmarkCycle is what one event costs the engine: 64 clients each accept an event
// of 0.5 KB in a transaction with its message, a worker reads the run, the event and
// the subscription, and puts the attempt, and the message is deleted.
func BenchmarkCycle(b *testing.B) {
	const clients = 64
	db := open(b)
	ids := newIDs(time.Now)
	ctx := context.Background()
	sub := &hermod.Subscription{ID: "sub", Owner: "a-bench", Active: true, Type: hermod.Webhook, Sealed: make([]byte, 300)}
	if err := db.CreateOwner(ctx, hermod.Owner{ID: sub.Owner}); err != nil {
		b.Fatal(err)
	}
	if err := db.CreateSubscription(ctx, sub); err != nil {
		b.Fatal(err)
	}
	queue := db.Queue("delivery", sqlite.QueueOptions{})
	ctx, cancel := context.WithCancel(ctx)
	var handled sync.WaitGroup
	handled.Add(b.N)
	handler := func(ctx context.Context, batch []hermod.Received) []hermod.Outcome {
		defer handled.Done()
		if err := deliverOne(ctx, db, batch[0]); err != nil {
			b.Error(err)
		}
		return []hermod.Outcome{{Action: hermod.Done}}
	}
	var run sync.WaitGroup
	run.Go(func() {
		if err := queue.Run(ctx, handler, 128); err != nil {
			b.Error(err)
		}
	})
	journal := db.Journal(queue)
	data := fmt.Appendf(nil, `{"data":"%0480d"}`, 1)
	before := db.Commits()
	b.ResetTimer()
	var accepted sync.WaitGroup
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range clients {
		accepted.Go(func() {
			for range work {
				if err := acceptOne(ctx, journal, ids, data); err != nil {
					b.Error(err)
				}
			}
		})
	}
	accepted.Wait()
	handled.Wait()
	cancel()
	run.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/float64(db.Commits()-before), "events/commit")
}

func acceptOne(ctx context.Context, journal ingest.Journal, ids *hermod.IDs, data []byte) error {
	return journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error {
		e := &hermod.Event{
			ID: ids.Next(), Timestamp: time.Now(), Sender: "sender", Name: "event.name", Data: data, AccountID: "a-bench",
			Matches: []hermod.Ref{{Owner: "a-bench", ID: "sub"}}, RetainUntil: time.Now().Add(time.Hour),
		}
		if err := tx.PutEvents(ctx, []*hermod.Event{e}); err != nil {
			return err
		}
		return tx.Send(ctx, []hermod.Message{{
			EventID: e.ID, Account: e.AccountID, Owner: "a-bench", SubscriptionID: "sub", Trigger: hermod.TriggerMatch,
		}})
	})
}

func deliverOne(ctx context.Context, db *sqlite.DB, r hermod.Received) error {
	m, err := hermod.DecodeMessage(r.Body)
	if err != nil {
		return err
	}
	if last, err := db.LastAttempt(ctx, m.RunKey()); err != nil || last != nil {
		return fmt.Errorf("last attempt %v: %w", last, err)
	}
	events, err := db.EventsByKey(ctx, []hermod.EventKey{{Account: m.Account, ID: m.EventID}})
	if err != nil || len(events) != 1 {
		return fmt.Errorf("%d events: %w", len(events), err)
	}
	subs, err := db.SubscriptionsByRef(ctx, []hermod.Ref{m.Ref()})
	if err != nil || len(subs) != 1 {
		return fmt.Errorf("%d subscriptions: %w", len(subs), err)
	}
	return db.PutAttempt(ctx, &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: m.RunKey(), Number: 1}, Owner: m.Owner, Account: m.Account, Trigger: m.Trigger,
		At: time.Now(), Duration: time.Millisecond, State: hermod.Succeeded, StatusCode: 204, Target: "http://127.0.0.1:8080/hook",
		SubscriptionType: hermod.Webhook, RetainUntil: time.Now().Add(time.Hour),
	})
}
