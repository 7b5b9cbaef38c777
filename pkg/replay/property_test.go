package replay_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
	"hermod/pkg/replay"
	"hermod/pkg/sqlite"
)

// nowhere takes messages that nobody delivers: the test puts the rows itself.
type nowhere struct{}

func (nowhere) Send(context.Context, []hermod.Message) error { return nil }

// After any history of rows, redrives, retries and purges on the embedded engine, the
// dead letters are the deliveries whose last row is dead, but for those that were started
// again or purged since.
func TestDeadLettersAgreeWithTheRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory(t, rt)
		defer h.end(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"": h.agree, "put": h.put, "put more": h.put, "start": h.start, "purge": h.purge, "purge some": h.purgeSome,
		})
	})
}

// A history is a few deliveries, with their last rows and whether each is a dead letter.
type history struct {
	ctx     context.Context
	db      *sqlite.DB
	letters *replay.Letters
	starter *replay.Starter
	subs    []*hermod.Subscription
	events  []*hermod.Event
	last    map[string]*hermod.Attempt
	dead    map[string]bool
	now     time.Time
}

func newHistory(t *testing.T, rt *rapid.T) *history {
	t.Helper()
	h := &history{ctx: t.Context(), last: map[string]*hermod.Attempt{}, dead: map[string]bool{}, now: time.Now().UTC()}
	clock := func() time.Time { return h.now }
	ids := hermod.NewIDs(clock, func(b []byte) { _, _ = rand.Read(b) })
	var err error
	if h.db, err = sqlite.Open(h.ctx, filepath.Join(t.TempDir(), "db"), sqlite.Options{IDs: ids, Now: clock}); err != nil {
		rt.Fatal(err)
	}
	h.letters = &replay.Letters{Store: h.db, Now: clock}
	h.starter = &replay.Starter{Deliveries: h.db, Queue: nowhere{}, Now: clock}
	if err := h.db.CreateOwner(h.ctx, hermod.Owner{ID: owner, CreatedAt: h.now}); err != nil {
		rt.Fatal(err)
	}
	for i := range 3 {
		s := &hermod.Subscription{ID: fmt.Sprint("s-", i), Owner: owner, Active: true}
		if err := h.db.CreateSubscription(h.ctx, s); err != nil {
			rt.Fatal(err)
		}
		h.subs = append(h.subs, s)
		h.events = append(h.events, &hermod.Event{ID: ids.Next(), Sender: "s", Name: "n", AccountID: owner})
	}
	return h
}

func (h *history) end(rt *rapid.T) {
	if err := h.db.Close(); err != nil {
		rt.Error(err)
	}
}

// draw draws a delivery.
func (h *history) draw(rt *rapid.T) (s *hermod.Subscription, e *hermod.Event, delivery string) {
	s, e = rapid.SampledFrom(h.subs).Draw(rt, "subscription"), rapid.SampledFrom(h.events).Draw(rt, "event")
	return s, e, s.ID + e.ID.String()
}

// put puts the next row of a delivery: of its last run where that goes on, or else of the
// next one; at times a late one of a run before.
func (h *history) put(rt *rapid.T) {
	s, e, delivery := h.draw(rt)
	last := h.last[delivery]
	a := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: s.ID, EventID: e.ID}, Number: 1},
		Owner:      owner, Account: owner, At: h.now, Trigger: hermod.TriggerMatch,
		State: rapid.SampledFrom([]hermod.State{hermod.Dead, hermod.Dead, hermod.Waiting, hermod.Succeeded, hermod.Dropped}).Draw(rt, "state"),
	}
	late := last != nil && last.Run > 0 && rapid.IntRange(0, 3).Draw(rt, "late") == 0
	switch {
	case late:
		a.Run, a.Number = last.Run-1, rapid.IntRange(100, hermod.MaxNumber).Draw(rt, "number")
	case last != nil && last.State == hermod.Waiting && rapid.Bool().Draw(rt, "goes on"):
		a.Run, a.Number = last.Run, last.Number+1
	case last != nil:
		a.Run = last.Run + 1
	}
	h.now = h.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(rt, "later")) * time.Millisecond)
	if err := h.db.PutAttempt(h.ctx, a); err != nil {
		if hermod.CodeOf(err) != hermod.CodeConflict {
			rt.Fatal(err)
		}
		return
	}
	if !late {
		h.last[delivery], h.dead[delivery] = a, a.State == hermod.Dead
	}
}

// start redrives a delivery or tries it again.
func (h *history) start(rt *rapid.T) {
	s, e, delivery := h.draw(rt)
	last := h.last[delivery]
	if last == nil {
		rt.Skip()
	}
	if rapid.Bool().Draw(rt, "retry") {
		_, err := h.starter.Retry(h.ctx, e, s)
		if waiting := last.State == hermod.Waiting; (hermod.CodeOf(err) == hermod.CodeConflict) != waiting {
			rt.Fatalf("a retry after %s: %v", last.State, err)
		} else if waiting {
			return
		}
	} else {
		letter, err := h.letters.Find(h.ctx, last.AttemptKey)
		if (err == nil) != h.dead[delivery] {
			rt.Fatalf("found %v, %v", letter, err)
		}
		if err != nil {
			return
		}
		if _, err := h.starter.Redrive(h.ctx, letter, e, s); err != nil {
			rt.Fatal(err)
		}
	}
	h.dead[delivery] = false
}

func (h *history) purge(rt *rapid.T) {
	_, _, delivery := h.draw(rt)
	if last := h.last[delivery]; last != nil {
		if err := h.letters.Clear(h.ctx, last.Owner, last.AttemptKey); err != nil {
			rt.Fatal(err)
		}
		h.dead[delivery] = false
	}
}

func (h *history) purgeSome(rt *rapid.T) {
	s, _, _ := h.draw(rt)
	count, err := h.letters.Purge(h.ctx, hermod.LetterQuery{DeadQuery: hermod.DeadQuery{Owner: owner, SubscriptionID: s.ID}})
	if err != nil {
		rt.Fatal(err)
	}
	for _, e := range h.events {
		if delivery := s.ID + e.ID.String(); h.dead[delivery] {
			h.dead[delivery] = false
			count.Purged--
		}
	}
	if count.Purged != 0 || !count.Complete {
		rt.Fatalf("%d were purged beyond those there were", count.Purged)
	}
}

// agree walks through the dead letters by pages.
func (h *history) agree(rt *rapid.T) {
	q := hermod.LetterQuery{DeadQuery: hermod.DeadQuery{Owner: owner, Limit: rapid.IntRange(1, 4).Draw(rt, "page")}}
	got := []string{}
	for {
		page, err := h.letters.Page(h.ctx, q)
		if err != nil {
			rt.Fatal(err)
		}
		for _, a := range page.Letters {
			got = append(got, a.SubscriptionID+a.EventID.String())
		}
		if q.Below = page.Next; page.Next == nil {
			break
		}
	}
	want := []string{}
	for delivery, dead := range h.dead {
		if dead {
			want = append(want, delivery)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		rt.Fatalf("listed are %v, want %v", got, want)
	}
}
