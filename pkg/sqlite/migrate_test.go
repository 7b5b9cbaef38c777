package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// older makes a file as the program of so many steps left it, with one row of each
// kind in it that a later step changes.
func older(t *testing.T, steps int) (path string, event hermod.ID) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hermod.db")
	pool, err := connect(path)
	if err != nil {
		t.Fatal(err)
	}
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range migrations()[:min(steps, len(migrations()))] {
		run(step)
	}
	run("PRAGMA user_version = " + string(rune('0'+steps)))
	event = hermod.FirstIDAt(time.Now())
	run(`INSERT INTO owners (id, retention, version) VALUES ('a', 0, 1)`)
	run(`INSERT INTO subscriptions (owner, id, name, active, version) VALUES ('a', 's-a-x', 'old', 1, 1)`)
	run(`INSERT INTO events (account, id, type, organization, data) VALUES ('a', ?, 's:n', 'o', '1')`, event[:])
	run(`INSERT INTO attempts (subscription, event, run, number, duration, state, status_code) VALUES ('s-a-x', ?, 0, 1, 0, 'succeeded', 200)`, event[:])
	run(`INSERT INTO credentials (id, secret_hash, account) VALUES ('oauth:c', x'00', 'a')`)
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	return path, event
}

func TestAFileOfAnOlderProgramIsTakenOn(t *testing.T) {
	t.Parallel()
	for steps := 1; steps < len(migrations()); steps++ {
		path, event := older(t, steps)
		takeOn(t, path, event)
	}
}

func takeOn(t *testing.T, path string, event hermod.ID) {
	t.Helper()
	for range 2 { // the second time there is nothing to do
		db, err := Open(t.Context(), path, Options{IDs: hermod.NewIDs(time.Now, func([]byte) {})})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := db.Subscription(t.Context(), hermod.Ref{Owner: "a", ID: "s-a-x"})
		if err != nil || sub.Name != "old" || sub.Global || sub.IncludeInternal {
			t.Errorf("subscription %+v, %v", sub, err)
		}
		log, err := db.Events(t.Context(), hermod.EventQuery{Owner: "o", Pattern: "s:n", Limit: 2})
		found := log.Events
		if err != nil || len(found) != 1 || found[0].ID != event || found[0].Internal || found[0].Mock {
			t.Errorf("events %+v, %v", found, err)
		}
		last, err := db.LastOf(t.Context(), "s-a-x", event)
		if err != nil || last == nil || !last.Replay.IsZero() {
			t.Errorf("attempt %+v, %v", last, err)
		}
		credentials, err := db.Credentials(t.Context(), "a")
		if err != nil || len(credentials) != 1 || credentials[0].ID != "oauth:c" {
			t.Errorf("credentials %+v, %v", credentials, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	path, _ := older(t, len(migrations())+1)
	db, err := Open(t.Context(), path, Options{IDs: hermod.NewIDs(time.Now, func([]byte) {})})
	if err == nil {
		err = db.Close()
		t.Fatalf("opened, closed with %v", err)
	}
	if !strings.Contains(err.Error(), "older than the database") {
		t.Errorf("refused with %v", err)
	}
}
