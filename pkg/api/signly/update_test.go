package signly_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

func TestAnUpdateChangesWhatItNamesAlone(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	const url = "https://receiver.example/hook"
	path := w.create(t, localKey, url, `,"description":"Old","customHeaders":{"X-A":"a"},"retries":{"maxAttempts":5,"backoff":"fixed"},`+
		`"httpTimeoutMs":1000,"signingSecret":"s3cret","translate":true`)
	before := w.stored(t, path)
	read := func() map[string]any { return w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK) }
	first := read()
	for i, step := range []struct {
		body string
		want map[string]any
	}{
		{`{}`, nil},
		{`{"unknown":1,"url":"` + url + `"}`, nil},
		{`{"description":"New"}`, map[string]any{"description": "New"}},
		{`{"description":null}`, map[string]any{"description": nil}},
		{`{"events":["OTP_SENT"]}`, map[string]any{"events": []any{"OTP_SENT"}}},
		{`{"retries":{"maxAttempts":2}}`, map[string]any{"retries": map[string]any{"maxAttempts": 2.0, "backoff": "exponential"}}},
		{`{"retries":null}`, map[string]any{"retries": map[string]any{"maxAttempts": 3.0, "backoff": "exponential"}}},
		{`{"httpTimeoutMs":2000}`, map[string]any{"httpTimeoutMs": 2000.0}},
		{`{"httpTimeoutMs":null}`, map[string]any{"httpTimeoutMs": 5000.0}},
		{`{"translate":null}`, map[string]any{"translate": false}},
		{`{"status":"DISABLED"}`, map[string]any{"status": "DISABLED"}},
		{`{"status":"DISABLED"}`, nil},
		{`{"status":"ENABLED"}`, map[string]any{"status": "ENABLED"}},
	} {
		w.do(t, localKey, http.MethodPut, path, step.body).data(t, http.StatusOK)
		maps.Copy(first, step.want)
		first["version"] = float64(i + 2)
		if got := read(); fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("after %s:\n%v\nwant\n%v", step.body, got, first)
		}
	}
	after := w.stored(t, path)
	if after.Secrets.SigningSecret != before.Secrets.SigningSecret || after.Signing != before.Signing {
		t.Error("the signing secret was lost")
	}
	w.do(t, localKey, http.MethodPut, path, `{"signingSecret":null,"customHeaders":{"X-B":"b"}}`).data(t, http.StatusOK)
	bare := w.stored(t, path)
	if bare.Secrets.SigningSecret != "" || bare.Signing != hermod.Unsigned || string(bare.Secrets.Configuration) != `{"url":"`+url+`","headers":{"X-B":"b"},"timeout":5}` {
		t.Errorf("signing %q, configuration %s", bare.Signing, bare.Secrets.Configuration)
	}
	w.do(t, localKey, http.MethodPut, path, `{"customHeaders":null}`).data(t, http.StatusOK)
	if got := string(w.stored(t, path).Secrets.Configuration); got != `{"url":"`+url+`","timeout":5}` {
		t.Errorf("configuration %s", got)
	}
}

func TestAnUpdateThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.create(t, localKey, receive(t, http.StatusOK).URL, "")
	for body, want := range map[string]string{
		`{"url":"https://elsewhere.example/"}`: "url", `{"url":null}`: "url", `{"url":1}`: "url", `{"events":null}`: "events", `{"events":[]}`: "events",
		`{"events":["X"]}`: "events[0]", `{"status":null}`: "status", `{"status":"PAUSED"}`: "status", `{"status":"enabled"}`: "status", `{"status":1}`: "status",
		`{"customHeaders":{"Host":"x"}}`: "customHeaders.Host", `{"retries":{"maxAttempts":99}}`: "retries.maxAttempts", `{"httpTimeoutMs":1}`: "httpTimeoutMs",
		`{"status":"DISABLED","description":7}`: "description",
	} {
		a := w.do(t, localKey, http.MethodPut, path, body, "If-Match", "9") // stale, but that is not the matter
		if got := slices.Collect(maps.Keys(a.wrong(t))); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{`{}`, `{"status":null}`, `{"status":"OFF"}`, `{"Status":"DISABLED"}`} {
		a := w.do(t, localKey, http.MethodPut, path+"/status", body)
		if got := slices.Collect(maps.Keys(a.wrong(t))); !slices.Equal(got, []string{"status"}) {
			t.Errorf("%s: %v", body, got)
		}
	}
	if v := w.version(t, path); v != 1 {
		t.Errorf("version %v", v)
	}
}

func TestIfMatchIsAVersion(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	for _, part := range []string{"", "/status"} {
		path := w.create(t, localKey, "https://receiver.example/", "")
		version := 1
		for _, form := range []string{"%d", `"%d"`, `W/"%d"`, " %d ", "*", ""} {
			header := form
			if form != "*" && form != "" {
				header = fmt.Sprintf(form, version)
			}
			w.do(t, localKey, http.MethodPut, path+part, `{"status":"DISABLED"}`, "If-Match", header).data(t, http.StatusOK)
			version++
		}
		for _, bad := range []string{"0", "-1", "+1", "1.0", "01", "one", `"1`, `1"`, `""`, "1, 2", `"1", "2"`, "**", "9223372036854775808", "W/"} {
			a := w.do(t, localKey, http.MethodPut, path+part, `{"status":"DISABLED"}`, "If-Match", bad)
			if a.wrong(t)["If-Match"] == "" {
				t.Errorf("%s: %s", bad, a.body)
			}
		}
		if a := w.do(t, localKey, http.MethodPut, path+part, `{"status":"DISABLED"}`, "If-Match", "1", "If-Match", "7"); a.wrong(t)["If-Match"] == "" {
			t.Errorf("twice: %s", a.body)
		}
		for _, stale := range []string{"1", `"99"`} {
			a := w.do(t, localKey, http.MethodPut, path+part, `{"status":"ENABLED"}`, "If-Match", stale)
			wantError(t, stale, a, http.StatusPreconditionFailed, "precondition_failed", "concurrency")
		}
		if v := w.version(t, path); v != float64(version) {
			t.Errorf("version %v, want %d", v, version)
		}
	}
}

