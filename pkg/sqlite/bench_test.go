package sqlite_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
)

// A benchRig is a database with one subscription and a queue whose handler does
// what a first delivery does.
type benchRig struct {
	db      *sqlite.DB
	ids     *hermod.IDs
	journal ingest.Journal
	data    []byte
	// handled is called when an event's attempt is on disk.
	handled func(hermod.Message)
	stop    func()
}

func newBenchRig(b *testing.B, handled func(hermod.Message)) *benchRig {
	b.Helper()
	db := open(b)
	ctx := context.Background()
	sub := &hermod.Subscription{ID: "sub", Owner: "a-bench", Active: true, Type: hermod.Webhook, Sealed: make([]byte, 300)}
	if err := db.CreateOwner(ctx, hermod.Owner{ID: sub.Owner}); err != nil {
		b.Fatal(err)
	}
	if err := db.CreateSubscription(ctx, sub); err != nil {
		b.Fatal(err)
	}
	queue := db.Queue("delivery", sqlite.QueueOptions{})
	r := &benchRig{
		db: db, ids: newIDs(time.Now), journal: db.Journal(queue), handled: handled,
		data: fmt.Appendf(nil, `{"data":"%0480d"}`, 1),
	}
	ctx, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := queue.Run(ctx, func(ctx context.Context, batch []hermod.Received) []hermod.Outcome {
			if err := r.deliver(ctx, batch[0]); err != nil {
				b.Error(err)
			}
			return []hermod.Outcome{{Action: hermod.Done}}
		}, 128); err != nil {
			b.Error(err)
		}
	})
	r.stop = func() { cancel(); run.Wait() }
	return r
}

// BenchmarkCycle is what one event costs the engine: 64 clients each accept an event
// of 0.5 KB in a transaction with its message, a worker reads the run, the event and
// the subscription, and puts the attempt, and the message is deleted.
func BenchmarkCycle(b *testing.B) {
	const clients = 64
	var handled sync.WaitGroup
	handled.Add(b.N)
	r := newBenchRig(b, func(hermod.Message) { handled.Done() })
	before := r.db.Commits()
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ReportAllocs()
	b.ResetTimer()
	var accepted sync.WaitGroup
	for range clients {
		accepted.Go(func() {
			for range work {
				if err := r.accept(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	accepted.Wait()
	handled.Wait()
	r.stop()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/float64(r.db.Commits()-before), "events/commit")
}

// BenchmarkLatency accepts events at a fixed rate, whatever the answers take (open
// loop), and gives the time from accepting an event to its attempt on disk.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{500, 3000} {
		b.Run(fmt.Sprintf("%d per second", rate), func(b *testing.B) {
			var mu sync.Mutex
			var took []time.Duration
			r := newBenchRig(b, func(m hermod.Message) {
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(m.EventID.Time()))
			})
			b.ResetTimer()
			var accepted sync.WaitGroup
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for sent, start := 0, time.Now(); sent < b.N; <-tick.C {
				for ; sent < b.N && sent < int(time.Since(start).Seconds()*float64(rate)); sent++ {
					accepted.Go(func() {
						if err := r.accept(b.Context()); err != nil {
							b.Error(err)
						}
					})
				}
			}
			accepted.Wait()
			r.stop()
			b.StopTimer()
			slices.Sort(took)
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
		})
	}
}

func (r *benchRig) accept(ctx context.Context) error {
	return r.journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error {
		e := &hermod.Event{
			ID: r.ids.Next(), Timestamp: time.Now(), Sender: "sender", Name: "event.name", Data: r.data, AccountID: "a-bench",
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

func (r *benchRig) deliver(ctx context.Context, received hermod.Received) error {
	m, err := hermod.DecodeMessage(received.Body)
	if err != nil {
		return err
	}
	if last, err := r.db.LastAttempt(ctx, m.RunKey()); err != nil || last != nil {
		return fmt.Errorf("last attempt %v: %w", last, err)
	}
	events, err := r.db.EventsByKey(ctx, []hermod.EventKey{{Account: m.Account, ID: m.EventID}})
	if err != nil || len(events) != 1 {
		return fmt.Errorf("%d events: %w", len(events), err)
	}
	subs, err := r.db.SubscriptionsByRef(ctx, []hermod.Ref{m.Ref()})
	if err != nil || len(subs) != 1 {
		return fmt.Errorf("%d subscriptions: %w", len(subs), err)
	}
	err = r.db.PutAttempt(ctx, &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: m.RunKey(), Number: 1}, Owner: m.Owner, Account: m.Account, Trigger: m.Trigger,
		At: time.Now(), Duration: time.Millisecond, State: hermod.Succeeded, StatusCode: 204, Target: "http://127.0.0.1:8080/hook",
		SubscriptionType: hermod.Webhook, RetainUntil: time.Now().Add(time.Hour),
	})
	r.handled(m)
	return err
}
