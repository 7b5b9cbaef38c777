package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
)

// childPath names the database file to a child process: the test binary itself,
// started again as one that accepts events until it is killed.
const childPath = "HERMOD_TEST_CHILD_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path); err != nil {
			fmt.Println("error", hermod.CodeOf(err))
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// child accepts events with as many writers as share commits, delivers half of
// them, and prints each id once it is accepted. It never returns unless it fails.
func child(path string) error {
	ctx := context.Background()
	ids := newIDs(time.Now)
	db, err := sqlite.Open(ctx, path, sqlite.Options{IDs: ids})
	if err != nil {
		return err
	}
	q := db.Queue("delivery", sqlite.QueueOptions{})
	journal := db.Journal(q)
	go func() {
		_ = q.Run(ctx, func(ctx context.Context, batch []hermod.Received) []hermod.Outcome {
			m, err := hermod.DecodeMessage(batch[0].Body)
			if err != nil || m.EventID[15]%2 == 0 {
				return []hermod.Outcome{{Action: hermod.Again, At: time.Now().Add(time.Hour)}}
			}
			err = db.PutAttempt(ctx, &hermod.Attempt{
				AttemptKey: hermod.AttemptKey{RunKey: m.RunKey(), Number: 1}, Owner: "a", State: hermod.Succeeded,
			})
			if err != nil {
				return []hermod.Outcome{{Action: hermod.Again}}
			}
			return []hermod.Outcome{{Action: hermod.Done}}
		}, 8)
	}()
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				var id hermod.ID
				err := journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error {
					e := &hermod.Event{ID: ids.Next(), AccountID: "a", Sender: "s", Name: "n", Data: []byte("1")}
					id = e.ID
					if err := tx.PutEvents(ctx, []*hermod.Event{e}); err != nil {
						return err
					}
					return tx.Send(ctx, []hermod.Message{{EventID: id, Account: "a", Owner: "a", SubscriptionID: "s"}})
				})
				if err != nil {
					failed <- err
				}
				fmt.Println(id)
			}
		}()
	}
	return <-failed
}

func startChild(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestAKilledProcessLosesNothingItAccepted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hermod.db")
	for _, kills := range []int{200, 1000} { // the second child starts from what the first left
		accepted := acceptUntilKilled(t, path, kills)
		db := openAt(t, path)
		messages := received(t, db.Queue("delivery", sqlite.QueueOptions{Now: func() time.Time { return time.Now().Add(2 * time.Hour) }}))
		for _, id := range accepted {
			key := hermod.EventKey{Account: "a", ID: id}
			found, err := db.EventsByKey(t.Context(), []hermod.EventKey{key})
			if err != nil || found[key] == nil {
				t.Errorf("event %s is lost: %v", id, err)
			}
			last, err := db.LastAttempt(t.Context(), hermod.RunKey{SubscriptionID: "s", EventID: id})
			if err != nil || last == nil && !messages[id] {
				t.Errorf("event %s has neither an attempt nor a message: %v", id, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// acceptUntilKilled kills a child once it has accepted n events and answers all
// that it said it had accepted.
func acceptUntilKilled(t *testing.T, path string, n int) (accepted []hermod.ID) {
	t.Helper()
	cmd, lines := startChild(t, path)
	for lines.Scan() {
		id, err := hermod.ParseID(lines.Text())
		if err != nil {
			t.Fatalf("the child said %q", lines.Text())
		}
		accepted = append(accepted, id)
		if len(accepted) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(accepted) < n {
		t.Fatalf("the child ended with %v after %d events, want it killed", err, len(accepted))
	}
	return accepted
}

// received receives all messages and answers the events they are for.
func received(t *testing.T, q *sqlite.Queue) map[hermod.ID]bool {
	t.Helper()
	events := map[hermod.ID]bool{}
	for {
		batch, err := q.Receive(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			return events
		}
		for _, r := range batch {
			m, err := hermod.DecodeMessage(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			events[m.EventID] = true
		}
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hermod.db")
	db := openAt(t, path)
	cmd, lines := startChild(t, path)
	said := ""
	for lines.Scan() {
		said = lines.Text()
	}
	if err := cmd.Wait(); err == nil || said != "error unavailable" {
		t.Errorf("the second process ended with %v and said %q", err, said)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{IDs: newIDs(time.Now)})
	if hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("the second Open of this process got %v, want code unavailable", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIDsRiseAboveTheStoredOnes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hermod.db")
	db := openAt(t, path)
	future := newIDs(func() time.Time { return time.Now().Add(time.Hour) })
	var highest hermod.ID
	for _, account := range []string{"b", "c", "a"} {
		highest = future.Next()
		e := &hermod.Event{ID: highest, AccountID: account, Sender: "s", Name: "n", Data: []byte("1")}
		if err := db.PutEvents(t.Context(), []*hermod.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	ids := newIDs(time.Now)
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if id := ids.Next(); id.Compare(highest) <= 0 {
		t.Errorf("got id %s, want one above %s", id, highest)
	}
}

// TestCachesAreExact has a writer change a subscription while readers look: once a
// change is answered, no read may give what was before.
func TestCachesAreExact(t *testing.T) {
	t.Parallel()
	db := open(t)
	s := &hermod.Subscription{ID: "s", Owner: "a"}
	if err := db.CreateOwner(t.Context(), hermod.Owner{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				if _, err := db.Subscriptions(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 300 {
		if err := db.UpdateSubscription(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		owners, err := db.Owners(t.Context(), []string{"a"})
		if err != nil || owners["a"].Version != s.Version {
			t.Fatalf("got owner version %d, %v; want %d", owners["a"].Version, err, s.Version)
		}
		read, err := db.Subscription(t.Context(), s.Ref())
		if err != nil || read.Version != s.Version {
			t.Fatalf("got version %d, %v; want %d", read.Version, err, s.Version)
		}
	}
	stop.Store(true)
	readers.Wait()
}

func TestTheWriteAheadLogStartsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hermod.db")
		db := openAt(t, path)
		ids := newIDs(time.Now)
		const rounds, perRound, size = 8, 50, 200 << 10
		for range rounds {
			var events []*hermod.Event
			for range perRound {
				data := fmt.Appendf(nil, "%0*d", size, 1)
				events = append(events, &hermod.Event{ID: ids.Next(), AccountID: "a", Sender: "s", Name: "n", Data: data})
			}
			if err := db.PutEvents(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // for the log to be copied
		}
		log, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if written := int64(rounds * perRound * size); log.Size() > written/2 {
			t.Errorf("the log has %d bytes after %d were written", log.Size(), written)
		}
		for range 2 {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
