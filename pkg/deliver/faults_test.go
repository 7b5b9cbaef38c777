package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A fault of a store puts the message off, before the call took effect or after,
// and the next receive makes good.
func TestStoreFaultPutsTheMessageOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call   string
		done   bool
		pushes int // with those of the second receive
	}{
		{"EventsByKey", false, 1},
		{"SubscriptionsByRef", false, 1},
		{"LastAttempt", false, 1},
		{"PutAttempt", false, 2},
		{"PutAttempt", true, 1},
	} {
		t.Run(fmt.Sprint(c.call, " took effect ", c.done), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.store.fault = func(call string, done bool) error {
				if call == c.call && done == c.done {
					return errBroken
				}
				return nil
			}
			want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
			r.store.fault = func(string, bool) error { return nil }
			r.received.Receives++
			want(t, "outcome after it", r.receive(t), done)
			want(t, "state", r.last(t, 0, 1).State, hermod.Succeeded)
			r.wantPushes(t, c.pushes)
		})
	}
}

func TestPauseAfterAFaultDoubles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clear(r.store.events) // a missing event is a fault of ours: it comes later
	for n, pause := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 900} {
		r.received.Receives = n + 1
		want(t, fmt.Sprint("receive ", n+1), r.receive(t), again(start.Add(pause*time.Second)))
	}
	r.received.Receives = maxReceives
	want(t, "last receive", r.receive(t), giveUp)
	want(t, "reason", r.last(t, 0, 1).Reason, hermod.ReasonReceiveBudget)
	r.wantPushes(t, 0)
}

func TestCountOfReceivesMayBeUnknown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.received.Receives = 0
	clear(r.store.events)
	want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
}

func TestDisableFaultLeavesTheRowAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = gone
	r.store.fault = func(call string, _ bool) error {
		if call == "UpdateSubscription" {
			return errBroken
		}
		return nil
	}
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "row", r.last(t, 0, 1).Reason, hermod.ReasonGone)
	want(t, "logged", strings.Contains(r.log.String(), "subscription not disabled"), true)
}

// A worker that loses a row to another goes by the row that stands.
func TestLoserOfARowGoesByTheWinners(t *testing.T) {
	t.Parallel()
	soon := start.Add(time.Minute)
	for _, c := range []struct {
		name   string
		winner func(*hermod.Attempt)
		want   hermod.Outcome
	}{
		{"another message carries on", row(hermod.Waiting, "m-2", soon), done},
		{"the due index carries on", row(hermod.Waiting, hermod.CarrierDue, soon), done},
		{"another message succeeded", row(hermod.Succeeded, "", time.Time{}), done},
		{"another message ended it", row(hermod.Dead, "m-2", time.Time{}), done},
		// The queue handed this message out twice, or the store put it at the first
		// of two tries: acknowledged, nothing would carry the run on.
		{"this message carries on", row(hermod.Waiting, carrier, soon), again(soon)},
		{"this message carries on, at once", row(hermod.Waiting, carrier, start), again(start)},
		{"this message ended it", row(hermod.Dead, carrier, time.Time{}), giveUp},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pusher.result = func(p deliver.Payload) deliver.Result {
				r.has(1, c.winner)
				return fails(p)
			}
			want(t, "outcome", r.receive(t), c.want)
			r.wantPushes(t, 1)
			want(t, "rows", len(r.store.rows[r.message.RunKey()]), 1)
		})
	}
}

func TestLoserThatCannotReadTheWinnersRowComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broken := false
	r.store.fault = func(call string, _ bool) error {
		if broken && call == "LastAttempt" {
			return errBroken
		}
		return nil
	}
	r.pusher.result = func(p deliver.Payload) deliver.Result {
		r.has(1, row(hermod.Waiting, "m-2", start))
		broken = true
		return fails(p)
	}
	want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
}

// The pusher was told to stop: nothing is known of the destination.
func TestInterruptedPushIsNoAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = func(deliver.Payload) deliver.Result {
		return deliver.Result{Class: deliver.ClassInterrupted, Message: "interrupted"}
	}
	want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
	want(t, "rows", len(r.store.rows), 0)
}

func TestBadMessageIsGivenUpAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := r.message.Encode()
	var batch []hermod.Received
	bodies := []string{"", "{", "null", "[]", "{}", `{"event":"x"}`, `{"sender":"s","eventName":"n"}`, string(good)}
	for i, body := range bodies {
		batch = append(batch, hermod.Received{ID: fmt.Sprint("m-", i), Body: []byte(body), Receives: 1})
	}
	outcomes := r.Handle(t.Context(), batch)
	for i := range bodies[:len(bodies)-1] {
		want(t, bodies[i], outcomes[i], giveUp)
	}
	want(t, "the good one", outcomes[len(bodies)-1], done)
	want(t, "runs", len(r.store.rows), 1)
}

func TestEmptyBatch(t *testing.T) {
	t.Parallel()
	want(t, "outcomes", len(newRig(t).Handle(t.Context(), nil)), 0)
}

