package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"hermod/pkg/sqlite"
	"hermod/pkg/storetest"
)

// A pause holds the one writer, so these are short; what they keep apart is the
// stamp of an id and its commit.
func TestFollowersSeeEveryEventOnce(t *testing.T) {
	t.Parallel()
	ids := newIDs(time.Now)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: ids, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	spec := storetest.FollowSpec{
		Store: db, Batches: 40, Poll: time.Millisecond,
		Pauses: []time.Duration{0, 0, 0, 5 * time.Millisecond, 0, 0, 20 * time.Millisecond},
	}
	for range 16 {
		spec.Writers = append(spec.Writers, storetest.Writer{Journal: db.Journal(db.Queue("delivery", sqlite.QueueOptions{})), IDs: ids})
	}
	storetest.TestFollowers(t, spec)
}
