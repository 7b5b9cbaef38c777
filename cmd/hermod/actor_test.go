package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

// readJSON reads an answer.
func readJSON(t *testing.T, link, token string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", link, answer.Status, err)
	}
}

func TestWhatANodeDoesUnaskedIsNotTheOperators(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	t.Cleanup(gone.Close)
	p := start(t, build(t), filepath.Join(t.TempDir(), "data"))
	token := p.token()
	subscribe(t, p, token, gone.URL)
	var accepted struct{ Data []struct{ ID string } }
	if err := post(p.base+"/events-management/events", token, `{"sender":"e2e","eventName":"gone","eventData":1}`, &accepted); err != nil {
		t.Fatal(err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var log struct {
			Data []struct{ Actor struct{ Type string } }
		}
		readJSON(t, p.base+"/events-management/audit-log?action=subscription.disabled", token, &log)
		if len(log.Data) > 0 {
			if by := log.Data[0].Actor.Type; by != "hermod" {
				t.Errorf("the subscription was disabled by %q, want hermod", by)
			}
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatal("the subscription was not disabled")
		}
	}
}
