package signicat_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"hermod/pkg/api/apitest"
	"hermod/pkg/hermod"
)

// A subscription input never panics, and what is accepted stays within its bounds
// and comes back.
func FuzzSubscription(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, webhook(""), webhook(`,"eventNameFilter":["*"],"tagFilter":["a"]`), webhook(`,"expiresAt":"2030-01-01T00:00:00Z"`),
		webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"s"}}`),
		webhook(`,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`),
		`{"name":"abc","type":"Webhook","typeConfiguration":{"url":"https://a.example","headers":{"X":"********"},"token":[{"key":1e999}]}}`,
	} {
		f.Add([]byte(seed))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := w.do(t, "local", http.MethodPost, subscriptionsPath, string(body))
		switch a.status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			return
		case http.StatusOK:
		default:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		}
		var created struct {
			ID, Name, Type  string
			EventNameFilter []string
		}
		if err := json.Unmarshal(a.body, &created); err != nil {
			t.Fatal(err)
		}
		if n := len([]rune(created.Name)); n < 3 || n > 64 || created.Type != hermod.Webhook {
			t.Fatalf("accepted %s", a.body)
		}
		for _, filter := range created.EventNameFilter {
			if _, ok := hermod.ParsePattern(filter); !ok {
				t.Fatalf("accepted filter %q", filter)
			}
		}
		path := subscriptionsPath + "/" + created.ID
		if read := w.do(t, "local", http.MethodGet, path, ""); read.status != http.StatusOK {
			t.Fatalf("%q: %d %s", body, read.status, read.body)
		}
		// What was accepted is accepted as an update of itself.
		if again := w.do(t, "local", http.MethodPut, path, string(body)); again.status != http.StatusOK {
			t.Fatalf("%q: %d %s", body, again.status, again.body)
		}
		if gone := w.do(t, "local", http.MethodDelete, path, ""); gone.status != http.StatusNoContent {
			t.Fatalf("%d %s", gone.status, gone.body)
		}
	})
}

// FuzzRows: whatever a caller sends to any row, it is told so in the API's form.
func FuzzRows(f *testing.F) {
	w := newWorld(f)
	apitest.FuzzRows(f, table(), []string{
		`{}`, `null`, event(""), webhook(""), `{"event":"sign:done"}`, `{"after":"2026-02-01T00:00:00Z","rate":1e9}`, `{"type":"apiKey","name":"A key","scopes":[]}`,
		`{"description":"x","schema":{"$ref":"#"},"validation":"enforce"}`, `{"reasons":["gone"],"rate":0}`, `{"secret":"x","overlap":-1}`,
		`grant_type=client_credentials&client_id=local&client_secret=`,
	}, []string{
		"limit=0", "limit=1&event=sign:*&before=2026-02-01T00:00:00Z", "cursor=%41%2e&tail=true", "signicat-accountId=*", "signicat-organizationId=%00",
		"success=maybe&subscriptionId=s-x&after=0000-01-01T00:00:00Z", "name=%ff&all=true",
	}, func(t *testing.T, method, target, body string, header ...string) int {
		return w.do(t, "local", method, target, body, header...).status
	})
}
