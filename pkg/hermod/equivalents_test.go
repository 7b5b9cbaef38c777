package hermod_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

const (
	orderCompleted   = "signature-api:order.completed"
	txCompleted      = "universign:transaction.lifecycle.completed"
	requestCompleted = "telia-sign:signaturerequestcompleted"
	processCompleted = "signly:PROCESS_COMPLETED"
	guid             = "9b1d6c0e-52f7-4c0a-9d6e-0f6a4b1f7a01"
)

func TestEquivalentsAreTheOtherTypesOfTheFact(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string][]string{
		orderCompleted:                            {txCompleted, requestCompleted, processCompleted},
		processCompleted:                          {orderCompleted, txCompleted, requestCompleted},
		"signature-api:order.deleted":             nil,
		"signly:PROCESS_completed":                nil,
		"telia-sign:SignatureRequestCompleted":    nil,
		"universign:transaction.lifecycle.paused": nil,
		"": nil,
	} {
		if got := hermod.Equivalents(typ); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", typ, got, want)
		}
	}
	hermod.Equivalents(orderCompleted)[0] = "changed"
	if got := hermod.Equivalents(orderCompleted)[0]; got != txCompleted {
		t.Errorf("the table has become %q", got)
	}
}

func TestATranslationHasTheMembersOfItsTypeAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, data, to, want string }{
		{"to the native one", txCompleted, `{"object":"transaction","id":"tx_1","state":"completed","name":"n","completed_at":"2026-03-02T10:00:00.5+01:00"}`,
			orderCompleted, `{"orderId":"tx_1","completedAt":"2026-03-02T10:00:00.5+01:00"}`},
		{"from the native one", orderCompleted, `{"orderId":"tx_1","externalId":"e","documents":[],"completedAt":"2026-03-02T09:00:00Z"}`,
			txCompleted, `{"object":"transaction","state":"completed","id":"tx_1","completed_at":"2026-03-02T09:00:00Z"}`},
		{"the time is the event's", orderCompleted, `{"orderId":"tx_1","completedAt":null}`,
			txCompleted, `{"object":"transaction","state":"completed","id":"tx_1","completed_at":"2026-03-02T09:15:30Z"}`},
		{"the time is no time", orderCompleted, `{"orderId":"tx_1","completedAt":"yesterday"}`,
			txCompleted, `{"object":"transaction","state":"completed","id":"tx_1","completed_at":"2026-03-02T09:15:30Z"}`},
		{"what Telia Sign has no time for", requestCompleted, `{"SignatureRequestId":"` + guid + `"}`,
			orderCompleted, `{"orderId":"` + guid + `","completedAt":"2026-03-02T09:15:30Z"}`},
		{"an id of the right form", orderCompleted, `{"orderId":"` + guid + `"}`,
			requestCompleted, `{"SignatureRequestId":"` + guid + `"}`},
		{"members by the other type's names", orderCompleted, `{"orderId":"ord-1","SignatureRequestId":"` + guid + `","CreatorId":"` + guid + `","DepartmentId":7}`,
			requestCompleted, `{"SignatureRequestId":"` + guid + `","CreatorId":"` + guid + `"}`},
		{"those come first", orderCompleted, `{"orderId":"00000000-0000-4000-8000-000000000000","documentId":"` + guid + `","participantId":"` + guid + `","processId":"` + guid + `"}`,
			processCompleted, `{"status":"COMPLETED","documentId":"` + guid + `","participantId":"` + guid + `","processId":"` + guid + `","completedAt":"2026-03-02T09:15:30Z"}`},
		{"unless they have another form", orderCompleted, `{"orderId":"` + guid + `","documentId":"doc-1","participantId":"` + guid + `","processId":"` + guid + `"}`,
			processCompleted, `{"status":"COMPLETED","documentId":"` + guid + `","participantId":"` + guid + `","processId":"` + guid + `","completedAt":"2026-03-02T09:15:30Z"}`},
		{"no time that is not the type's", "universign:transaction.lifecycle.started", `{"id":"tx_1","name":"n"}`,
			"signature-api:order.created", `{"orderId":"tx_1","title":"n","createdAt":"2026-03-02T09:15:30Z"}`},
		{"the document is the request, too", "signly:DOCUMENT_VIEWED", `{"documentId":"` + guid + `","participantId":"p","processId":"s"}`,
			"signature-api:session.document.presented", `{"orderId":"` + guid + `","recipientId":"p","sessionId":"s","documentId":"` + guid + `","presentedAt":"2026-03-02T09:15:30Z"}`},
		{"a signer", "signature-api:recipient.completed", `{"orderId":"tx_1","recipientId":"r","role":"signer","id":"act_1"}`,
			"universign:action.closed", `{"object":"action","type":"signature","state":"closed","id":"act_1","transaction_id":"tx_1","participant_id":"r","closed_at":"2026-03-02T09:15:30Z"}`},
		{"what is escaped stays so", "universign:transaction.lifecycle.started", `{"id":"tx_\u003c\"","name":"\u2028<&>"}`,
			"signature-api:order.created", `{"orderId":"tx_\u003c\"","title":"\u2028<&>","createdAt":"2026-03-02T09:15:30Z"}`},
	} {
		e := of(tt.from, []byte(tt.data))
		got, ok := hermod.Translate(e, tt.to)
		if !ok || string(got.Data) != tt.want || got.Type() != tt.to {
			t.Errorf("%s: %v %+v, want %s", tt.name, ok, got, tt.want)
			continue
		}
		if string(e.Data) != tt.data || e.Type() != tt.from {
			t.Errorf("%s: the event has become %s", tt.name, e.Data)
		}
	}
}

