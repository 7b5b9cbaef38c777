package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

// Where there is no room, callers hear that trying again may help, and the operator once
// that nothing can be written, and once that it can again.
func TestADatabaseThatCannotBeWrittenSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hermod.db")
	var log bytes.Buffer // of the writer's goroutine, until it is closed
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{IDs: newIDs(time.Now), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	q := db.Queue("q", sqlite.QueueOptions{})
	exec("BEGIN IMMEDIATE") // another writer is as good as a full disk
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			err := q.SendBodies(t.Context(), [][]byte{[]byte("x")})
			if hermod.CodeOf(err) != hermod.CodeUnavailable {
				t.Errorf("got %v, want %s", err, hermod.CodeUnavailable)
			}
		})
	}
	wg.Wait()
	exec("ROLLBACK")
	if err := q.SendBodies(t.Context(), [][]byte{[]byte("x")}); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	for _, line := range []string{"level=ERROR msg=\"the database cannot be written\"", "level=WARN msg=\"the database can be written again\""} {
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("%q stands %d times in the log: %s", line, n, log.String())
		}
	}
}
