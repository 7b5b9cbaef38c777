package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/schema"
)

const order = `{"type":"object","required":["orderId"],"properties":{"orderId":{"type":"string"},"lines":{"items":{"required":["sku"]}}}}`

// define registers the type sign:done with the schema above.
func (r *rig) define(t *testing.T, change func(*hermod.Definition)) {
	t.Helper()
	d := &hermod.Definition{
		Account: account, Type: "sign:done", Schema: json.RawMessage(order), Validation: hermod.ValidateEnforce, CreatedAt: start, UpdatedAt: start,
	}
	change(d)
	if err := r.PutDefinition(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func asItIs(*hermod.Definition) {}

func read(t *testing.T, decode func(*testing.T) ([]ingest.Submission, error)) []ingest.Submission {
	t.Helper()
	submissions, err := decode(t)
	if err != nil {
		t.Fatal(err)
	}
	return submissions
}

func batchOf(data ...string) string {
	var events []string
	for _, d := range data {
		events = append(events, `{"sender":"sign","eventName":"done","accountId":"`+account+`","eventData":`+d+`}`)
	}
	return `{"events":[` + strings.Join(events, ",") + `]}`
}

func natively(body string) func(*testing.T) ([]ingest.Submission, error) {
	return func(*testing.T) ([]ingest.Submission, error) { return ingest.Native([]byte(body), start) }
}

func TestAnEnforcedSchemaRefusesTheWholeBatchAndNamesEachMember(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, asItIs)
		_, err := r.acceptor.Accept(t.Context(), read(t, natively(batchOf(
			`{"orderId":"o-1"}`, `{"orderId":"o-2","lines":[{"sku":1},{}]}`, `{"orderId":{"s3cr3t":"s3cr3t"}}`, `"s3cr3t"`))))
		wantFields(t, err, "events[1].eventData/lines/1/sku", "events[2].eventData/orderId", "events[3].eventData")
		e, _ := errors.AsType[*hermod.Error](err)
		for i, want := range []string{
			"is required, says its schema at #/properties/lines/items/required", "must be string, says its schema at #/properties/orderId/type",
			"must be object, says its schema at #/type",
		} {
			if e.Fields[i].Reason != want {
				t.Errorf("%s %s, want %q", e.Fields[i].Name, e.Fields[i].Reason, want)
			}
		}
		if strings.Contains(hermod.Detail(err), "s3cr3t") {
			t.Errorf("a value is told: %s", hermod.Detail(err))
		}
		if kept := r.all(t, account); len(kept) != 0 {
			t.Errorf("kept %+v", kept)
		}
		r.accept(t, read(t, natively(batchOf(`{"orderId":"o-1"}`)))...)
	})
}

func TestTheMemberAtFaultIsNamedAsItsProducerWroteIt(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, asItIs)
		cloud := `{"specversion":"1.0","id":"1","source":"sign","type":"done","accountid":"` + account + `",`
		for want, decode := range map[string]func(*testing.T) ([]ingest.Submission, error){
			"eventData/orderId": natively(`{"sender":"sign","eventName":"done","accountId":"` + account + `","eventData":{}}`),
			"data/orderId": func(*testing.T) ([]ingest.Submission, error) {
				return ingest.CloudEvent([]byte(cloud+`"data":{}}`), start)
			},
			"data_base64/orderId": func(*testing.T) ([]ingest.Submission, error) {
				return ingest.CloudEvent([]byte(cloud+`"data_base64":"e30="}`), start)
			},
			"detail.eventData/orderId": func(*testing.T) ([]ingest.Submission, error) {
				return ingest.EventBridge([]byte(`{"id":"1","source":"sign","detail-type":"done","time":"2026-03-01T12:00:00Z",
					"detail":{"accountId":"`+account+`","eventData":{}}}`), start)
			},
		} {
			_, err := r.acceptor.Accept(t.Context(), read(t, decode))
			wantFields(t, err, want)
		}
	})
}

func TestAWarningIsAnsweredAndTheEventAccepted(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, func(d *hermod.Definition) { d.Validation = hermod.ValidateWarn })
		submissions := read(t, natively(batchOf(`{"orderId":"o-1"}`, `{}`)))
		r.accept(t, submissions...)
		want := []string{"events[1].eventData/orderId is required, says its schema at #/required"}
		if submissions[0].Warnings != nil || !slices.Equal(submissions[1].Warnings, want) {
			t.Errorf("warned of %q and %q", submissions[0].Warnings, submissions[1].Warnings)
		}
		if kept := r.all(t, account); len(kept) != 2 {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestADefinitionIsInForceForTheNextEventOfItsAccountAlone(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		good := func(who string) {
			t.Helper()
			r.accept(t, submission(who, "", "1"))
		}
		good(account)
		r.define(t, asItIs)
		_, err := r.acceptor.Accept(t.Context(), []ingest.Submission{submission(account, "", "1")})
		wantFields(t, err, "eventData")
		good(other)
		r.define(t, func(d *hermod.Definition) { d.Validation = hermod.ValidateOff })
		good(account)
		r.define(t, func(d *hermod.Definition) { d.Type = "sign:other" })
		good(account)
	})
}

