package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

func TestPurgeDeletesWhatIsPastItsTime(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	ids := newIDs(now)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: ids, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	const each = 450 // more than two chunks
	put := func(retain time.Time) {
		t.Helper()
		var events []*hermod.Event
		var claims []hermod.Claim
		for i := range each {
			id := ids.Next()
			account := []string{"a", "b"}[i%2]
			events = append(events, &hermod.Event{ID: id, AccountID: account, Sender: "s", Name: "n", Data: []byte("1"), RetainUntil: retain})
			claims = append(claims, hermod.Claim{Owner: account, Key: id.String(), EventID: id, ExpiresAt: retain})
			key := hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: account, EventID: id}, Number: 1}
			a := &hermod.Attempt{AttemptKey: key, State: hermod.Succeeded, RetainUntil: retain}
			if err := db.PutAttempt(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.PutEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Claim(t.Context(), claims); err != nil {
			t.Fatal(err)
		}
	}
	purge := func(want int) {
		t.Helper()
		if n, err := db.Purge(t.Context()); err != nil || n != want {
			t.Fatalf("purged %d rows, %v; want %d", n, err, want)
		}
	}
	queue := db.Queue("q", sqlite.QueueOptions{MaxReceives: 1, Visibility: time.Millisecond})
	die(t, queue)
	put(now().Add(time.Hour))
	put(now().Add(48 * time.Hour))
	put(time.Time{}) // kept for ever
	purge(0)
	ahead.Store(int64(2 * time.Hour))
	purge(3 * each)
	purge(0)
	ahead.Store(int64(72 * time.Hour))
	purge(3 * each)
	if dead, err := queue.DeadLetters(t.Context()); err != nil || len(dead) != 1 {
		t.Fatalf("%d dead letters after three days, %v; want 1", len(dead), err)
	}
	ahead.Store(int64(15 * 24 * time.Hour))
	purge(1)
	purge(0)
	for i := range each { // one in three is revoked
		c := &hermod.Credential{ID: fmt.Sprintf("apikey:%d", i), Account: "a"}
		if i%3 == 0 {
			c.RevokedAt = now()
		}
		if err := db.PutCredential(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	purge(0)
	ahead.Add(int64(hermod.RevokedRetention))
	purge(each / 3)
	purge(0)
}

// die sends a message and receives it until it is a dead letter.
func die(t *testing.T, q *sqlite.Queue) {
	t.Helper()
	if err := q.SendBodies(t.Context(), [][]byte{[]byte("m")}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, err := q.Receive(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if dead, err := q.DeadLetters(t.Context()); err != nil || len(dead) == 1 {
			return
		}
	}
	t.Fatal("the message is no dead letter")
}