// One message of ten explodes, or cannot be encoded, or is of an unknown dialect:
// the other nine are delivered.
func TestFaultOfOneMessageIsItsAlone(t *testing.T) {
	t.Parallel()
	const bad = 4
	for name, spoil := range map[string]func(r *rig, e *hermod.Event){
		"panic in the pusher": func(r *rig, e *hermod.Event) {
			r.pusher.result = func(p deliver.Payload) deliver.Result {
				if strings.Contains(p.Header.Get(attemptHeader), e.ID.String()) {
					panic("in the pusher")
				}
				return accepts(p)
			}
		},
		"panic in the store": func(r *rig, e *hermod.Event) {
			r.options.Store = explosiveStore{r.store, e.Key()}
			r.Deliverer = deliver.New(r.options)
		},
		"panic in the encoder": func(_ *rig, e *hermod.Event) { e.Name = "explosive" },
		"error in the encoder": func(_ *rig, e *hermod.Event) { e.Name = "unencodable" },
		"event is not there":   func(r *rig, e *hermod.Event) { delete(r.store.events, e.Key()) },
		"subscription's dialect": func(r *rig, _ *hermod.Event) {
			r.store.subs[hermod.Ref{Owner: owner, ID: "odd"}] = &hermod.Subscription{ID: "odd", Owner: owner, Active: true, Dialect: "odd"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var batch []hermod.Received
			for i := range byte(10) {
				e := new(*r.event)
				e.ID = eventID(i)
				r.store.events[e.Key()] = e
				m := r.message
				m.EventID = e.ID
				if i == bad {
					spoil(r, e)
					if name == "subscription's dialect" {
						m.SubscriptionID = "odd"
					}
				}
				batch = append(batch, hermod.Received{ID: fmt.Sprint("m-", i), Body: m.Encode(), Receives: 1})
			}
			for i, outcome := range r.Handle(t.Context(), batch) {
				expected := done
				if i == bad {
					expected = again(start.Add(5 * time.Second))
				}
				want(t, fmt.Sprint("message ", i), outcome, expected)
			}
			want(t, "runs", len(r.store.rows), 9)
		})
	}
}

// An explosiveStore cannot read one event, whatever is read with it.
type explosiveStore struct {
	*fakeStore
	bad hermod.EventKey
}

func (s explosiveStore) EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	if slices.Contains(keys, s.bad) {
		panic("in the store")
	}
	return s.fakeStore.EventsByKey(ctx, keys)
}

func TestPanicOfALoneMessageIsCaught(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pusher.result = func(deliver.Payload) deliver.Result { panic("in the pusher") }
	want(t, "outcome", r.receive(t), again(start.Add(5*time.Second)))
}

func TestAttemptWritesOneWideLine(t *testing.T) {
	t.Parallel()
	common := []string{
		"time", "level", "msg", "event", "subscription", "owner", "trigger", "run", "number", "state", "status",
		"duration", "receives",
	}
	for _, c := range []struct {
		name   string
		result func(deliver.Payload) deliver.Result
		level  string
		more   []string
	}{
		{"success", accepts, "INFO", nil},
		{"waiting", fails, "INFO", []string{"class", "next", "due_index"}},
		{"dead", blocked, "INFO", []string{"class", "reason"}},
		{"receive budget", nil, "ERROR", []string{"reason"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pusher.result = c.result
			if c.result == nil {
				r.received.Receives = maxReceives
			}
			r.receive(t)
			line := map[string]any{}
			if err := json.Unmarshal(r.log.Bytes(), &line); err != nil {
				t.Fatalf("want one line: %s in %s", err, r.log.String())
			}
			fields := slices.Sorted(maps.Keys(line))
			expected := slices.Sorted(slices.Values(append(c.more, common...)))
			if !slices.Equal(fields, expected) {
				t.Fatalf("got fields %v, want %v", fields, expected)
			}
			want(t, "level", line["level"], any(c.level))
			want(t, "event", line["event"], any(r.event.ID.String()))
			for _, secret := range []string{"SECRET", "PAYLOAD", "u.test"} {
				want(t, secret+" in the log", strings.Contains(r.log.String(), secret), false)
			}
		})
	}
}

// A batch is loaded at once. Where that fails for a reason that is one message's,
// such as a subscription that cannot be decoded, the others are not held up.
func TestAFaultOfOneMessageLeavesItsBatchAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bad := r.message
	bad.SubscriptionID = "s-bad"
	store := &pickyStore{r.store, bad.Ref()}
	d := deliver.New(deliver.Options{
		Store: store, Pusher: r.pusher, MaxReceives: maxReceives,
		Encoders: map[hermod.Dialect]deliver.Encoder{hermod.Signicat: fakeEncoder{hermod.DefaultSchedule()}},
		Now:      func() time.Time { return r.now }, Random: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	})
	outcomes := d.Handle(t.Context(), []hermod.Received{
		{ID: "bad", Body: bad.Encode(), Receives: 1, SentAt: start},
		{ID: "good", Body: r.message.Encode(), Receives: 1, SentAt: start},
	})
	want(t, "the bad one", outcomes[0], again(start.Add(5*time.Second)))
	want(t, "the good one", outcomes[1], done)
	want(t, "its row", r.last(t, 0, 1).State, hermod.Succeeded)
}

// pickyStore cannot read one subscription.
type pickyStore struct {
	*fakeStore
	bad hermod.Ref
}

func (s *pickyStore) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	if slices.Contains(refs, s.bad) {
		return nil, errBroken
	}
	return s.fakeStore.SubscriptionsByRef(ctx, refs)
}

func TestAnEventThatTheLogHasForgottenEndsItsRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clear(r.store.events)
	r.now = start.Add(2 * time.Hour)
	want(t, "outcome", r.receive(t), giveUp)
	want(t, "reason", r.last(t, 0, 1).Reason, hermod.ReasonEventExpired)
	r.wantPushes(t, 0)
}
