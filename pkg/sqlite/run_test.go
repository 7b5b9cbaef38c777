package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

// A consumer runs a queue and notes what its handler gets.
type consumer struct {
	q     *sqlite.Queue
	start time.Time
	stop  func()

	mu  sync.Mutex
	got []receipt
}

type receipt struct {
	at       time.Duration // since the start
	body     string
	receives int
	batch    int
}

// consume runs the queue until stop is called or the test ends. decide answers
// each message.
func consume(t *testing.T, q *sqlite.Queue, workers int, decide func(ctx context.Context, m hermod.Received) hermod.Outcome) *consumer {
	t.Helper()
	c := &consumer{q: q, start: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		err := q.Run(ctx, func(ctx context.Context, batch []hermod.Received) (outcomes []hermod.Outcome) {
			for _, m := range batch {
				c.mu.Lock()
				c.got = append(c.got, receipt{time.Since(c.start), string(m.Body), m.Receives, len(batch)})
				c.mu.Unlock()
				outcomes = append(outcomes, decide(ctx, m))
			}
			return outcomes
		}, workers)
		if err != nil {
			t.Error(err)
		}
	})
	c.stop = sync.OnceFunc(func() { cancel(); run.Wait() })
	t.Cleanup(c.stop)
	synctest.Wait()
	return c
}

func (c *consumer) receipts() []receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func (c *consumer) bodies() (bodies []string) {
	for _, r := range c.receipts() {
		bodies = append(bodies, r.body)
	}
	return bodies
}

func done(context.Context, hermod.Received) hermod.Outcome { return hermod.Outcome{} }

// sendTo sends a message to the fairness group and answers its body.
func sendTo(t *testing.T, q *sqlite.Queue, group string, number int) string {
	t.Helper()
	m := hermod.Message{SubscriptionID: group, After: number}
	if err := q.Send(t.Context(), []hermod.Message{m}); err != nil {
		t.Fatal(err)
	}
	return string(m.Encode())
}

func stats(t *testing.T, q *sqlite.Queue) sqlite.QueueStats {
	t.Helper()
	s, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantReceipts(t *testing.T, c *consumer, want ...receipt) {
	t.Helper()
	if got := c.receipts(); !slices.Equal(got, want) {
		t.Fatalf("got receipts\n%v\nwant\n%v", got, want)
	}
}

func TestAFreeWorkerGetsAMessageWithItsOwnCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		q := db.Queue("q", sqlite.QueueOptions{})
		hold := make(chan struct{})
		c := consume(t, q, 2, func(context.Context, hermod.Received) hermod.Outcome { <-hold; return hermod.Outcome{} })
		before := db.Commits()
		body := sendTo(t, q, "g", 1)
		synctest.Wait()
		wantReceipts(t, c, receipt{0, body, 1, 1})
		if commits := db.Commits() - before; commits != 1 {
			t.Errorf("got %d commits, want one", commits)
		}
		if s := stats(t, q); s.InHand != 1 || s.Ready != 0 {
			t.Errorf("got %+v, want one message in hand", s)
		}
		close(hold)
		c.stop()
		if s := stats(t, q); s != (sqlite.QueueStats{}) {
			t.Errorf("got %+v, want nothing left", s)
		}
	})
}

func TestAHiddenMessageComesBackAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		q := db.Queue("q", sqlite.QueueOptions{})
		var at []time.Time
		c := consume(t, q, 1, func(_ context.Context, m hermod.Received) hermod.Outcome {
			if m.Receives > 3 {
				return hermod.Outcome{Action: hermod.Done}
			}
			at = append(at, time.Now().Add(time.Duration(m.Receives)*17*time.Minute+time.Nanosecond))
			return hermod.Outcome{Action: hermod.Again, At: at[len(at)-1]}
		})
		body := sendTo(t, q, "g", 1)
		before := db.Commits()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		wait := func(n int) time.Duration { return at[n].Sub(c.start) }
		wantReceipts(t, c, receipt{0, body, 1, 1}, receipt{wait(0), body, 2, 1}, receipt{wait(1), body, 3, 1}, receipt{wait(2), body, 4, 1})
		if commits := db.Commits() - before; commits > 40 {
			t.Errorf("got %d commits in a day of waiting: the queue polls", commits)
		}
	})
}

func TestAHandlerThatFailsUsesAReceive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		every  time.Duration
		decide func(context.Context, hermod.Received) hermod.Outcome
	}{
		{"panics", 10 * time.Second, func(context.Context, hermod.Received) hermod.Outcome { panic("fault") }},
		{"gives up", hermod.GiveUpPause, func(context.Context, hermod.Received) hermod.Outcome {
			return hermod.Outcome{Action: hermod.GiveUp}
		}},
		{"runs into the visibility timeout", 20 * time.Second, func(ctx context.Context, _ hermod.Received) hermod.Outcome {
			<-ctx.Done()
			return hermod.Outcome{Action: hermod.Again, At: time.Now().Add(10 * time.Second)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := open(t).Queue("q", sqlite.QueueOptions{MaxReceives: 3, Visibility: 10 * time.Second})
				run := consume(t, q, 2, c.decide)
				body := sendTo(t, q, "g", 1)
				time.Sleep(10 * time.Minute)
				wantReceipts(t, run, receipt{0, body, 1, 1}, receipt{c.every, body, 2, 1}, receipt{2 * c.every, body, 3, 1})
				dead, err := q.DeadLetters(t.Context())
				if err != nil || len(dead) != 1 || string(dead[0]) != body {
					t.Errorf("got dead letters %q, %v", dead, err)
				}
			})
		})
	}
}

func TestRunEndsWhenWhatIsInHandIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{})
		c := consume(t, q, 1, func(ctx context.Context, _ hermod.Received) hermod.Outcome {
			time.Sleep(10 * time.Second)
			if err := ctx.Err(); err != nil {
				t.Errorf("the handler in hand was told to stop: %v", err)
			}
			return hermod.Outcome{}
		})
		first := sendTo(t, q, "g", 1)
		sendTo(t, q, "g", 2)
		synctest.Wait()
		c.stop()
		wantReceipts(t, c, receipt{0, first, 1, 1})
		if ended := time.Since(c.start); ended != 10*time.Second {
			t.Errorf("Run ended after %s", ended)
		}
		if s := stats(t, q); s.Ready != 1 || s.InHand != 0 {
			t.Errorf("got %+v, want the second message ready and none in hand", s)
		}
		second := consume(t, q, 1, done)
		if n := len(second.receipts()); n != 1 {
			t.Errorf("the next Run received %d messages, want 1", n)
		}
	})
}

func TestAQueueRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{})
		consume(t, q, 1, done)
		if err := q.Run(t.Context(), nil, 1); hermod.CodeOf(err) != hermod.CodeConflict {
			t.Errorf("got %v, want code conflict", err)
		}
	})
}

// TestWhatWasInHandIsReadyAfterACrash copies the files while a handler runs, which
// is what a crash leaves.
func TestWhatWasInHandIsReadyAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, crashed := t.TempDir(), t.TempDir()
		db := openAt(t, filepath.Join(dir, "hermod.db"))
		hold := make(chan struct{})
		c := consume(t, db.Queue("q", sqlite.QueueOptions{}), 1, func(context.Context, hermod.Received) hermod.Outcome {
			<-hold
			return hermod.Outcome{}
		})
		body := sendTo(t, c.q, "g", 1)
		for _, name := range []string{"hermod.db", "hermod.db-wal"} {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(crashed, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		close(hold)
		c.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		again := openAt(t, filepath.Join(crashed, "hermod.db"))
		c = consume(t, again.Queue("q", sqlite.QueueOptions{}), 1, done)
		wantReceipts(t, c, receipt{0, body, 2, 1})
		c.stop()
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestABacklogIsWorkedOffByAllWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{})
		c := consume(t, q, 4, func(context.Context, hermod.Received) hermod.Outcome {
			time.Sleep(time.Second)
			return hermod.Outcome{}
		})
		const n = 100
		for i := range n {
			sendTo(t, q, fmt.Sprint("g", i%10), i)
		}
		time.Sleep(n/4*time.Second + time.Millisecond)
		if got := len(c.receipts()); got != n {
			t.Errorf("%d of %d messages were received", got, n)
		}
		if s := stats(t, q); s != (sqlite.QueueStats{}) {
			t.Errorf("got %+v, want nothing left", s)
		}
	})
}

func TestAGroupThatHangsLeavesWorkersToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{Visibility: time.Hour})
		c := consume(t, q, 8, func(ctx context.Context, m hermod.Received) hermod.Outcome {
			if msg, err := hermod.DecodeMessage(m.Body); err != nil || msg.SubscriptionID == "hanging" {
				<-ctx.Done()
			}
			return hermod.Outcome{}
		})
		for i := range 100 {
			sendTo(t, q, "hanging", i)
		}
		synctest.Wait()
		if n := len(c.receipts()); n != 6 {
			t.Errorf("the hanging group holds %d of 8 workers, want three quarters", n)
		}
		for i := range 20 {
			body := sendTo(t, q, "healthy", i)
			synctest.Wait()
			if !slices.Contains(c.bodies(), body) {
				t.Fatalf("message %d of the healthy group waits behind the hanging one", i)
			}
		}
	})
}

func TestGroupsAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{})
		var quiet []string
		for i := range 50 {
			sendTo(t, q, "m-noisy", i)
		}
		for _, group := range []string{"a-quiet", "z-quiet"} {
			quiet = append(quiet, sendTo(t, q, group, 0))
		}
		c := consume(t, q, 1, func(context.Context, hermod.Received) hermod.Outcome {
			time.Sleep(time.Second)
			return hermod.Outcome{}
		})
		time.Sleep(3 * time.Second)
		for _, body := range quiet {
			if !slices.Contains(c.bodies()[:3], body) {
				t.Errorf("%s is not among the first three: %q", body, c.bodies())
			}
		}
	})
}

func TestABatchQueueHandsOutBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{Batch: 10})
		bodies := make([][]byte, 25)
		for i := range bodies {
			bodies[i] = fmt.Append(nil, i)
		}
		if err := q.SendBodies(t.Context(), bodies); err != nil {
			t.Fatal(err)
		}
		c := consume(t, q, 4, done)
		if err := q.SendBodies(t.Context(), bodies); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sizes := map[int]int{}
		for _, r := range c.receipts() {
			sizes[r.batch]++
		}
		if sizes[10] != 40 || sizes[5] != 10 {
			t.Errorf("got batches (size: messages) %v, want four of 10 and two of 5", sizes)
		}
	})
}

func TestRedriveWakesTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t).Queue("q", sqlite.QueueOptions{MaxReceives: 1})
		var fixed bool
		c := consume(t, q, 1, func(_ context.Context, m hermod.Received) hermod.Outcome {
			if !fixed {
				return hermod.Outcome{Action: hermod.Again, At: time.Now()}
			}
			if !m.Redriven {
				t.Errorf("message %s is not marked as redriven", m.ID)
			}
			return hermod.Outcome{}
		})
		body := sendTo(t, q, "g", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := stats(t, q); s.DeadLetters != 1 {
			t.Fatalf("got %+v, want a dead letter", s)
		}
		fixed = true
		if err := q.Redrive(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantReceipts(t, c, receipt{0, body, 1, 1}, receipt{time.Minute, body, 1, 1})
	})
}
