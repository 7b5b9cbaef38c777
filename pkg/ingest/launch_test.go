package ingest_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// request is the GUID of signature request n.
func request(n int) string { return fmt.Sprintf("9b1d0000-0000-4000-8000-%012d", n) }

const completedName, updatedName = "signaturerequestcompleted", "signaturerequeststatusupdated"

// telia is an event of a signature request, with an idempotency key or "".
func telia(name, key, request string) ingest.Submission {
	data := fmt.Sprintf(`{"SignatureRequestId":%q,"CreatorId":"01aa0000-0000-4000-8000-000000000001"}`, request)
	return ingest.Submission{
		Event: hermod.Event{AccountID: account, Sender: "telia-sign", Name: name, Data: json.RawMessage(data), Timestamp: start},
		Key:   key, Hash: sha256.Sum256([]byte(name + data)),
	}
}

func completion(key string, n int) ingest.Submission { return telia(completedName, key, request(n)) }
func update(key string, n int) ingest.Submission     { return telia(updatedName, key, request(n)) }

// names are the events of the account in the order of the log: c for a completion, u
// for a status event.
func (r *rig) names(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, e := range r.all(t, account) {
		switch e.Name {
		case completedName:
			b.WriteByte('c')
		case updatedName:
			b.WriteByte('u')
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

func (r *rig) wantNames(t *testing.T, what, want string) {
	t.Helper()
	if got := r.names(t); got != want {
		t.Errorf("%s: the log has %q, want %q", what, got, want)
	}
}

func TestACompletionLaunchesTheStatusEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		r.subscribe(t, organization, "s-2")
		s := completion("", 1)
		s.Event.OrganizationID, s.Event.Tags, s.Event.ExpiresAt = organization, []string{"a"}, start.Add(time.Hour)
		s.Event.Context = hermod.Context{UserID: "u", TraceID: "t"}
		given := []ingest.Submission{s}
		answered := r.accept(t, given...)
		kept := r.all(t, account)
		if len(kept) != 2 || kept[0].ID != answered[0].ID || kept[0].Name != completedName || kept[1].Name != updatedName {
			t.Fatalf("kept %+v", kept)
		}
		launched := *kept[1]
		launched.ID, launched.Name = kept[0].ID, completedName
		if got, want := fmt.Sprintf("%+v", launched), fmt.Sprintf("%+v", *kept[0]); got != want {
			t.Errorf("launched\n%s\nby\n%s", got, want)
		}
		sent := map[hermod.ID]int{}
		for _, m := range r.messages(t) {
			sent[m.EventID]++
		}
		if sent[kept[0].ID] != 2 || sent[kept[1].ID] != 2 {
			t.Errorf("sent %v", sent)
		}
	})
}

// TestEveryTransportLaunches: a queue's message in each of the three forms.
func TestEveryTransportLaunches(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		data := func(n int) string { return fmt.Sprintf(`{"SignatureRequestId":%q}`, request(n)) }
		bodies := []string{
			`{"accountId":"` + account + `","sender":"telia-sign","eventName":"signaturerequestcompleted","eventData":` + data(1) + `}`,
			`{"specversion":"1.0","id":"1","source":"x","type":"telia-sign:signaturerequestcompleted","accountid":"` + account + `","data":` + data(2) + `}`,
			`{"version":"0","id":"b1","detail-type":"signaturerequestcompleted","source":"telia-sign","account":"123456789012","time":"2026-03-01T12:00:00Z",` +
				`"region":"x","resources":[],"detail":{"accountId":"` + account + `","eventData":` + data(3) + `}}`,
		}
		batch := make([]hermod.Received, len(bodies))
		for i, body := range bodies {
			batch[i] = hermod.Received{ID: fmt.Sprint("m", i), Body: []byte(body), Receives: 1}
		}
		for _, wait := range []time.Duration{0, time.Second, 10 * time.Minute} { // a queue hands a message out again
			r.clock.advance(wait)
			for i, outcome := range r.acceptor.Handle(t.Context(), batch) {
				if outcome.Action != hermod.Done {
					t.Errorf("message %d: %+v", i, outcome)
				}
			}
		}
		r.wantNames(t, "after three receives", "cccuuu")
	})
}

