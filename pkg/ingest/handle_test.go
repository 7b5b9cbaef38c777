package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// received are messages with the bodies, named m-0, m-1, ...
func received(bodies ...string) []hermod.Received {
	messages := make([]hermod.Received, len(bodies))
	for i, body := range bodies {
		messages[i] = hermod.Received{ID: fmt.Sprintf("m-%d", i), Body: []byte(body), Receives: 1}
	}
	return messages
}

func actions(outcomes []hermod.Outcome) []hermod.Action {
	list := make([]hermod.Action, len(outcomes))
	for i, o := range outcomes {
		list[i] = o.Action
	}
	return list
}

// The three forms a message can have, of the account.
const (
	nativeMessage = `{"sender":"s","eventName":"n","eventData":1,"accountId":"` + account + `"}`
	cloudMessage  = `{"specversion":"1.0","id":"c-1","source":"x","type":"s:n","data":2,"accountid":"` + account + `"}`
	bridgeMessage = `{"id":"b-1","source":"s","detail-type":"n","time":"2026-03-01T12:00:00Z","detail":{"eventData":3,"accountId":"` + account + `"}}`
)

func TestMessagesOfAllThreeFormsAreAccepted(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		outcomes := r.acceptor.Handle(t.Context(), received(nativeMessage, cloudMessage, bridgeMessage))
		if !slices.Equal(actions(outcomes), []hermod.Action{hermod.Done, hermod.Done, hermod.Done}) {
			t.Fatalf("outcomes %+v", outcomes)
		}
		var data []string
		for _, e := range r.all(t, account) {
			data = append(data, e.Type()+string(e.Data))
		}
		if want := []string{"s:n1", "s:n2", "s:n3"}; !slices.Equal(data, want) {
			t.Errorf("kept %v, want %v", data, want)
		}
	})
}

func TestAMessageReceivedTwiceIsOneEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		messages := received(nativeMessage, cloudMessage, bridgeMessage)
		for range 3 {
			for _, o := range r.acceptor.Handle(t.Context(), messages) {
				if o.Action != hermod.Done {
					t.Fatalf("outcome %+v", o)
				}
			}
		}
		// Another message with the same event: only the producer's own key says so.
		again := received("", nativeMessage, cloudMessage, bridgeMessage)[1:]
		r.acceptor.Handle(t.Context(), again)
		if kept := r.all(t, account); len(kept) != 4 {
			t.Errorf("%d events, want 3 and another native one", len(kept))
		}
	})
}

func TestABadMessageIsGivenUpAndTheGoodOnesOfItsBatchAreAccepted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, reason string }{
		"no JSON":             {`hello`, "not JSON"},
		"no object":           {`[1]`, "JSON object"},
		"members wrong":       {`{"sender":"s","accountId":"` + account + `"}`, "eventName is required; eventData is required"},
		"no account":          {`{"sender":"s","eventName":"n","eventData":1}`, "accountId is required"},
		"no account, cloud":   {cloud(``), "accountid is required"},
		"no account, bridge":  {`{"id":"1","source":"s","detail-type":"n","detail":{"eventData":1}}`, "detail.accountId is required"},
		"an unknown account":  {`{"sender":"s","eventName":"n","eventData":1,"accountId":"nobody"}`, "accountId names nobody"},
		"an unknown org":      {`{"sender":"s","eventName":"n","eventData":1,"accountId":"` + account + `","organizationId":"none"}`, "organizationId names nobody"},
		"a batch":             {`{"events":[` + nativeMessage + `]}`, "a message is one event"},
		"too large":           {native(`"eventData":"` + strings.Repeat("x", hermod.MaxEventBytes) + `"`), "an event may have"},
		"a known key":         {strings.Replace(cloudMessage, `"data":2`, `"data":4`, 1), "used before with another body"},
		"a key of this batch": {strings.Replace(bridgeMessage, `"eventData":3`, `"eventData":4`, 1), "used before with another body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for engine, open := range engines() {
				c := newClock()
				ids := newIDs(c.now)
				e := open(t, c, ids)
				var log bytes.Buffer
				a := ingest.New(ingest.Options{
					Config: e, Journal: e.journal(), IDs: ids, Now: c.now, Log: slog.New(slog.NewTextHandler(&log, nil)),
				})
				first := a.Handle(t.Context(), received(cloudMessage))
				outcomes := a.Handle(t.Context(), received(nativeMessage, bridgeMessage, tt.body, strings.Replace(nativeMessage, ":1", ":5", 1)))
				want := []hermod.Action{hermod.Done, hermod.Done, hermod.GiveUp, hermod.Done}
				if !slices.Equal(actions(outcomes), want) || first[0].Action != hermod.Done {
					t.Fatalf("%s: outcomes %+v, log:\n%s", engine, outcomes, &log)
				}
				if kept := e.all(t, account); len(kept) != 4 {
					t.Errorf("%s: kept %d events", engine, len(kept))
				}
				if !strings.Contains(log.String(), "message=m-2") || !strings.Contains(log.String(), tt.reason) {
					t.Errorf("%s: the log does not say %q of m-2:\n%s", engine, tt.reason, &log)
				}
			}
		})
	}
}

