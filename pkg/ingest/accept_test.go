package ingest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// onEngines runs a test on both kinds of engine.
func onEngines(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	for name, open := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newRig(t, open))
		})
	}
}

// submission is an event of the account with the key and the body.
func submission(account, key, body string) ingest.Submission {
	return ingest.Submission{
		Event: hermod.Event{AccountID: account, Sender: "sign", Name: "done", Data: json.RawMessage(body), Timestamp: start},
		Key:   key, Hash: sha256.Sum256([]byte(body)),
	}
}

func TestAnAcceptedEventIsKeptWithItsMatchesAndTheirMessagesAreSent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		r.subscribe(t, organization, "s-2")
		r.subscribe(t, other, "s-3")
		s := submission(account, "", `{"a": 1.50}`)
		s.Event.OrganizationID = organization
		e := r.accept(t, s)[0]

		want := []hermod.Ref{{Owner: account, ID: "s-1"}, {Owner: organization, ID: "s-2"}}
		kept := r.all(t, account)
		if len(kept) != 1 || kept[0].ID != e.ID || string(kept[0].Data) != `{"a": 1.50}` || !slices.Equal(kept[0].Matches, want) {
			t.Fatalf("kept %+v", kept)
		}
		if id := e.ID.Time(); !id.Equal(start) || !e.RetainUntil.Equal(start.Add(hermod.DefaultRetention)) {
			t.Errorf("accepted at %v, kept until %v", id, e.RetainUntil)
		}
		var sent []hermod.Ref
		for _, m := range r.messages(t) {
			sent = append(sent, m.Ref())
			if m.EventID != e.ID || m.Account != account || m.Run != 0 || m.After != 0 || m.Trigger != hermod.TriggerMatch {
				t.Errorf("sent %+v", m)
			}
		}
		slices.SortFunc(sent, func(a, b hermod.Ref) int { return strings.Compare(a.ID, b.ID) })
		if !slices.Equal(sent, want) {
			t.Errorf("sent to %v", sent)
		}
	})
}

func TestAnEventThatNobodySubscribedToIsKept(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		e := r.accept(t, submission(other, "", "1"))[0]
		if kept := r.all(t, other); len(kept) != 1 || kept[0].ID != e.ID || len(r.messages(t)) != 0 {
			t.Errorf("kept %+v", kept)
		}
		if want := start.Add(48 * time.Hour); !e.RetainUntil.Equal(want) {
			t.Errorf("kept until %v, the account's retention says %v", e.RetainUntil, want)
		}
	})
}

func TestASubscriptionIsInForceForTheNextEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		for n := range 5 {
			if got := len(r.accept(t, submission(account, "", "1"))[0].Matches); got != n {
				t.Fatalf("with %d subscriptions the event matched %d", n, got)
			}
			r.subscribe(t, account, "s-"+string(rune('a'+n)))
		}
	})
}

func TestSubscriptionsAreReadAgainOnlyAfterAChange(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	for range 3 {
		r.accept(t, submission(account, "", "1"), submission(account, "", "2"))
	}
	if reads, registered := m.count("Subscriptions"), m.count("RegisterTypes"); reads != 1 || registered != 1 {
		t.Errorf("%d reads of subscriptions, %d registrations of types", reads, registered)
	}
	r.subscribe(t, account, "s-1")
	r.accept(t, submission(account, "", "1"))
	if reads, registered := m.count("Subscriptions"), m.count("RegisterTypes"); reads != 2 || registered != 1 {
		t.Errorf("after a change %d reads of subscriptions, %d registrations of types", reads, registered)
	}
	if got := m.types[account]; !slices.Equal(got, []string{"sign:done"}) {
		t.Errorf("registered %v", got)
	}
}

// A search by sender goes by the names that are registered, an organization's too.
func TestATypeIsRegisteredOnceForEachOwnerOfItsEvents(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	for range 3 {
		shared, own := submission(account, "", "1"), submission(account, "", "2")
		shared.Event.OrganizationID, own.Event.OrganizationID = organization, account
		r.accept(t, shared, own, submission(account, "", "3"))
	}
	for _, owner := range []string{account, organization} {
		if got := m.types[owner]; !slices.Equal(got, []string{"sign:done"}) {
			t.Errorf("registered %v for %s", got, owner)
		}
	}
	if n := m.count("RegisterTypes"); n != 2 {
		t.Errorf("%d registrations, want one for each owner", n)
	}
}

func TestUnknownOwnersRefuseTheWholeBatchAndEachIsNamed(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		body := `{"events":[
			{"sender":"s","eventName":"n","eventData":1,"accountId":"a-spge-One"},
			{"sender":"s","eventName":"n","eventData":1,"accountId":"nobody"},
			{"sender":"s","eventName":"n","eventData":1,"accountId":"a-spge-One","organizationId":"none"}]}`
		submissions, err := ingest.Native([]byte(body), start)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.acceptor.Accept(t.Context(), submissions)
		wantFields(t, err, "events[1].accountId", "events[2].organizationId")
		if kept := r.all(t, account); len(kept) != 0 {
			t.Errorf("kept %+v", kept)
		}
	})
}

