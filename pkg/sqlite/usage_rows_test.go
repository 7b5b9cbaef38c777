package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// Sums go when the last of their events does, and not before: what is left of an hour
// is found by the sum that is not right any more.
func TestSumsGoWithTheirEvents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ids := hermod.NewIDs(clock, func([]byte) {})
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), Options{IDs: ids, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var events []*hermod.Event
	for i := range 4 {
		events = append(events, &hermod.Event{
			ID: ids.Next(), AccountID: "a", Sender: "s", Name: "n", Data: []byte("1"),
			RetainUntil: now.Add(time.Duration(1+i/2) * time.Hour),
			Units:       []hermod.Unit{{Kind: hermod.UnitSeal, N: 3}, {Kind: hermod.UnitVisa, N: 1}},
		})
	}
	if err := db.PutEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for hours, want := range []int{4, 4, 0} { // of two kinds and two spans
		if _, err := db.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, seals := 0, 0
		err := db.view(t.Context(), func(r reader) error {
			_, err := r.one([]any{&rows, &seals}, `SELECT count(*), coalesce(max(n), 0) FROM usage`)
			return err
		})
		if err != nil || rows != want || seals != 3*(4-2*hours) {
			t.Errorf("after %d h there are %d sums of %d at most, %v; want %d", hours, rows, seals, err, want)
		}
		now = now.Add(time.Hour)
	}
}
