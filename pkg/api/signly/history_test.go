package signly_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api/signly"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

const process = "5f0c9a4e-9d5b-4a4f-8a53-0d6c1e4f7b21"

const historyPath = signly.Base + "/v1/events/"

// publish accepts an event of the account.
func (w *world) publish(t testing.TB, account, name, data string) {
	t.Helper()
	e := hermod.Event{Sender: "signly", Name: name, AccountID: account, Timestamp: w.Now(), Data: json.RawMessage(data)}
	if _, err := w.acceptor.Accept(t.Context(), []ingest.Submission{{Event: e}}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) history(t testing.TB, c caller, path string) (types []string, e envelope) {
	t.Helper()
	e = w.do(t, c, http.MethodGet, historyPath+path, "").envelope(t, http.StatusOK)
	var events []struct{ Type, TenantID string }
	if err := json.Unmarshal(e.Data, &events); err != nil {
		t.Fatal(err)
	}
	for _, event := range events {
		types = append(types, event.Type)
		if event.TenantID != c.tenant {
			t.Errorf("an event of tenant %q", event.TenantID)
		}
	}
	return types, e
}

func TestAProcessHasItsEventsOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	for _, name := range []string{"PROCESS_CREATED", "PROCESS_STARTED", "OTP_SENT", "OTP_VERIFIED", "PROCESS_COMPLETED"} {
		w.publish(t, local, name, fmt.Sprintf(`{"processId":%q}`, process))
		w.publish(t, local, name, `{"processId":"another"}`)
		w.publish(t, other, name, fmt.Sprintf(`{"processId":%q}`, process))
	}
	const want = "PROCESS_CREATED PROCESS_STARTED OTP_SENT OTP_VERIFIED PROCESS_COMPLETED"
	if got, e := w.history(t, localKey, process); strings.Join(got, " ") != want || e.Pagination != nil {
		t.Errorf("got %v, %+v", got, e.Pagination)
	}
	var all []string
	next := ""
	for range 3 {
		got, e := w.history(t, localKey, process+"?limit=2&cursor="+next)
		all = append(all, got...)
		if e.Pagination == nil || e.Pagination.Limit != 2 {
			t.Fatalf("pagination %+v", e.Pagination)
		}
		if next = ""; e.Pagination.NextCursor != nil {
			next = *e.Pagination.NextCursor
		}
		if e.Pagination.HasMore != (next != "") {
			t.Errorf("pagination %+v", e.Pagination)
		}
	}
	if strings.Join(all, " ") != want || next != "" {
		t.Errorf("paged %v, then %q", all, next)
	}
}

func TestAProcessThatNothingIsKnownOfHasNoEvents(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	w.publish(t, local, "PROCESS_CREATED", fmt.Sprintf(`{"processId":%q}`, process))
	_, first := w.history(t, localKey, process+"?limit=1")
	if first.Pagination != nil {
		t.Errorf("pagination %+v", first.Pagination)
	}
	absent := w.do(t, otherKey, http.MethodGet, historyPath+"none", "")
	foreign := w.do(t, otherKey, http.MethodGet, historyPath+process, "")
	long := w.do(t, otherKey, http.MethodGet, historyPath+strings.Repeat("x", 2000), "")
	for _, a := range []answer{absent, foreign, long} {
		if e := a.envelope(t, http.StatusOK); string(e.Data) != "[]" || string(a.body) != string(absent.body) {
			t.Errorf("got %s", a.body)
		}
	}
}

func TestACursorIsGoodForItsProcessAndTenantAlone(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	for range 3 {
		w.publish(t, local, "OTP_SENT", fmt.Sprintf(`{"processId":%q}`, process))
	}
	_, e := w.history(t, localKey, process+"?limit=1")
	cursor := *e.Pagination.NextCursor
	for _, ask := range []struct {
		c    caller
		path string
	}{{otherKey, process}, {secondKey, process}, {localKey, "another"}} {
		a := w.do(t, ask.c, http.MethodGet, historyPath+ask.path+"?cursor="+cursor, "")
		if wrong := a.wrong(t); len(wrong) != 1 || wrong["cursor"] == "" {
			t.Errorf("%v: %s", ask, a.body)
		}
	}
}