func TestAMessageUnderABusyKeyWaitsAlone(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	m.crashIn("Claim", true)
	r.acceptor.Handle(t.Context(), received(cloudMessage)) // crashes, and leaves its claim
	r.clock.advance(time.Second)
	outcomes := r.acceptor.Handle(t.Context(), received(nativeMessage, cloudMessage, bridgeMessage))
	if !slices.Equal(actions(outcomes), []hermod.Action{hermod.Done, hermod.Again, hermod.Done}) {
		t.Fatalf("outcomes %+v", outcomes)
	}
	if want := r.clock.now().Add(5 * time.Second); !outcomes[1].At.Equal(want) {
		t.Errorf("again at %v, want %v", outcomes[1].At, want)
	}
	r.clock.advance(10 * time.Second)
	if o := r.acceptor.Handle(t.Context(), received("", cloudMessage)[1:]); o[0].Action != hermod.Done {
		t.Errorf("later: %+v", o)
	}
}

func TestWhileTheStoreIsAwayAllMessagesWait(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	m.before = func(context.Context, string) error { return hermod.Errorf(hermod.CodeUnavailable, "throttled") }
	outcomes := r.acceptor.Handle(t.Context(), received(nativeMessage, "bad", cloudMessage))
	if !slices.Equal(actions(outcomes), []hermod.Action{hermod.Again, hermod.GiveUp, hermod.Again}) {
		t.Errorf("outcomes %+v", outcomes)
	}
}

func TestAFaultOfOneMessageStaysWithIt(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("the item cannot be written") },
		"panic": func() error { panic("the item cannot be written") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
			p := poisoned{m, fail}
			a := newAcceptor(p, ingest.Direct{Store: p, Queue: m}, newIDs(r.clock.now), r.clock.now)
			// What the completion launches has a key of its own.
			completion := `{"sender":"telia-sign","eventName":"` + completedName + `","eventData":{"SignatureRequestId":"` + request(1) + `"},"accountId":"` + account + `"}`
			outcomes := a.Handle(t.Context(), received(nativeMessage, strings.Replace(nativeMessage, ":1", `:"poison"`, 1), completion))
			if !slices.Equal(actions(outcomes), []hermod.Action{hermod.Done, hermod.Again, hermod.Done}) {
				t.Errorf("outcomes %+v", outcomes)
			}
			r.wantNames(t, "the good ones", "?cu")
		})
	}
}

// A poisoned store fails on one event, whatever comes with it.
type poisoned struct {
	*memory
	fail func() error
}

func (p poisoned) PutEvents(ctx context.Context, list []*hermod.Event) error {
	for _, e := range list {
		if string(e.Data) == `"poison"` {
			return p.fail()
		}
	}
	return p.memory.PutEvents(ctx, list)
}

func TestNoMessagesNoOutcomes(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := newRig(t, func(*testing.T, *clock, *hermod.IDs) engine { return m })
	if outcomes := r.acceptor.Handle(t.Context(), nil); len(outcomes) != 0 {
		t.Errorf("outcomes %+v", outcomes)
	}
}

// lambdaSamples is the folder of AWS's own samples in its module for Go.
func lambdaSamples(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("finding AWS's samples: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "events", "testdata")
}

func readSQS(t *testing.T, path string) []hermod.Received {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var e events.SQSEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	messages := make([]hermod.Received, len(e.Records))
	for i, r := range e.Records {
		messages[i] = hermod.Received{ID: r.MessageId, Body: []byte(r.Body), Receives: 1}
	}
	return messages
}

func TestTheSampleOfAWSForSQSIsNoEventAndOursIs(t *testing.T) {
	t.Parallel()
	const local = "a-spge-LocalAccount00000001"
	m, c := newMemory(), newClock()
	c.advance(365 * 24 * time.Hour) // the sample's timestamps lie before
	m.owners[local] = hermod.Owner{ID: local}
	a := newAcceptor(m, m.journal(), newIDs(c.now), c.now)
	for _, o := range a.Handle(t.Context(), readSQS(t, filepath.Join(lambdaSamples(t), "sqs-event.json"))) {
		if o.Action != hermod.GiveUp {
			t.Errorf("AWS's sample: %+v", o)
		}
	}
	ours := readSQS(t, filepath.Join("..", "..", "events", "ingest.json"))
	for _, o := range a.Handle(t.Context(), ours) {
		if o.Action != hermod.Done {
			t.Errorf("ours: %+v", o)
		}
	}
	if kept := m.all(t, local); len(kept) != len(ours) {
		t.Errorf("%d events of %d messages", len(kept), len(ours))
	}
}

// The envelopes are AWS's own; only their details and their detail types, which
// hold spaces, are made Hermod's.
func TestTheEnvelopesThatAWSSendsAreRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(lambdaSamples(t), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var envelope map[string]json.RawMessage
		if json.Unmarshal(raw, &envelope) != nil || envelope["detail-type"] == nil {
			continue
		}
		read++
		if _, err := ingest.EventBridge(raw, time.Now()); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		envelope["detail-type"] = json.RawMessage(`"made.ours"`)
		envelope["detail"] = json.RawMessage(`{"accountId":"` + account + `","eventData":` + string(envelope["detail"]) + `}`)
		ours, err := json.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ingest.EventBridge(ours, time.Now())
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		var source, id string
		if json.Unmarshal(envelope["source"], &source) != nil || json.Unmarshal(envelope["id"], &id) != nil ||
			got[0].Event.Sender != source || got[0].Key != "eventbridge:"+id || got[0].Event.Timestamp.After(time.Now().Add(-time.Hour)) {
			t.Errorf("%s: read %+v", filepath.Base(file), got[0])
		}
	}
	if read < 10 {
		t.Errorf("only %d envelopes among AWS's samples", read)
	}
}