func TestAMessageThatDoesNotFitIsGivenUpAndTheOthersAccepted(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, asItIs)
		message := func(id, data string) hermod.Received {
			return hermod.Received{ID: id, Receives: 1, Body: []byte(`{"sender":"sign","eventName":"done","accountId":"` + account + `","eventData":` + data + `}`)}
		}
		var lines bytes.Buffer
		a := ingest.New(ingest.Options{
			Config: r.engine, Journal: r.journal(), IDs: newIDs(r.clock.now), Now: r.clock.now, Log: slog.New(slog.NewJSONHandler(&lines, nil)), Schemas: schema.Checker,
		})
		outcomes := a.Handle(t.Context(), []hermod.Received{message("1", `{"orderId":"o-1"}`), message("2", `{"orderId":["s3cr3t"]}`), message("3", `{"orderId":"o-3"}`)})
		for i, want := range []hermod.Action{hermod.Done, hermod.GiveUp, hermod.Done} {
			if outcomes[i].Action != want {
				t.Errorf("message %d: %+v", i+1, outcomes[i])
			}
		}
		if kept := r.all(t, account); len(kept) != 2 {
			t.Errorf("kept %+v", kept)
		}
		log := lines.String()
		if !strings.Contains(log, "eventData/orderId must be string, says its schema at #/properties/orderId/type") || strings.Contains(log, "s3cr3t") {
			t.Errorf("logged %s", log)
		}
	})
}

func TestTheLineOfABatchCountsItsWarnings(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, func(d *hermod.Definition) { d.Validation = hermod.ValidateWarn })
		var lines bytes.Buffer
		a := ingest.New(ingest.Options{
			Config: r.engine, Journal: r.journal(), IDs: newIDs(r.clock.now), Now: r.clock.now, Log: slog.New(slog.NewJSONHandler(&lines, nil)), Schemas: schema.Checker,
		})
		if _, err := a.Accept(t.Context(), read(t, natively(batchOf(`{}`, `{"orderId":"o"}`, `1`)))); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(lines.String(), `"warned":2`) {
			t.Errorf("logged %s", lines.String())
		}
	})
}

func TestASchemaThatIsNoLongerTakenIsTold(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, func(d *hermod.Definition) { d.Schema = json.RawMessage(`{"$ref":"#"}`) })
		_, err := r.acceptor.Accept(t.Context(), []ingest.Submission{submission(account, "", "1")})
		wantFields(t, err, "eventData")
	})
}

func TestEventsOfInternalTypesSkipSubscriptionsThatDoNotIncludeThem(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-ordinary")
		if err := r.CreateSubscription(t.Context(), &hermod.Subscription{
			ID: "s-internal", Owner: account, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, IncludeInternal: true,
		}); err != nil {
			t.Fatal(err)
		}
		r.define(t, func(d *hermod.Definition) { d.Internal, d.Schema, d.Validation = true, nil, hermod.ValidateOff })
		e := r.accept(t, submission(account, "", "1"))[0]
		if want := []hermod.Ref{{Owner: account, ID: "s-internal"}}; !e.Internal || !slices.Equal(e.Matches, want) {
			t.Errorf("internal %v, goes to %v", e.Internal, e.Matches)
		}
		s := submission(other, "", "1")
		s.Event.Internal = true // a producer has no say in it
		if e := r.accept(t, s)[0]; e.Internal {
			t.Errorf("internal by its producer's word")
		}
	})
}

func TestAGlobalSubscriptionIsInForceForTheNextEventOfAnyOwner(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		for _, owner := range []string{account, other} {
			if got := r.accept(t, submission(owner, "", "1"))[0].Matches; len(got) != 0 {
				t.Fatalf("matched %v", got)
			}
		}
		for n, id := range []string{"s-a", "s-b"} {
			if err := r.CreateSubscription(t.Context(), &hermod.Subscription{
				ID: id, Owner: organization, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, Global: true,
			}); err != nil {
				t.Fatal(err)
			}
			for _, owner := range []string{account, other} {
				got := r.accept(t, submission(owner, "", "1"))[0].Matches
				if len(got) != n+1 || got[n] != (hermod.Ref{Owner: organization, ID: id}) {
					t.Errorf("an event of %s goes to %v", owner, got)
				}
			}
		}
		s := submission(account, "", "1")
		s.Event.OrganizationID = organization
		if got := r.accept(t, s)[0].Matches; len(got) != 2 {
			t.Errorf("an event of the owner itself goes to %v", got)
		}
	})
}

func TestNoEventIsEveryOwners(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		if err := r.CreateSubscription(t.Context(), &hermod.Subscription{ID: "s", Owner: account, Active: true, Global: true}); err != nil {
			t.Fatal(err)
		}
		_, err := r.acceptor.Accept(t.Context(), []ingest.Submission{submission(hermod.EveryOwner, "", "1")})
		wantFields(t, err, "accountId")
	})
}