// TestATypeOfTeliaSignIsTheSameInAnyCase: it is matched, launches and is registered as
// the one in lower case, whatever brings it. Other senders' names are their own.
func TestATypeOfTeliaSignIsTheSameInAnyCase(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		err := r.CreateSubscription(t.Context(), &hermod.Subscription{
			ID: "s-1", Owner: account, Dialect: hermod.TeliaSign, Active: true, Type: hermod.Webhook, Version: 1, CreatedAt: start,
			Filters: []hermod.Pattern{"telia-sign:" + completedName, "telia-sign:" + updatedName},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.accept(t, telia("SignatureRequestCompleted", "k", request(1)))
		r.accept(t, telia("SIGNATUREREQUESTSTATUSUPDATED", "", request(1)))
		body := `{"specversion":"1.0","id":"1","source":"x","type":"telia-sign:SignatureRequestCompleted","accountid":"` + account + `","data":{}}`
		if got := r.acceptor.Handle(t.Context(), []hermod.Received{{ID: "m", Body: []byte(body), Receives: 1}}); got[0].Action != hermod.Done {
			t.Fatalf("%+v", got)
		}
		r.wantNames(t, "in any case", "cucu")
		for _, e := range r.all(t, account) {
			if len(e.Matches) != 1 {
				t.Errorf("%s goes to %v", e.Type(), e.Matches)
			}
		}
		if m, ok := r.engine.(*memory); ok {
			if got := m.types[account]; !slices.Equal(got, []string{"telia-sign:" + completedName, "telia-sign:" + updatedName}) {
				t.Errorf("registered %v", got)
			}
		}
		native := submission(account, "", "1")
		native.Event.Name = "Done"
		if e := r.accept(t, native)[0]; e.Name != "Done" {
			t.Errorf("a native event became %s", e.Type())
		}
	})
}

// step is a batch that is accepted after a wait.
type step struct {
	wait  time.Duration
	batch []ingest.Submission
}

func TestAStatusEventIsToldOnceWithinAMinute(t *testing.T) {
	t.Parallel()
	const soon, late = 59 * time.Second, 61 * time.Second
	one := func(s ...ingest.Submission) []ingest.Submission { return s }
	for name, tt := range map[string]struct {
		steps []step
		want  string
	}{
		"own after":                            {[]step{{0, one(completion("", 1))}, {soon, one(update("", 1))}}, "cu"},
		"own before":                           {[]step{{0, one(update("", 1))}, {soon, one(completion("", 1))}}, "uc"},
		"own after more than a minute":         {[]step{{0, one(completion("", 1))}, {late, one(update("", 1))}}, "cuu"},
		"own before by more than a minute":     {[]step{{0, one(update("", 1))}, {late, one(completion("", 1))}}, "ucu"},
		"own of another request":               {[]step{{0, one(completion("", 1))}, {0, one(update("", 2))}}, "cuu"},
		"two own":                              {[]step{{0, one(update("", 1))}, {time.Second, one(update("", 1))}}, "uu"},
		"two own after":                        {[]step{{0, one(completion("", 1))}, {1, one(update("", 1))}, {1, one(update("", 1))}}, "cuu"},
		"two own before":                       {[]step{{0, one(update("", 1))}, {soon, one(update("", 1))}, {soon, one(completion("", 1))}}, "uuc"},
		"two completions":                      {[]step{{0, one(completion("", 1))}, {soon, one(completion("", 1))}}, "cuc"},
		"two completions with own between":     {[]step{{0, one(completion("", 1))}, {1, one(update("", 1))}, {1, one(completion("", 1))}}, "cuc"},
		"two completions, a minute apart":      {[]step{{0, one(completion("", 1))}, {late, one(completion("", 1))}}, "cucu"},
		"in one batch, own last":               {[]step{{0, one(completion("", 1), update("", 1))}}, "cu"},
		"in one batch, own first":              {[]step{{0, one(update("", 1), completion("", 1))}}, "uc"},
		"in one batch, two completions":        {[]step{{0, one(completion("", 1), completion("", 1))}}, "ccu"},
		"in one batch, two own":                {[]step{{0, one(update("", 1), completion("", 1), update("", 1))}}, "ucu"},
		"a batch of two own after":             {[]step{{0, one(completion("", 1))}, {1, one(update("", 1), update("", 1), update("", 1))}}, "cuuu"},
		"a batch of both after a completion":   {[]step{{0, one(completion("", 1))}, {1, one(update("", 1), completion("", 1))}}, "cuc"},
		"with keys":                            {[]step{{0, one(completion("k", 1))}, {1, one(update("l", 1))}}, "cu"},
		"with keys, both again much later":     {[]step{{0, one(completion("k", 1))}, {1, one(update("l", 1))}, {time.Hour, one(completion("k", 1), update("l", 1))}}, "cu"},
		"own with key before, both again":      {[]step{{0, one(update("l", 1))}, {1, one(completion("k", 1))}, {time.Hour, one(completion("k", 1), update("l", 1))}}, "uc"},
		"a completion again much later":        {[]step{{0, one(completion("k", 1))}, {time.Hour, one(completion("k", 1))}}, "cu"},
		"again after own ones since":           {[]step{{0, one(completion("k", 1))}, {late, one(update("", 1))}, {late, one(completion("k", 1))}}, "cuu"},
		"one key twice in a batch":             {[]step{{0, one(completion("k", 1), completion("k", 1))}}, "cu"},
		"a second key that launched nothing":   {[]step{{0, one(completion("k", 1))}, {1, one(completion("l", 1))}, {time.Hour, one(completion("l", 1))}}, "cuc"},
		"own that was launched, again by key":  {[]step{{0, one(completion("", 1))}, {1, one(update("l", 1))}, {1, one(update("l", 1))}, {1, one(update("m", 1))}}, "cuu"},
		"without a GUID nothing is compared":   {[]step{{0, one(telia(completedName, "", "r-1"), telia(updatedName, "", "r-1"))}}, "cuu"},
		"nor with the GUID of nothing":         {[]step{{0, one(telia(completedName, "", hermod.ID{}.GUID()), telia(updatedName, "", hermod.ID{}.GUID()))}}, "cuu"},
		"a GUID in another spelling":           {[]step{{0, one(completion("", 1), telia(updatedName, "", "{"+strings.ToUpper(request(1))+"}"))}}, "cu"},
		"a keyed one without a GUID, again":    {[]step{{0, one(telia(completedName, "k", "r-1"))}, {time.Hour, one(telia(completedName, "k", "r-1"))}}, "cu"},
		"an expired or signed one is no cause": {[]step{{0, one(telia("signaturerequestexpired", "", request(1)), telia("signatorysigned", "", request(1)))}}, "??"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEngines(t, func(t *testing.T, r *rig) {
				for _, s := range tt.steps {
					r.clock.advance(s.wait)
					r.accept(t, slices.Clone(s.batch)...) // two engines share it
				}
				r.wantNames(t, "at the end", tt.want)
			})
		})
	}
}

