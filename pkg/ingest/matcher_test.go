package ingest_test

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/schema"
)

// naive is issue 2, point 3, and wire-facts §1.6 read aloud: for each subscription
// there is, by a reading of its own of filters and tags.
func naive(all []*hermod.Subscription, e *hermod.Event, internal bool, now time.Time) []hermod.Ref {
	var refs []hermod.Ref
	for _, s := range all {
		ofOwner := s.Global || s.Owner == e.AccountID || (e.OrganizationID != "" && s.Owner == e.OrganizationID)
		inForce := s.Active && s.DeletedAt.IsZero() && (s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt))
		seesIt := !internal || s.IncludeInternal
		if ofOwner && inForce && seesIt && naiveType(s, e) && naiveTags(s.Tags, e.Tags) {
			refs = append(refs, hermod.Ref{Owner: s.Owner, ID: s.ID})
		}
	}
	slices.SortFunc(refs, func(a, b hermod.Ref) int {
		return strings.Compare(a.Owner+"\x00"+a.ID, b.Owner+"\x00"+b.ID)
	})
	return refs
}

// naiveFacts are two of the facts that several types tell of.
var naiveFacts = [][]string{
	{"signature-api:session.started", "signature:signing-session.started", "signly:PROCESS_STARTED"},
	{"signature-api:recipient.completed", "universign:action.closed", "telia-sign:signatorysigned"},
}

// naiveType says whether the subscription's filters select the event, as it is or, where
// it translates, as a type of its dialect that means the same. A closed action means that
// somebody signed where it was a signature.
func naiveType(s *hermod.Subscription, e *hermod.Event) bool {
	native := s.Dialect == hermod.Signicat
	if (native || e.Sender == string(s.Dialect)) && naiveFilter(s.Filters, e) {
		return true
	}
	if !s.Translate || e.Type() == "universign:action.closed" && string(e.Data) != `{"type":"signature"}` {
		return false
	}
	for _, fact := range naiveFacts {
		for _, typ := range fact {
			sender, name, _ := strings.Cut(typ, ":")
			of := hermod.Dialect(sender)
			if of != hermod.Universign && of != hermod.TeliaSign && of != hermod.Signly {
				of = hermod.Signicat
			}
			other := &hermod.Event{Sender: sender, Name: name}
			if slices.Contains(fact, e.Type()) && of == s.Dialect && naiveFilter(s.Filters, other) {
				return true
			}
		}
	}
	return false
}

func naiveFilter(filters []hermod.Pattern, e *hermod.Event) bool {
	for _, f := range filters {
		if text := string(f); text == "*" || text == e.Sender+":*" || text == e.Sender+":"+e.Name {
			return true
		}
	}
	return len(filters) == 0
}

func naiveTags(wanted, tags []string) bool {
	for _, w := range wanted {
		for _, t := range tags {
			if w == t {
				return true
			}
		}
	}
	return len(wanted) == 0
}

func TestTheMatcherFindsWhatANaiveOneFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		owners := rapid.SampledFrom([]string{account, other, organization})
		types := rapid.SampledFrom(append(slices.Concat(naiveFacts...), "a:x", "a:y", "a:a", "b:x", "b:a", "ab:x", "universign:apikey.created"))
		dialects := rapid.SampledFrom([]hermod.Dialect{hermod.Signicat, hermod.Signicat, hermod.Universign, hermod.TeliaSign, hermod.Signly})
		data := rapid.SampledFrom([]string{`{"type":"signature"}`, `{"type":"visa"}`, `{}`, `{"type":1}`})
		tags := rapid.SliceOfN(rapid.SampledFrom([]string{"t", "T", "u"}), 0, 3)
		pattern := rapid.Custom(func(t *rapid.T) hermod.Pattern {
			switch rapid.IntRange(0, 5).Draw(t, "form") {
			case 0:
				return "*"
			case 1, 2:
				sender, _, _ := strings.Cut(types.Draw(t, "type"), ":")
				return hermod.Pattern(sender + ":*")
			default:
				return hermod.Pattern(types.Draw(t, "type"))
			}
		})
		ends := rapid.SampledFrom([]time.Time{{}, start.Add(-1), start, start.Add(1), start.Add(time.Hour)})
		m, c := newMemory(), newClock()
		a := newAcceptor(m, m.journal(), newIDs(c.now), c.now)
		var all []*hermod.Subscription
		internal := map[string]bool{} // by account and type
		ids := rapid.StringMatching(`s-[a-z]{1,3}`)
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(0, 4).Draw(t, "new subscriptions") {
				s := &hermod.Subscription{
					ID: ids.Draw(t, "id"), Owner: owners.Draw(t, "owner"), Active: rapid.IntRange(0, 3).Draw(t, "off") > 0,
					Filters: rapid.SliceOfN(pattern, 0, 4).Draw(t, "filters"), Tags: tags.Draw(t, "wanted"), ExpiresAt: ends.Draw(t, "end"),
					Global: rapid.IntRange(0, 3).Draw(t, "global") == 0, IncludeInternal: rapid.Bool().Draw(t, "includes internal"),
					Dialect: dialects.Draw(t, "dialect"), Translate: rapid.Bool().Draw(t, "translate"),
				}
				if rapid.IntRange(0, 5).Draw(t, "deleted") == 0 {
					s.DeletedAt = start
				}
				if slices.ContainsFunc(all, func(o *hermod.Subscription) bool { return o.ID == s.ID && o.Owner == s.Owner }) {
					continue
				}
				all = append(all, s)
				if err := m.CreateSubscription(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if rapid.Bool().Draw(t, "define") {
				d := &hermod.Definition{
					Account: owners.Draw(t, "definer"), Type: types.Draw(t, "type"), Internal: rapid.Bool().Draw(t, "internal"),
				}
				internal[d.Account+" "+d.Type] = d.Internal
				if err := m.PutDefinition(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			e := hermod.Event{
				Internal:  rapid.Bool().Draw(t, "internal, says the producer"),
				AccountID: owners.Draw(t, "account"), OrganizationID: rapid.SampledFrom([]string{"", organization, account}).Draw(t, "organization"),
				Tags: tags.Draw(t, "tags"), Data: []byte(data.Draw(t, "data")),
			}
			e.Sender, e.Name, _ = strings.Cut(types.Draw(t, "type"), ":")
			c.advance(time.Duration(rapid.IntRange(0, 1).Draw(t, "clock")))
			got, err := a.Accept(t.Context(), []ingest.Submission{{Event: e}})
			if err != nil {
				t.Fatal(err)
			}
			if want := naive(all, &e, internal[e.AccountID+" "+e.Type()], c.now()); !slices.Equal(got[0].Matches, want) {
				t.Fatalf("%+v goes to %v, want %v", e, got[0].Matches, want)
			}
		}
	})
}