func TestAnEventThatLacksWhatATypeNeedsIsNotTranslated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, data, to string }{
		{"no object", txCompleted, `["tx_1"]`, orderCompleted},
		{"null", txCompleted, `null`, orderCompleted},
		{"nothing", txCompleted, ``, orderCompleted},
		{"no id", txCompleted, `{"object":"transaction"}`, orderCompleted},
		{"no id but null", txCompleted, `{"id":null}`, orderCompleted},
		{"an empty id", txCompleted, `{"id":""}`, orderCompleted},
		{"an id that is a number", txCompleted, `{"id":7}`, orderCompleted},
		{"an id that is no GUID", orderCompleted, `{"orderId":"ord-1"}`, requestCompleted},
		{"a GUID without dashes", orderCompleted, `{"orderId":"9b1d6c0e52f74c0a9d6e0f6a4b1f7a01"}`, requestCompleted},
		{"an id of no transaction", orderCompleted, `{"orderId":"ord-1"}`, txCompleted},
		{"nothing but the prefix", orderCompleted, `{"orderId":"tx_"}`, txCompleted},
		{"no participant", orderCompleted, `{"orderId":"` + guid + `"}`, processCompleted},
		{"a visa", "universign:action.closed", `{"id":"a","type":"visa","transaction_id":"tx_1","participant_id":"p"}`, "signature-api:recipient.completed"},
		{"an action without a type", "universign:action.closed", `{"id":"a","transaction_id":"tx_1","participant_id":"p"}`, "signature-api:recipient.completed"},
		{"an approver", "signature-api:recipient.completed", `{"orderId":"` + guid + `","recipientId":"` + guid + `","role":"approver"}`, "telia-sign:signatorysigned"},
		{"an identity that is not right", "assure-api:process.complete", `{"processId":"p","status":"rejected"}`, "universign:identity-validation.processed"},
		{"a type of another fact", txCompleted, `{"id":"tx_1"}`, "signature-api:order.canceled"},
		{"no type", txCompleted, `{"id":"tx_1"}`, ""},
		{"a type that means nothing else", "shop:paid", `{"id":"tx_1"}`, orderCompleted},
	} {
		if e, ok := hermod.Translate(of(tt.from, []byte(tt.data)), tt.to); ok || e != nil {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

func TestATranslatedEventIsTheSameEvent(t *testing.T) {
	t.Parallel()
	e := of(txCompleted, []byte(`{"id":"tx_1"}`))
	if same, ok := hermod.Translate(e, txCompleted); !ok || same != e {
		t.Error("its own form is the event itself")
	}
	got, _ := hermod.Translate(e, orderCompleted)
	got.Sender, got.Name, got.Data = e.Sender, e.Name, e.Data
	a, errA := json.Marshal(got)
	b, errB := json.Marshal(e)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("it is %s, was %s", a, b)
	}
}

func TestWhatASubscriptionWantsOfAnEvent(t *testing.T) {
	t.Parallel()
	completed := of(txCompleted, []byte(`{"id":"tx_1"}`))
	visa := of("universign:action.closed", []byte(`{"type":"visa"}`))
	signed := of("universign:action.closed", []byte(`{"type":"signature"}`))
	opened := of("signly:PROCESS_STARTED", []byte(`{}`))
	mock := of(txCompleted, completed.Data)
	mock.Mock = true
	for name, tt := range map[string]struct {
		dialect   hermod.Dialect
		filters   []hermod.Pattern
		translate bool
		event     *hermod.Event
		want      string // "" for not wanted
	}{
		"as it is":                              {hermod.Signicat, []hermod.Pattern{txCompleted}, false, completed, txCompleted},
		"by its sender":                         {hermod.Signicat, []hermod.Pattern{"universign:*"}, true, completed, txCompleted},
		"by everything":                         {hermod.Signicat, nil, true, completed, txCompleted},
		"not without translating":               {hermod.Signicat, []hermod.Pattern{orderCompleted}, false, completed, ""},
		"translated":                            {hermod.Signicat, []hermod.Pattern{orderCompleted}, true, completed, orderCompleted},
		"a dialect without a name":              {"", []hermod.Pattern{orderCompleted}, true, completed, orderCompleted},
		"translated, by the sender":             {hermod.Signicat, []hermod.Pattern{"signature-api:*"}, true, completed, orderCompleted},
		"rather as it is":                       {hermod.Signicat, []hermod.Pattern{orderCompleted, txCompleted}, true, completed, txCompleted},
		"another type":                          {hermod.Signicat, []hermod.Pattern{"signature-api:order.expired"}, true, completed, ""},
		"a mock":                                {hermod.Signicat, []hermod.Pattern{orderCompleted}, true, mock, ""},
		"a mock as it is":                       {hermod.Signicat, []hermod.Pattern{txCompleted}, true, mock, txCompleted},
		"the first of two":                      {hermod.Signicat, []hermod.Pattern{"signature:*", "signature-api:*"}, true, opened, "signature-api:session.started"},
		"the only one of two":                   {hermod.Signicat, []hermod.Pattern{"signature:*"}, true, opened, "signature:signing-session.started"},
		"another dialect's type, for a native":  {hermod.Signicat, []hermod.Pattern{"telia-sign:*"}, true, completed, ""},
		"what does not mean it":                 {hermod.Signicat, []hermod.Pattern{"signature-api:*"}, true, visa, ""},
		"what means it":                         {hermod.Signicat, []hermod.Pattern{"signature-api:*"}, true, signed, "signature-api:recipient.completed"},
		"in the dialect's own form":             {hermod.TeliaSign, []hermod.Pattern{requestCompleted}, true, completed, requestCompleted},
		"in the dialect's own form, everything": {hermod.TeliaSign, nil, true, completed, requestCompleted},
		"not in another's form":                 {hermod.TeliaSign, []hermod.Pattern{txCompleted, orderCompleted}, true, completed, ""},
		"its own as it is":                      {hermod.Universign, []hermod.Pattern{txCompleted}, true, completed, txCompleted},
		"everything, but of its dialect alone":  {hermod.Signly, nil, false, completed, ""},
	} {
		s := hermod.Subscription{Owner: "a", Active: true, Dialect: tt.dialect, Filters: tt.filters, Translate: tt.translate}
		if got, ok := s.Wants(tt.event); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q %v, want %q", name, got, ok, tt.want)
		}
		if got := s.Matches(tt.event, happened); got != (tt.want != "") {
			t.Errorf("%s: matches %v", name, got)
		}
	}
}

