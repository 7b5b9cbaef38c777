package telia_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"hermod/pkg/api/telia"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// FuzzSubscription sends any body: it is created and can be read back, or named as bad,
// and is never our fault.
func FuzzSubscription(f *testing.F) {
	for _, seed := range []string{
		subscribing(""), subscribing(`,"uri":"x"`), `{}`, `[]`, `null`, ``, `{"Headers":{"a":{}}}`, `{"EventType":"SIGNATORYSIGNED","Uri":"https://a.example"}`,
		`{"eventtype":"\u0073ignatorysigned","uri":"https://a.example/\u0000"}`, "\xef\xbb\xbf{}", `{"Headers":{"":"","A":"b\u2028"},"EventType":1e999}`,
	} {
		f.Add([]byte(seed))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := w.do(t, "local", http.MethodPost, listPath, string(body))
		switch a.status {
		case http.StatusOK:
			id := a.json(t)["id"].(string)
			items := w.do(t, "local", http.MethodGet, listPath, "").json(t)["items"].([]any)
			last := items[len(items)-1].(map[string]any)
			if last["id"] != id {
				t.Fatalf("created %s and listed %v", id, last)
			}
			one := listPath + "/" + id + "?eventType=" + last["eventType"].(string)
			if gone := w.do(t, "local", http.MethodDelete, one, ""); gone.status != http.StatusAccepted {
				t.Fatalf("not deleted: %s", gone.body)
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			a.message(t, a.status)
		default:
			t.Fatalf("answered %d %s", a.status, a.body)
		}
	})
}

// FuzzEncode delivers any data: always the members of the contract, all ids GUIDs.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{allIDs, `{}`, `null`, `[1]`, `{"signatoryid":{"a":1}}`, `{"CreatorId":"{01AA0000-0000-4000-8000-000000000005}"}`} {
		f.Add("signatorysigned", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		p, err := telia.Encoder{}.Encode(t.Context(), deliver.Delivery{
			Event:        &hermod.Event{Sender: "telia-sign", Name: name, Data: data, Timestamp: start},
			Subscription: &hermod.Subscription{Tenant: localTenant},
		})
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ EventData map[string]string }
		if err := json.Unmarshal(p.Body, &body); err != nil {
			t.Fatalf("%v: %s", err, p.Body)
		}
		for member, id := range body.EventData {
			if _, err := hermod.ParseGUID(id); err != nil {
				t.Errorf("%s is %q", member, id)
			}
		}
	})
}