func TestAPublishersOwnStatusEventIsAnsweredAsTheLaunchedOne(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.accept(t, completion("", 1))
		launched := r.all(t, account)[1]
		for range 2 { // once more by its key
			if e := r.accept(t, update("l", 1))[0]; e.ID != launched.ID {
				t.Errorf("answered %s, launched was %s", e.ID, launched.ID)
			}
		}
	})
}

func TestAFullBatchOfCompletionsLaunchesOneEach(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		var batch []ingest.Submission
		for n := range hermod.MaxEventsPerRequest {
			batch = append(batch, completion(fmt.Sprint("k", n), n))
		}
		p := &pushes{rig: r}
		for range 2 {
			r.accept(t, batch...)
			if kept := r.all(t, account); len(kept) != 200 {
				t.Fatalf("%d events", len(kept))
			}
			p.take(t)
			r.clock.advance(5 * time.Minute)
		}
		p.wantOnce(t, "after two requests")
	})
}

func TestWhatAnAccountSaysOfTheStatusTypeRefusesNoCompletion(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		err := r.PutDefinition(t.Context(), &hermod.Definition{
			Account: account, Type: "telia-sign:" + updatedName, Internal: true, Validation: hermod.ValidateEnforce,
			Schema: json.RawMessage(`{"type":"object","required":["Status"]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		r.accept(t, completion("", 1))
		if kept := r.all(t, account); len(kept) != 2 || kept[0].Internal || !kept[1].Internal {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestWhatIsRefusedLaunchesNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.accept(t, telia("signatorysigned", "k", request(1)))
		stranger := completion("", 2)
		stranger.Event.AccountID = "nobody"
		for _, batch := range [][]ingest.Submission{{completion("k", 1)}, {stranger}} {
			if events, err := r.acceptor.Accept(t.Context(), batch); err == nil {
				t.Errorf("accepted %+v", events)
			}
		}
		r.wantNames(t, "after refusals", "?")
	})
}

func TestAMockLaunchesNothingAndIsNothingsTwin(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		to := hermod.Ref{Owner: account, ID: "s-1"}
		for _, s := range []ingest.Submission{completion("", 1), update("", 1), update("", 1)} {
			if _, err := r.acceptor.Mock(t.Context(), s.Event, to); err != nil {
				t.Fatal(err)
			}
		}
		r.wantNames(t, "after mocks", "cuu")
		r.accept(t, completion("", 1))
		r.wantNames(t, "a mock does not count for a real one", "cuucu")
	})
}

func TestAccountsDoNotShareSignatureRequests(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		theirs := update("", 1)
		theirs.Event.AccountID = other
		r.accept(t, completion("", 1), theirs)
		r.wantNames(t, "mine", "cu")
		if kept := r.all(t, other); len(kept) != 1 {
			t.Errorf("theirs: %+v", kept)
		}
	})
}

func TestOtherEventsPayNothingForThis(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	r.accept(t, submission(account, "", "1"), telia("signatorysigned", "", request(1)), telia("signaturerequestexpired", "", request(1)))
	if m.count("Claim")+m.count("Reclaim")+m.count("EventsByKey") != 0 {
		t.Errorf("calls %v", m.calls)
	}
	r.accept(t, completion("", 1), completion("", 2))
	if m.count("Claim") != 1 || m.count("Reclaim")+m.count("EventsByKey") != 0 {
		t.Errorf("for completions: calls %v", m.calls)
	}
}
