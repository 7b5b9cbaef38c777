package sqlite_test

import (
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
	"hermod/pkg/storetest"
)

var (
	_ storetest.Store = (*sqlite.DB)(nil)
	_ storetest.Queue = (*sqlite.Queue)(nil)
	_ ingest.Journal  = sqlite.Journal{}
	_ deliver.Queue   = (*sqlite.Queue)(nil)
)

func newIDs(now func() time.Time) *hermod.IDs {
	return hermod.NewIDs(now, func(b []byte) { _, _ = rand.Read(b) })
}

// openAt opens the database file; the test closes it.
func openAt(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{IDs: newIDs(time.Now), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// open opens a fresh database that is closed when the test ends.
func open(t testing.TB) *sqlite.DB {
	t.Helper()
	db := openAt(t, filepath.Join(t.TempDir(), "hermod.db"))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.TestStore(t, func(t *testing.T) storetest.Store { return open(t) })
}

func TestQueue(t *testing.T) {
	t.Parallel()
	o := sqlite.QueueOptions{MaxReceives: 3, Visibility: 5 * time.Second}
	storetest.TestQueue(t, storetest.QueueSpec{
		Open:        func(t *testing.T) storetest.Queue { return open(t).Queue("q", o) },
		MaxReceives: o.MaxReceives, Visibility: o.Visibility,
		Bubble: synctest.Test,
	})
}
