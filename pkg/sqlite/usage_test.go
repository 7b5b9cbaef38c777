package sqlite_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

// A usageModel is a log as a list, which Usage is held against while events are put,
// put again, forgotten and purged.
type usageModel struct {
	db     *sqlite.DB
	now    time.Time
	events []*hermod.Event
}

// late is when events are forgotten that are not forgotten soon.
func late() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }

func (m *usageModel) put(t *rapid.T) {
	var batch []*hermod.Event
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		at := m.now.Add(-time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "age")))
		if rapid.Bool().Draw(t, "on an edge") {
			at = at.Truncate(rapid.SampledFrom([]time.Duration{time.Hour, 10 * time.Second}).Draw(t, "edge"))
		}
		e := &hermod.Event{ID: newIDs(func() time.Time { return at }).Next(), AccountID: "a", Sender: "s", Name: "n", Data: []byte("1")}
		for range rapid.IntRange(0, 2).Draw(t, "units") {
			e.Units = append(e.Units, hermod.Unit{
				Kind:  rapid.SampledFrom([]string{hermod.UnitSignature, hermod.UnitSeal}).Draw(t, "kind"),
				Level: rapid.IntRange(0, 1).Draw(t, "level"), N: rapid.IntRange(1, 3).Draw(t, "n"),
			})
		}
		if e.RetainUntil = late(); rapid.Bool().Draw(t, "forgotten soon") {
			e.RetainUntil = m.now.Add(time.Duration(rapid.IntRange(-1, 10).Draw(t, "hours")) * time.Hour)
		}
		batch = append(batch, e)
	}
	m.events = append(m.events, batch...)
	if len(m.events) > 0 && rapid.Bool().Draw(t, "some again") {
		batch = append(batch, m.events[rapid.IntRange(0, len(m.events)-1).Draw(t, "which")])
	}
	if err := m.db.PutEvents(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	m.forget()
}

// forget drops what is past its retention.
func (m *usageModel) forget() {
	m.events = slices.DeleteFunc(m.events, func(e *hermod.Event) bool {
		return !e.RetainUntil.IsZero() && !m.now.Before(e.RetainUntil)
	})
}

// pass lets time pass, after which events are past their retention, and purges or
// does not: it makes no difference.
func (m *usageModel) pass(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes")) * time.Minute)
	m.forget()
	if rapid.Bool().Draw(t, "purge") {
		if _, err := m.db.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *usageModel) bound(t *rapid.T, name string) hermod.ID {
	if len(m.events) == 0 || rapid.IntRange(0, 3).Draw(t, name+" is none") == 0 {
		return hermod.ID{}
	}
	id := m.events[rapid.IntRange(0, len(m.events)-1).Draw(t, name)].ID
	if rapid.Bool().Draw(t, name+" is an hour") {
		return hermod.FirstIDAt(id.Time().Truncate(time.Hour))
	}
	return id
}

func (m *usageModel) check(t *rapid.T) {
	q := hermod.UsageQuery{Account: "a", Above: m.bound(t, "above"), Below: m.bound(t, "below")}
	sum := hermod.Usage{}
	for _, e := range m.events {
		if (q.Above.IsZero() || e.ID.Compare(q.Above) > 0) && (q.Below.IsZero() || e.ID.Compare(q.Below) < 0) {
			sum.Add(e.Units...)
		}
	}
	units, err := m.db.Usage(t.Context(), q)
	if err != nil || !slices.Equal(units, sum.Units()) {
		t.Fatalf("%+v: got %v, %v; want %v", q, units, err, sum.Units())
	}
}

func TestUsageIsThatOfTheEventsThatAreKept(t *testing.T) {
	t.Parallel()
	m := &usageModel{}
	now := func() time.Time { return m.now }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{IDs: newIDs(now), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	rapid.Check(t, func(t *rapid.T) { // one after the other, each on an empty database
		*m = usageModel{db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		defer func() {
			m.now = late().Add(time.Hour)
			if _, err := db.Purge(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){"put": m.put, "pass": m.pass, "": m.check})
	})
}
