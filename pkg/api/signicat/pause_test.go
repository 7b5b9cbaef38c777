package signicat_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// act does something to a subscription and answers what is shown of it.
func (w *world) act(t *testing.T, id, what string) map[string]any {
	t.Helper()
	return w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+id+"/"+what, "").json(t, http.StatusOK)
}

func TestASubscriptionIsPausedUntilItIsResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	read := func() map[string]any {
		return w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "").json(t, http.StatusOK)
	}
	ref := hermod.Ref{Owner: local, ID: id}
	stored := func() *hermod.Subscription {
		subs, err := w.DB.SubscriptionsByRef(t.Context(), []hermod.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		return subs[ref]
	}
	version := stored().Version
	for _, step := range []struct {
		what    string
		paused  any
		circuit hermod.Circuit
	}{
		{"resume", nil, hermod.Closed}, {"pause", true, hermod.Closed}, {"pause", true, hermod.Closed}, {"resume", nil, hermod.Draining},
		{"resume", nil, hermod.Draining}, {"pause", true, hermod.Draining},
	} {
		if got := w.act(t, id, step.what)["paused"]; got != step.paused {
			t.Fatalf("%s: paused is %v, want %v", step.what, got, step.paused)
		}
		if got := read()["paused"]; got != step.paused {
			t.Fatalf("read after %s: paused is %v, want %v", step.what, got, step.paused)
		}
		circuit := hermod.Closed
		if h := stored().Health; h != nil {
			circuit = h.Circuit
		}
		if circuit != step.circuit {
			t.Fatalf("after %s the circuit is %q, want %q", step.what, circuit, step.circuit)
		}
	}
	if got := stored().Version; got != version {
		t.Errorf("the version is %d, want %d as before", got, version)
	}
	if got := w.do(t, "local", http.MethodPatch, subscriptionsPath+"/"+id, webhook("")).json(t, http.StatusOK)["paused"]; got != true {
		t.Errorf("updated, it shows paused %v", got)
	}
}

// An owner who has mended the endpoint need not wait for the next probe.
func TestResumeClosesAnOpenCircuit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	h := &hermod.Health{Owner: local, SubscriptionID: id, Circuit: hermod.Open, Failures: 12, NextProbeAt: start.AddDate(1, 0, 0)}
	if err := w.DB.PutHealth(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	w.act(t, id, "resume")
	sub := hermod.Ref{Owner: local, ID: id}
	subs, err := w.DB.SubscriptionsByRef(t.Context(), []hermod.Ref{sub})
	if err != nil {
		t.Fatal(err)
	}
	if got := subs[sub].Health; got == nil || got.Circuit != hermod.Draining || got.Failures != 0 {
		t.Errorf("the health is %+v, want one that drains", got)
	}
}

// A list shows what does not receive, for one read more, whatever its length.
func TestAListShowsWhatDoesNotReceive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	well, paused, limited := w.subscribe(t, "local", ""), w.subscribe(t, "local", ""), w.subscribe(t, "local", "")
	w.act(t, paused, "pause")
	if err := w.DB.PutHealth(t.Context(), &hermod.Health{Owner: local, SubscriptionID: limited, Circuit: hermod.Limited}); err != nil {
		t.Fatal(err)
	}
	shown := map[any]map[string]any{}
	for _, item := range w.do(t, "local", http.MethodGet, subscriptionsPath, "").json(t, http.StatusOK)["data"].([]any) {
		shown[item.(map[string]any)["id"]] = item.(map[string]any)
	}
	for id, want := range map[string][2]any{well: {nil, nil}, paused: {true, nil}, limited: {nil, "limited"}} {
		var state any
		if health, ok := shown[id]["health"].(map[string]any); ok {
			state = health["state"]
		}
		if got := [2]any{shown[id]["paused"], state}; got != want {
			t.Errorf("%s shows paused, state %v, want %v", id, got, want)
		}
	}
}

func TestWhatIsShownOfAnEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failing := hermod.Health{Failures: 3, Since: start.Add(-time.Hour), LastAt: start, Class: "timeout"}
	with := func(change func(*hermod.Health)) *hermod.Health {
		h := failing
		change(&h)
		return &h
	}
	for name, c := range map[string]struct {
		health      *hermod.Health
		state, next any
	}{
		"well":                 {nil, nil, nil},
		"failing":              {&failing, "failing", nil},
		"failed long ago":      {with(func(h *hermod.Health) { h.LastAt = start.Add(-72 * time.Hour) }), nil, nil},
		"open":                 {with(func(h *hermod.Health) { h.Circuit, h.NextProbeAt = hermod.Open, start }), "open", "2026-03-01T12:00:00Z"},
		"open and paused":      {with(func(h *hermod.Health) { h.Circuit, h.NextProbeAt, h.Paused = hermod.Open, start, true }), "open", nil},
		"draining":             {&hermod.Health{Circuit: hermod.Draining}, "draining", nil},
		"limited":              {&hermod.Health{Circuit: hermod.Limited}, "limited", nil},
		"limited and paused":   {&hermod.Health{Circuit: hermod.Limited, Paused: true}, nil, nil},
		"only to be told of":   {&hermod.Health{Exhausted: start}, nil, nil},
		"paused while failing": {with(func(h *hermod.Health) { h.Paused = true }), "failing", nil},
	} {
		id := w.subscribe(t, "local", "")
		if h := c.health; h != nil {
			h = new(*h)
			h.Owner, h.SubscriptionID = local, id
			if err := w.DB.PutHealth(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		health, _ := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "").json(t, http.StatusOK)["health"].(map[string]any)
		if got := health["state"]; got != c.state {
			t.Errorf("%s: state %v, want %v", name, got, c.state)
		}
		if got := health["nextAttemptAt"]; got != c.next {
			t.Errorf("%s: next attempt %v, want %v", name, got, c.next)
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", `,"rateLimit":20`)
	path := subscriptionsPath + "/" + id
	read := func() any { return w.do(t, "local", http.MethodGet, path, "").json(t, http.StatusOK)["rateLimit"] }
	for _, step := range []struct {
		what string
		want any
	}{{``, json.Number("20")}, {`,"rateLimit":1000`, json.Number("1000")}, {`,"rateLimit":null`, nil}, {``, nil}, {`,"rateLimit":1`, json.Number("1")}} {
		for _, method := range []string{http.MethodPut, http.MethodPatch} {
			if got := w.do(t, "local", method, path, webhook(step.what)).json(t, http.StatusOK)["rateLimit"]; got != step.want {
				t.Errorf("%s %s: got %v, want %v", method, step.what, got, step.want)
			}
			if got := read(); got != step.want {
				t.Errorf("read after %s: got %v, want %v", step.what, got, step.want)
			}
		}
	}
	for _, wrong := range []string{`0`, `-1`, `1001`, `1.5`, `"10"`, `true`, `1e9`, `[]`} {
		for _, answer := range []answer{
			w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(`,"rateLimit":`+wrong)),
			w.do(t, "local", http.MethodPut, path, webhook(`,"rateLimit":`+wrong)),
		} {
			if got := string(answer.body); answer.status != http.StatusBadRequest || !strings.Contains(got, `"rateLimit"`) {
				t.Errorf("%s: got %d %s", wrong, answer.status, got)
			}
		}
	}
	if got := read(); got != json.Number("1") {
		t.Errorf("what was refused left %v", got)
	}
}

// Neither has a subscription receive that is switched off, so neither says that it did.
func TestWhatIsSwitchedOffIsNeitherPausedNorResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	path := subscriptionsPath + "/" + id
	for reason, says := range map[string]string{"": "the subscription is switched off", "failing": "Hermod has switched the subscription off (failing)"} {
		sub := w.stored(t, local, id)
		sub.Active, sub.DisabledReason = false, reason
		if err := w.Store.UpdateSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"/pause", "/resume"} {
			a := w.do(t, "local", http.MethodPost, path+what, "")
			if wantStatus(t, what, a, http.StatusConflict); !strings.Contains(string(a.body), says+"; update it with active: true") {
				t.Errorf("%s: %s", what, a.body)
			}
		}
		if got := w.read(t, id).json(t, http.StatusOK)["paused"]; got != nil {
			t.Errorf("it shows paused %v", got)
		}
		wantStatus(t, "on again", w.do(t, "local", http.MethodPut, path, webhook(`,"active":true`)), http.StatusOK)
		w.act(t, id, "pause")
		w.act(t, id, "resume")
	}
}