// BenchmarkAccept is an account without a definition, and what a definition of
// another type and one of this type cost it.
func BenchmarkAccept(b *testing.B) {
	const order = `{"type":"object","required":["text"],"properties":{"text":{"type":"string","minLength":1}}}`
	for _, bench := range []acceptBench{
		{name: "no definition"},
		{name: "a type with equivalents", sender: "universign", event: "transaction.lifecycle.completed"},
		{name: "of another type", definitions: []hermod.Definition{{Type: "sign:other", Schema: []byte(order), Validation: hermod.ValidateEnforce}}},
		{name: "off", definitions: []hermod.Definition{{Type: "sign:done", Schema: []byte(order), Validation: hermod.ValidateOff}}},
		{name: "enforced", definitions: []hermod.Definition{{Type: "sign:done", Schema: []byte(order), Validation: hermod.ValidateEnforce}}},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkAccept(b, bench) })
	}
}

// A late store shows an owner's new version before the rows that came with it, as a query
// on DynamoDB may beside a transaction.
type late struct {
	*memory
	missing bool
}

func (l *late) Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error) {
	found, err := l.memory.Subscriptions(ctx, owner)
	if l.missing {
		return nil, err
	}
	return found, err
}

func TestASubscriptionThatWasReadTooEarlyIsFoundSoonAfter(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	store := &late{memory: m, missing: true}
	a := newAcceptor(store, m.journal(), newIDs(r.clock.now), r.clock.now)
	if err := m.CreateSubscription(t.Context(), &hermod.Subscription{ID: "new", Owner: account, Active: true}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after          time.Duration
		missing        bool
		matches, reads int
	}{
		{0, true, 0, 1}, {time.Second, false, 0, 1}, {time.Second, false, 1, 2}, {time.Hour, false, 1, 2},
	} {
		r.clock.advance(step.after)
		store.missing = step.missing
		e := hermod.Event{AccountID: account, Sender: "s", Name: "n", Data: []byte("1"), Timestamp: start}
		events, err := a.Accept(t.Context(), []ingest.Submission{{Event: e}})
		if err != nil {
			t.Fatal(err)
		}
		if got, reads := len(events[0].Matches), m.count("Subscriptions"); got != step.matches || reads != step.reads {
			t.Errorf("after %v more: %d matches by %d reads, want %d by %d", step.after, got, reads, step.matches, step.reads)
		}
	}
}

// An acceptBench is events of one type, sign:done where it names none.
type acceptBench struct {
	name, sender, event string
	definitions         []hermod.Definition
}

func benchmarkAccept(b *testing.B, bench acceptBench) {
	bench.sender, bench.event = cmp.Or(bench.sender, "sign"), cmp.Or(bench.event, "done")
	m, c := newMemory(), newClock()
	m.definitions[account] = bench.definitions
	for range 1000 {
		if err := m.CreateSubscription(b.Context(), &hermod.Subscription{
			ID: "s", Owner: account, Active: true, Filters: []hermod.Pattern{"other:*"},
		}); err != nil {
			b.Fatal(err)
		}
	}
	a := ingest.New(ingest.Options{Config: m, Journal: forgetful{m.journal()}, IDs: newIDs(c.now), Now: c.now, Log: slog.New(slog.DiscardHandler), Schemas: schema.Checker})
	body := []byte(`{"sender":"` + bench.sender + `","eventName":"` + bench.event + `","tags":["a"],"eventData":{"text":"` + strings.Repeat("x", 400) + `"},"accountId":"` + account + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		submissions, err := ingest.Native(body, start)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Accept(b.Context(), submissions); err != nil {
			b.Fatal(err)
		}
	}
}

// A forgetful journal writes nothing.
type forgetful struct{ ingest.Journal }

func (j forgetful) Write(ctx context.Context, fn func(context.Context, ingest.Tx) error) error {
	return j.Journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error { return fn(ctx, discarding{tx}) })
}