// Of two clients that read the same version, one wins.
func TestOfManyWithTheSameIfMatchOneWins(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	path := w.create(t, localKey, "https://receiver.example/", "")
	const clients, rounds = 8, 10
	for round := range rounds {
		answers := make([]answer, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				answers[i] = w.do(t, localKey, http.MethodPut, path, fmt.Sprintf(`{"description":"%d"}`, i), "If-Match", fmt.Sprint(round+1))
			})
		}
		wg.Wait()
		won := -1
		for i, a := range answers {
			if a.status == http.StatusOK && won < 0 {
				won = i
				continue
			}
			wantError(t, "a loser", a, http.StatusPreconditionFailed, "precondition_failed", "concurrency")
			if want := fmt.Sprintf(`{"expectedVersion":%d}`, round+1); string(a.envelope(t, http.StatusPreconditionFailed).Error.Details) != want {
				t.Errorf("details of %s, want %s", a.body, want)
			}
		}
		data := w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK)
		if won < 0 || data["description"] != fmt.Sprint(won) || data["version"] != float64(round+2) {
			t.Errorf("%d won, and it is %v", won, data)
		}
	}
}

// contended is a store in which somebody else writes before each of the first updates.
type contended struct {
	subscription.Store
	mu    sync.Mutex
	times int
}

func (c *contended) UpdateSubscription(ctx context.Context, s *hermod.Subscription) error {
	c.mu.Lock()
	first := c.times > 0
	c.times--
	c.mu.Unlock()
	if first {
		current, err := c.Subscription(ctx, s.Ref())
		if err != nil {
			return err
		}
		if err := c.Store.UpdateSubscription(ctx, current); err != nil {
			return err
		}
	}
	return c.Store.UpdateSubscription(ctx, s)
}

func TestAnUpdateThatExpectsNoVersionIsTriedAgain(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]int{4: http.StatusOK, 5: http.StatusConflict} {
		c := &contended{times: times}
		w := newWorldOf(t, parts{targets: silent{}, wrap: func(s subscription.Store) subscription.Store {
			c.Store = s
			return c
		}})
		path := w.create(t, localKey, "https://receiver.example/", "")
		a := w.do(t, localKey, http.MethodPut, path, `{"description":"New"}`)
		if a.status != want {
			t.Errorf("after %d lost races: %d %s", times, a.status, a.body)
		}
		if want == http.StatusOK && a.data(t, want)["version"] != float64(times+2) {
			t.Errorf("%s", a.body)
		}
	}
	// With a version it is lost at once.
	c := &contended{times: 1}
	w := newWorldOf(t, parts{targets: silent{}, wrap: func(s subscription.Store) subscription.Store {
		c.Store = s
		return c
	}})
	path := w.create(t, localKey, "https://receiver.example/", "")
	lost := w.do(t, localKey, http.MethodPut, path, `{"description":"New"}`, "If-Match", "1")
	wantError(t, "a lost race", lost, http.StatusPreconditionFailed, "precondition_failed", "concurrency")
}

func TestWhatHermodSwitchedOffIsSwitchedOnByItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	path := w.create(t, localKey, "https://receiver.example/", "")
	s := w.stored(t, path)
	s.Active, s.DisabledReason = false, string(hermod.ReasonGone)
	if err := w.Store.UpdateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if data := w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK); data["status"] != "DISABLED" || data["version"] != 2.0 {
		t.Errorf("read %v", data)
	}
	w.do(t, localKey, http.MethodPut, path+"/status", `{"status":"ENABLED"}`, "If-Match", "2").data(t, http.StatusOK)
	if s := w.stored(t, path); !s.Active || s.DisabledReason != "" || s.Version != 3 {
		t.Errorf("stored %+v", s)
	}
}

func TestADeletedWebhookIsATombstoneWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	path := w.create(t, localKey, "https://receiver.example/", "")
	w.do(t, localKey, http.MethodDelete, path, "").data(t, http.StatusOK)
	s := w.stored(t, path)
	if !s.Deleted() || s.Active || len(s.Sealed) != 0 || len(s.Secrets.Configuration) != 0 {
		t.Errorf("stored %+v", s)
	}
	for _, row := range table() {
		if row.Method == http.MethodGet && row.Path == webhooksPath || row.Path == historyPath+"{processId}" || row.Path == webhooksPath {
			continue
		}
		suffix := row.Path[len(webhooksPath+"/{webhookId}"):]
		a := w.do(t, localKey, row.Method, path+suffix, good(row))
		wantError(t, row.Method+" "+row.Path, a, http.StatusNotFound, "webhook_not_found", "not_found")
	}
	if got := w.list(t, localKey, ""); len(got) != 0 {
		t.Errorf("listed %v", got)
	}
}
