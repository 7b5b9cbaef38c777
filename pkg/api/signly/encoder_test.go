package signly_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"hermod/pkg/api/signly"
	"hermod/pkg/catalog"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

func sampleEvent() *hermod.Event {
	return &hermod.Event{
		ID:        hermod.FirstIDAt(start),
		Timestamp: time.Date(2026, 3, 1, 12, 59, 33, 900_000_000, time.FixedZone("", 3600)),
		Sender:    "signly", Name: "PROCESS_COMPLETED", AccountID: local, Data: json.RawMessage(sample),
	}
}

func encode(t testing.TB, e *hermod.Event, secrets hermod.Secrets, attempt int) deliver.Payload {
	t.Helper()
	p, err := signly.Encoder{}.Encode(t.Context(), deliver.Delivery{
		Event: e, Subscription: &hermod.Subscription{Tenant: localKey.tenant, Secrets: secrets},
		Key: hermod.AttemptKey{Number: attempt}, At: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestADeliveryKeepsTheBytesOfItsData(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{}`: `"documentId":null,"participantId":null,"attempt":1,"data":{}`,
		`{"b":12345678901234567890,"documentId":"d","a":"<é>&\u00e9","participantId":"p"}`: `"documentId":"d","participantId":"p","attempt":1,"data":{"b":12345678901234567890,"a":"<é>&\u00e9"}`,
		`{"document\u0049d":"d","x":{"documentId":1}}`:                                     `"documentId":"d","participantId":null,"attempt":1,"data":{"x":{"documentId":1}}`,
		"{ \"documentId\" : null , \"x\" :\n[ 1 ,\t2 ] }":                                  `"documentId":null,"participantId":null,"attempt":1,"data":{"x":[1,2]}`,
		`[1,{"documentId":"d"}]`:                                                           `"documentId":null,"participantId":null,"attempt":1,"data":[1,{"documentId":"d"}]`,
		`1e400`:                                                                            `"documentId":null,"participantId":null,"attempt":1,"data":1e400`,
		`null`:                                                                             `"documentId":null,"participantId":null,"attempt":1,"data":null`,
	} {
		e := sampleEvent()
		e.Data = json.RawMessage(data)
		if body := encode(t, e, hermod.Secrets{}, 1).Body; !bytes.HasSuffix(body, []byte(want+"}")) {
			t.Errorf("%s is delivered as\n%s\nwant it to end\n%s", data, body, want)
		}
	}
}

// FuzzDelivery: whatever the data, a delivery is JSON and holds all of it.
func FuzzDelivery(f *testing.F) {
	for _, seed := range []string{
		sample, `{}`, `[]`, `"documentId"`, `{"documentId":{"participantId":1},"a":[{}],"participantId":[]}`,
		`{"a":1,"a":2,"documentId":1,"documentId":2}`, "{\"\\u0000\":\"\xff\",\n\t\"documentId\"\r:\n1,\"b\":-0.0e+1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		e := sampleEvent()
		e.Data = data
		var got struct {
			DocumentID    any             `json:"documentId"`
			ParticipantID any             `json:"participantId"`
			Data          json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(encode(t, e, hermod.Secrets{}, 1).Body, &got); err != nil {
			t.Fatal(err)
		}
		var whole, rest any
		if err := json.Unmarshal(data, &whole); err != nil {
			return // a number that no float holds
		}
		if err := json.Unmarshal(got.Data, &rest); err != nil {
			t.Fatal(err)
		}
		if object, ok := whole.(map[string]any); ok {
			if !reflect.DeepEqual(object["documentId"], got.DocumentID) || !reflect.DeepEqual(object["participantId"], got.ParticipantID) {
				t.Fatalf("%s: %v and %v", data, got.DocumentID, got.ParticipantID)
			}
			delete(object, "documentId")
			delete(object, "participantId")
		}
		if !reflect.DeepEqual(whole, rest) {
			t.Fatalf("%s: the rest is %s", data, got.Data)
		}
	})
}

func TestADeliveryIsSignedWhereThereIsASecret(t *testing.T) {
	t.Parallel()
	plain := encode(t, sampleEvent(), hermod.Secrets{}, 1)
	if len(plain.Header) != 0 || plain.ContentType != "application/json" {
		t.Errorf("unsigned: %q, %v", plain.ContentType, plain.Header)
	}
	signed := encode(t, sampleEvent(), hermod.Secrets{SigningSecret: "s3cret"}, 2)
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(signed.Body)
	if got, want := signed.Header.Get("X-Signly-Signature"), hex.EncodeToString(mac.Sum(nil)); got != want || len(signed.Header) != 1 {
		t.Errorf("signed with %q, want %q", got, want)
	}
	if bytes.Equal(plain.Body, signed.Body) {
		t.Error("the attempt is not in the body")
	}
}

func TestAWebhookWithoutAPolicyHasTheDefaultOne(t *testing.T) {
	t.Parallel()
	if got := (signly.Encoder{}).Schedule(); !slices.Equal(got, hermod.Schedule{time.Second, 2 * time.Second}) {
		t.Errorf("got %v", got)
	}
}

// That a webhook can ask for the types of the catalog and for no others.
func TestTheTypesAreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	count := 0
	for _, typ := range catalog.All() {
		sender, name, _ := hermod.ParseType(typ.Event())
		a := w.do(t, localKey, "POST", webhooksPath, `{"url":"https://receiver.example/","events":["`+name+`"]}`)
		if sender == "signly" {
			count++
		}
		if (sender == "signly") != (a.status == 201) {
			t.Errorf("%s: %d", typ.Event(), a.status)
		}
	}
	if count != 19 {
		t.Errorf("the catalog has %d types", count)
	}
}
