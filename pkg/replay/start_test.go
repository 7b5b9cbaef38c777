package replay_test

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func TestReplayGoesToWhatMatchesNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.publish(1, func(e *hermod.Event) { e.OrganizationID, e.ExpiresAt = "o-1", time.Now().Add(-time.Hour) })
	w.subscribe("all")
	w.subscribe("filter", func(s *hermod.Subscription) { s.Filters = []hermod.Pattern{"s:n"} })
	w.subscribe("other filter", func(s *hermod.Subscription) { s.Filters = []hermod.Pattern{"s:m"} })
	w.subscribe("off", func(s *hermod.Subscription) { s.Active = false })
	w.subscribe("organization", func(s *hermod.Subscription) { s.Owner = "o-1" })
	w.subscribe("own global", func(s *hermod.Subscription) { s.Global = true })
	w.subscribe("global", func(s *hermod.Subscription) { s.Owner, s.Global = "operator", true })
	w.subscribe("foreign", func(s *hermod.Subscription) { s.Owner = "a-2" })
	for _, c := range []struct {
		owners []string
		want   []string
	}{
		{[]string{owner}, []string{"all", "filter", "own global", "global"}},
		{[]string{owner, "o-1"}, []string{"all", "filter", "own global", "organization", "global"}},
	} {
		w.sent = nil
		if err := w.starter().ToMatching(t.Context(), e, c.owners); err != nil {
			t.Fatal(err)
		}
		want(t, "messages", len(w.sent), len(c.want))
		for i, m := range w.sent {
			want(t, "receiver", m.SubscriptionID, c.want[i])
		}
	}
}

func TestReplayTakesTheNextRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows []int
		want int
	}{
		"the match's run has no row yet": {nil, 1},
		"the match's run has rows":       {[]int{0}, 1},
		"there were other runs":          {[]int{0, 1, 4}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e, sub := w.publish(1), w.subscribe("s-1")
			for _, run := range c.rows {
				w.attempt(hermod.Message{EventID: e.ID, SubscriptionID: sub.ID, Run: run})
			}
			w.held = true
			for range 2 { // before the first attempt both name one run
				if err := w.starter().ToMatching(t.Context(), e, []string{owner}); err != nil {
					t.Fatal(err)
				}
			}
			want(t, "messages", len(w.sent), 2)
			for _, m := range w.sent {
				want(t, "message", m.Message, hermod.Message{
					EventID: e.ID, Account: owner, Owner: owner, SubscriptionID: sub.ID, Run: c.want, Trigger: hermod.TriggerReplay,
				})
			}
		})
	}
}

func TestReplayToOneSubscriptionAsksForItsForceAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.publish(1)
	filter := func(s *hermod.Subscription) { s.Filters = []hermod.Pattern{"other:*"} }
	if err := w.starter().To(t.Context(), e, w.subscribe("s-1", filter)); err != nil {
		t.Fatal(err)
	}
	want(t, "messages", len(w.sent), 1)
	for _, change := range []func(*hermod.Subscription){
		func(s *hermod.Subscription) { s.Active = false },
		func(s *hermod.Subscription) { s.ExpiresAt = time.Now().Add(-time.Second) },
		func(s *hermod.Subscription) { s.DeletedAt = time.Now() },
	} {
		err := w.starter().To(t.Context(), e, w.subscribe("s-2", change))
		want(t, "code", hermod.CodeOf(err), hermod.CodeConflict)
	}
	want(t, "messages", len(w.sent), 1)
}

// Whoever may mock an event must not be able to make others take it for a real one.
func TestAMockIsReplayedToItsOwnSubscriptionAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other := w.subscribe("own"), w.subscribe("other")
	w.subscribe("global", func(s *hermod.Subscription) { s.Owner, s.Global = "operator", true })
	mock := w.publish(1, func(e *hermod.Event) { e.Mock, e.Matches = true, []hermod.Ref{own.Ref()} })
	if err := w.starter().ToMatching(t.Context(), mock, []string{owner}); err != nil {
		t.Fatal(err)
	}
	if err := w.starter().To(t.Context(), mock, own); err != nil {
		t.Fatal(err)
	}
	want(t, "to another", hermod.CodeOf(w.starter().To(t.Context(), mock, other)), hermod.CodeConflict)
	want(t, "messages", len(w.sent), 2)
	for _, m := range w.sent {
		want(t, "receiver", m.SubscriptionID, own.ID)
	}
}

func TestAnInternalEventIsReplayedToWhatIncludesInternalEventsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.publish(1, func(e *hermod.Event) { e.Internal = true })
	ordinary := w.subscribe("ordinary")
	internal := w.subscribe("internal", func(s *hermod.Subscription) { s.IncludeInternal = true })
	want(t, "to an ordinary one", hermod.CodeOf(w.starter().To(t.Context(), e, ordinary)), hermod.CodeConflict)
	if err := w.starter().To(t.Context(), e, internal); err != nil {
		t.Fatal(err)
	}
	want(t, "messages", len(w.sent), 1)
	want(t, "receiver", w.sent[0].SubscriptionID, internal.ID)
}

func TestAReplayGoesToWhatTranslatesByTheRulesOfMatching(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := w.publish(1, ofAction("signature"))
	asks := func(s *hermod.Subscription) { s.Filters = []hermod.Pattern{"signature-api:recipient.completed"} }
	translates := func(s *hermod.Subscription) { s.Translate = true }
	w.subscribe("does not translate", asks)
	w.subscribe("native", asks, translates)
	w.subscribe("telia", translates, func(s *hermod.Subscription) {
		s.Dialect, s.Filters = hermod.TeliaSign, []hermod.Pattern{"telia-sign:signatorysigned"}
	})
	w.subscribe("signly", translates, func(s *hermod.Subscription) { s.Dialect, s.Filters = hermod.Signly, []hermod.Pattern{"signly:*"} })
	for _, e := range []*hermod.Event{
		signed, w.publish(1, ofAction("visa")), w.publish(1, ofAction("signature"), func(e *hermod.Event) {
			e.Mock, e.Matches = true, []hermod.Ref{{Owner: owner, ID: "native"}}
		}),
	} {
		if err := w.starter().ToMatching(t.Context(), e, []string{owner}); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "messages", len(w.sent), 2)
	for i, id := range []string{"native", "telia"} {
		want(t, "receiver", w.sent[i].SubscriptionID, id)
		want(t, "event", w.sent[i].EventID, signed.ID)
	}
	w.sent = nil
	r := whole(hermod.MaxReplayRate)
	if err := w.planner().Count(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	// By its data alone the visa is told from the signature: it must not be dropped
	// from the events of a page.
	want(t, "count", r.Expected, hermod.ReplayCount{Events: 2, Deliveries: 2, Complete: true})
}

func ofAction(kind string) func(*hermod.Event) {
	return func(e *hermod.Event) {
		e.Sender, e.Name, e.Data = "universign", "action.closed", []byte(`{"type":"`+kind+`"}`)
	}
}