func TestTheOtherRulesOfMatchingHoldForEquivalents(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *hermod.Subscription, e *hermod.Event){
		"another owner":  func(s *hermod.Subscription, _ *hermod.Event) { s.Owner = "b" },
		"switched off":   func(s *hermod.Subscription, _ *hermod.Event) { s.Active = false },
		"expired":        func(s *hermod.Subscription, _ *hermod.Event) { s.ExpiresAt = happened },
		"internal":       func(_ *hermod.Subscription, e *hermod.Event) { e.Internal = true },
		"without a tag":  func(s *hermod.Subscription, _ *hermod.Event) { s.Tags = []string{"y"} },
		"nothing at all": nil,
	} {
		e := of(txCompleted, []byte(`{"id":"tx_1"}`))
		s := hermod.Subscription{Owner: "a", Active: true, Filters: []hermod.Pattern{orderCompleted}, Tags: []string{"x"}, Translate: true}
		if change != nil {
			change(&s, e)
		}
		if got := s.Matches(e, happened); got != (change == nil) {
			t.Errorf("%s: matches %v", name, got)
		}
	}
}

// BenchmarkFacts is what a process pays once.
func BenchmarkFacts(b *testing.B) {
	for b.Loop() {
		hermod.Facts()
	}
}

// BenchmarkEquivalents is what each event that is accepted pays.
func BenchmarkEquivalents(b *testing.B) {
	for name, typ := range map[string]string{"none": "sign:done", "three": orderCompleted} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				hermod.Equivalents(typ)
			}
		})
	}
}

func FuzzTranslate(f *testing.F) {
	for _, fact := range hermod.Facts() {
		for _, form := range fact.Forms {
			f.Add(form.Type, []byte(`{"orderId":"`+guid+`","id":"tx_1","transaction_id":"tx_1","SignatureRequestId":"`+guid+`","type":"signature"}`))
		}
	}
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		sender, name, _ := hermod.ParseType(typ)
		e := &hermod.Event{Sender: sender, Name: name, Data: data, Timestamp: time.Unix(0, 0)}
		for _, to := range hermod.Equivalents(typ) {
			got, ok := hermod.Translate(e, to)
			if ok != (got != nil) {
				t.Fatalf("%s: %v, %v", to, got, ok)
			}
			if !ok {
				continue
			}
			var members map[string]string
			if err := json.Unmarshal(got.Data, &members); err != nil {
				t.Fatalf("%s became %s: %v", data, got.Data, err)
			}
			if again, _ := hermod.Translate(e, to); string(again.Data) != string(got.Data) {
				t.Fatalf("another time it is %s, not %s", again.Data, got.Data)
			}
		}
	})
}
