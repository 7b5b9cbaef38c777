package signicat_test

import (
	"net/http"
	"testing"

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