// wantFields checks that the error is CodeInvalid and names just these members.
func wantFields(t *testing.T, err error, names ...string) {
	t.Helper()
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || e.Code != hermod.CodeInvalid {
		t.Fatalf("got %v, want a refusal of %v", err, names)
	}
	var got []string
	for _, f := range e.Fields {
		got = append(got, f.Name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("refused %v, want %v", e.Fields, names)
	}
}

func TestAFailureOfTheStoreIsPassedOnWithTheCodeItHas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want hermod.Code
	}{
		"a fault":             {errors.New("disk on fire"), hermod.CodeInternal},
		"a throttled table":   {hermod.Errorf(hermod.CodeUnavailable, "try again"), hermod.CodeUnavailable},
		"a time that ran out": {context.DeadlineExceeded, hermod.CodeUnavailable},
		"a caller that left":  {context.Canceled, hermod.CodeUnavailable},
	} {
		for _, call := range []string{"Owners", "Subscriptions", "RegisterTypes", "Claim", "PutEvents", "Send"} {
			t.Run(name+" in "+call, func(t *testing.T) {
				t.Parallel()
				m := newMemory()
				r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
				r.subscribe(t, account, "s-1")
				m.before = func(_ context.Context, now string) error {
					if now == call {
						return tt.err
					}
					return nil
				}
				events, err := r.acceptor.Accept(t.Context(), []ingest.Submission{submission(account, "k", "1")})
				if hermod.CodeOf(err) != tt.want || !errors.Is(err, tt.err) || events != nil {
					t.Errorf("got %v, %v", events, err)
				}
			})
		}
	}
}

// A put that hangs must end before another process may take the key over.
func TestAPutIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.before = func(ctx context.Context, call string) error {
			if call == "PutEvents" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		a := newAcceptor(m, m.journal(), newIDs(time.Now), time.Now)
		began := time.Now()
		_, err := a.Accept(t.Context(), []ingest.Submission{{Event: hermod.Event{AccountID: account, Sender: "s", Name: "n"}}})
		if hermod.CodeOf(err) != hermod.CodeUnavailable || time.Since(began) != 4*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A rerun is a journal whose first commit always fails, as an embedded engine's
// may.
type rerun struct{ ingest.Journal }

func (j rerun) Write(ctx context.Context, fn func(context.Context, ingest.Tx) error) error {
	return j.Journal.Write(ctx, func(ctx context.Context, tx ingest.Tx) error {
		if err := fn(ctx, discarding{tx}); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// discarding loses what is written.
type discarding struct{ ingest.Tx }

func (discarding) Claim(_ context.Context, claims []hermod.Claim) ([]hermod.Claim, error) {
	return claims, nil
}
func (discarding) PutEvents(context.Context, []*hermod.Event) error { return nil }
func (discarding) Send(context.Context, []hermod.Message) error     { return nil }
func (discarding) SendAgain(context.Context, []hermod.Message, time.Duration) error {
	return nil
}

func TestAWriteThatIsRunAgainStartsAfresh(t *testing.T) {
	t.Parallel()
	m, c := newMemory(), newClock()
	a := newAcceptor(m, rerun{m.journal()}, newIDs(c.now), c.now)
	events, err := a.Accept(t.Context(), []ingest.Submission{submission(account, "k", "1"), submission(account, "k", "1")})
	if err != nil {
		t.Fatal(err)
	}
	kept := m.all(t, account)
	if len(kept) != 1 || events[0] != events[1] || kept[0].ID != events[0].ID || m.claims[[2]string{account, "k"}].EventID != kept[0].ID {
		t.Errorf("answered %v and %v, kept %v", events[0].ID, events[1].ID, kept)
	}
}

func TestTheLogSaysWhatBecameOfABatchAndNothingOfItsContent(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	m, c := newMemory(), newClock()
	var log bytes.Buffer
	a := ingest.New(ingest.Options{
		Config: m, Journal: m.journal(), IDs: newIDs(c.now), Now: c.now, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	s := submission(account, secret, `"`+secret+`"`)
	s.Event.Tags = []string{secret}
	for _, submissions := range [][]ingest.Submission{{s}, {s}, {submission(account, secret, "other")}} {
		_, _ = a.Accept(t.Context(), submissions) // the last one is refused
	}
	a.Handle(t.Context(), []hermod.Received{{ID: "m-1", Body: []byte(`{"eventData":"` + secret + `","accountId":["` + secret + `"]}`)}})
	for _, want := range []string{`"accepted batch","events":1,"deliveries":0,"repeated":1`, `"batch not accepted"`, `"code":"conflict"`, `"m-1"`, "sender is required", "accountId must be a string"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log holds what was sent:\n%s", &log)
	}
}
