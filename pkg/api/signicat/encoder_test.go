package signicat_test

import (
	"encoding/json"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// vector is the second vector of the wire facts, 9.2.
func vector(t *testing.T) (e *hermod.Event, body, signature string) {
	t.Helper()
	id, err := hermod.ParseID("82fa52a9bc7549438b8c6aee71569fa7")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2023, 11, 13, 11, 38, 10, 730236300, time.UTC)
	return &hermod.Event{
			ID: id, Timestamp: at, Sender: "signature-api", Name: "order.completed", Data: json.RawMessage(`{}`),
			AccountID: "a-spge-IL9J9flqic18sh4TsUAo", ExpiresAt: at.Add(30*time.Second - 1800), Tags: []string{"mock"},
		}, `{"id":"82fa52a9bc7549438b8c6aee71569fa7","timestamp":"2023-11-13T11:38:10.7302363Z","sender":"signature-api",` +
			`"eventName":"order.completed","eventData":{},"accountId":"a-spge-IL9J9flqic18sh4TsUAo","organizationId":null,` +
			`"expiresAt":"2023-11-13T11:38:40.7302345Z","tags":["mock"]}`,
		"071ad019912a0bdcc1c5c4ed96090bdf2b5fb23a16f20f28d6f10c0efaa1afd0"
}

func key(e *hermod.Event) hermod.AttemptKey {
	return hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: "s-1", EventID: e.ID}, Number: 1}
}

func attempt(e *hermod.Event, s *hermod.Subscription, at time.Time) deliver.Delivery {
	return deliver.Delivery{Event: e, Subscription: s, Key: key(e), At: at}
}

func TestADeliveryIsTheNineFieldEventSigned(t *testing.T) {
	t.Parallel()
	e, body, signature := vector(t)
	s := &hermod.Subscription{Signing: hermod.HMACSHA256, Secrets: hermod.Secrets{SigningSecret: "E*wl1K87LYnUoZSm"}}
	for _, headers := range [][]string{nil, {"X-Signicat-Signature"}, {"X-One", "x-two"}} {
		p, err := signicat.Encoder{SignatureHeaders: headers}.Encode(t.Context(), attempt(e, s, start))
		if err != nil || string(p.Body) != body || p.ContentType != "application/json" {
			t.Fatalf("%s, %v", p.Body, err)
		}
		if headers == nil {
			headers = []string{"X-Signicat-Signature"}
		}
		for _, name := range headers {
			if got := p.Header.Get(name); got != signature {
				t.Errorf("%s: %q", name, got)
			}
		}
		if p.Header.Get("webhook-id") != e.ID.String() || p.Header.Get("webhook-timestamp") != "1772366400" || p.Header.Get("webhook-signature") == "" ||
			p.Header.Get("X-Signicat-Event-Id") != e.ID.String() || p.Header.Get("X-Signicat-Delivery-Attempt-Id") != key(e).String() {
			t.Errorf("header %v", p.Header)
		}
	}
}

func TestADeliverySaysNoMoreThanItsSubscriptionAsksFor(t *testing.T) {
	t.Parallel()
	e, _, _ := vector(t)
	for signing, want := range map[hermod.SigningType]struct{ native, standard bool }{
		hermod.Unsigned: {false, false}, hermod.HMACSHA256: {true, true}, hermod.StandardWebhooks: {false, true},
	} {
		s := &hermod.Subscription{Signing: signing, Secrets: hermod.Secrets{SigningSecret: "secret"}}
		p, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, s, start))
		if err != nil {
			t.Fatal(err)
		}
		if (p.Header.Get("X-Signicat-Signature") != "") != want.native || (p.Header.Get("webhook-signature") != "") != want.standard {
			t.Errorf("%q: header %v", signing, p.Header)
		}
	}
}

func TestTheBytesOfADeliveryAreThoseOfItsEvent(t *testing.T) {
	t.Parallel()
	e, _, _ := vector(t)
	for _, tt := range [][2]string{
		{"", "null"}, {"null", "null"}, {` { "a" : "<&>\u2028" , "b" : 1.50 } `, `{"a":"<&>\u2028","b":1.50}`},
		{"\"\u2028é\"", "\"\u2028é\""}, {"1e999", "1e999"},
	} {
		data, want := tt[0], tt[1]
		e.Data = json.RawMessage(data)
		if data == "" {
			e.Data = nil
		}
		first, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, &hermod.Subscription{}, start))
		if err != nil {
			t.Fatal(err)
		}
		again, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, &hermod.Subscription{}, start.Add(time.Hour)))
		if err != nil || string(first.Body) != string(again.Body) {
			t.Errorf("%s, then %s: %v", first.Body, again.Body, err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(first.Body, &members); err != nil || string(members["eventData"]) != want || len(members) != 9 {
			t.Errorf("%q became %s in %d members: %v", data, members["eventData"], len(members), err)
		}
	}
	e.Data = json.RawMessage(`{`)
	if _, err := (signicat.Encoder{}).Encode(t.Context(), attempt(e, &hermod.Subscription{}, start)); err == nil {
		t.Error("what is no JSON is sent")
	}
}

func TestTheWaitsAreTheDefaultUnlessTheyAreConfigured(t *testing.T) {
	t.Parallel()
	if got := (signicat.Encoder{}).Schedule(); len(got) != len(hermod.DefaultSchedule()) {
		t.Errorf("%v", got)
	}
	if got := (signicat.Encoder{Waits: hermod.Schedule{1}}).Schedule(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
