package telia_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhatAClientOfThatAPIDoes is wire facts, 9.3.
func TestWhatAClientOfThatAPIDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, base := range []string{"/hooks/v1", "/hooks"} {
		for _, slash := range []string{"", "/"} {
			if a := w.do(t, "local", http.MethodGet, base+slash, ""); a.status != http.StatusOK || !strings.HasPrefix(string(a.body), `[{"eventType":"signaturerequestcompleted"`) {
				t.Fatalf("hooks at %s: %d %s", base+slash, a.status, a.body)
			}
			id := w.do(t, "local", http.MethodPost, base+"/subscription"+slash, subscribing("")).json(t)["id"].(string)
			one := base + "/subscription/" + id + slash
			for _, query := range []string{
				"?eventType=signaturerequestcompleted", "?eventtype=SignatureRequestCompleted", "?EVENTTYPE=SIGNATUREREQUESTCOMPLETED",
				"?eventtype=signaturerequestcompleted?eventtype=signaturerequestcompleted",
			} {
				got := w.do(t, "local", http.MethodGet, one+query, "").json(t)
				if got["id"] != id || got["eventType"] != "signaturerequestcompleted" || len(got) != 4 {
					t.Errorf("%s: %v", query, got)
				}
			}
			gone := w.do(t, "local", http.MethodDelete, one+"?eventType=signatureRequestCompleted", "")
			if gone.status != http.StatusAccepted || len(gone.body) != 0 {
				t.Errorf("deleted: %d %s", gone.status, gone.body)
			}
			w.do(t, "local", http.MethodGet, one+"?eventType=signaturerequestcompleted", "").message(t, http.StatusNotFound)
			w.do(t, "local", http.MethodDelete, one+"?eventType=signaturerequestcompleted", "").message(t, http.StatusNotFound)
		}
	}
}
