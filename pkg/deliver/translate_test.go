package deliver_test

import (
	"context"
	"strings"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

const (
	completed = `{"object":"transaction","id":"tx_1","state":"completed","completed_at":"2026-03-02T09:00:00Z"}`
	asOrder   = `{"orderId":"tx_1","completedAt":"2026-03-02T09:00:00Z"}`
	request   = "9b1d6c0e-52f7-4c0a-9d6e-0f6a4b1f7a01"
)

// ofDialect is the rig with a transaction that was completed, and encoders that refuse
// what is not of their dialect.
func ofDialect(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.event.Sender, r.event.Name, r.event.Data = "universign", "transaction.lifecycle.completed", []byte(completed)
	r.options.Encoders = map[hermod.Dialect]deliver.Encoder{}
	for _, d := range []hermod.Dialect{hermod.Signicat, hermod.Signly, hermod.TeliaSign, hermod.Universign} {
		r.options.Encoders[d] = strictEncoder{t, d}
	}
	r.Deliverer = deliver.New(r.options)
	return r
}

type strictEncoder struct {
	t       *testing.T
	dialect hermod.Dialect
}

func (strictEncoder) Schedule() hermod.Schedule { return hermod.DefaultSchedule() }

func (c strictEncoder) Encode(ctx context.Context, d deliver.Delivery) (deliver.Payload, error) {
	if !c.dialect.Takes(d.Event.Sender) {
		c.t.Errorf("the encoder of %s got %s", c.dialect, d.Event.Type())
	}
	p, err := fakeEncoder{}.Encode(ctx, d)
	p.Header.Set("X-Type", d.Event.Type())
	return p, err
}

func TestAnEncoderGetsEventsOfItsDialectAndOfTheFormThatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		dialect   hermod.Dialect
		filter    hermod.Pattern
		translate bool
		change    func(r *rig)
		want      string // the type that is sent; "" for dropped
	}{
		{"as it is", hermod.Signicat, "universign:*", false, nil, "universign:transaction.lifecycle.completed"},
		{"translated", hermod.Signicat, "signature-api:order.completed", true, nil, "signature-api:order.completed"},
		{"its own, though it translates", hermod.Universign, "universign:transaction.lifecycle.completed", true, nil, "universign:transaction.lifecycle.completed"},
		{"an id of the wrong form", hermod.TeliaSign, "telia-sign:signaturerequestcompleted", true, nil, ""},
		{"no participant", hermod.Signly, "signly:PROCESS_COMPLETED", true, nil, ""},
		{"no id", hermod.Signicat, "signature-api:order.completed", true, func(r *rig) { r.event.Data = []byte(`{}`) }, ""},
		{"members of another dialect", hermod.TeliaSign, "telia-sign:signaturerequestcompleted", true,
			func(r *rig) { r.event.Data = []byte(`{"id":"tx_1","SignatureRequestId":"` + request + `"}`) }, "telia-sign:signaturerequestcompleted"},
		{"a mock of its own type", hermod.Signicat, "signature-api:order.completed", true, mocked, "universign:transaction.lifecycle.completed"},
		{"a mock foreign to the dialect", hermod.Signly, "signly:PROCESS_COMPLETED", true, mocked, ""},
		{"replayed by hand, whatever the filters", hermod.Signicat, "other:*", true, replayed, "universign:transaction.lifecycle.completed"},
		{"replayed, to one that does not translate", hermod.Signicat, "signature-api:order.completed", false, replayed, "universign:transaction.lifecycle.completed"},
		{"replayed, to one that translates", hermod.Signicat, "signature-api:order.completed", true, replayed, "signature-api:order.completed"},
		{"replayed, to another dialect", hermod.Signly, "signly:PROCESS_STARTED", true, replayed, ""},
		{"the filter has changed since it matched", hermod.Signicat, "other:*", false, nil, "universign:transaction.lifecycle.completed"},
		{"translating was switched off since it matched", hermod.Signicat, "signature-api:order.completed", false, nil, ""},
		{"switched off, another dialect", hermod.TeliaSign, "telia-sign:signaturerequestcompleted", false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ofDialect(t)
			r.sub.Dialect, r.sub.Filters, r.sub.Translate = c.dialect, []hermod.Pattern{c.filter}, c.translate
			if c.change != nil {
				c.change(r)
			}
			want(t, "outcome", r.receive(t), done)
			a := r.last(t, 0, 1)
			if c.want == "" {
				want(t, "state", a.State, hermod.Dropped)
				want(t, "reason", a.Reason, hermod.ReasonNoEquivalent)
				want(t, "message is for people", strings.Contains(a.ErrorMessage, "cannot be told"), true)
				want(t, "the log line can be counted", strings.Contains(r.log.String(), `"msg":"attempt"`) &&
					strings.Contains(r.log.String(), `"reason":"no_equivalent"`), true)
				r.wantPushes(t, 0)
				return
			}
			want(t, "state", a.State, hermod.Succeeded)
			r.wantPushes(t, 1)
			want(t, "type", r.pusher.pushed[0].Header.Get("X-Type"), c.want)
			want(t, "the log says what it was sent as", strings.Contains(r.log.String(), `"as":"`+c.want+`"`), c.want != r.event.Type())
		})
	}
}

func mocked(r *rig) {
	r.event.Mock, r.event.Matches, r.message.Trigger = true, []hermod.Ref{r.sub.Ref()}, hermod.TriggerMock
}

func replayed(r *rig) { r.message.Trigger = hermod.TriggerReplay }

// The event that the log keeps stays what was published, and every attempt has the same
// bytes.
func TestATranslatedEventIsTheSameAtEveryAttempt(t *testing.T) {
	t.Parallel()
	r := ofDialect(t)
	r.sub.Filters, r.sub.Translate = []hermod.Pattern{"signature-api:order.completed"}, true
	r.pusher.result = fails
	for range 3 {
		at := r.receive(t).At
		if at.IsZero() {
			break // by the due index
		}
		r.now, r.received.Receives = at, r.received.Receives+1
	}
	if len(r.pusher.pushed) < 2 {
		t.Fatalf("%d pushes", len(r.pusher.pushed))
	}
	for _, p := range r.pusher.pushed {
		want(t, "body", string(p.Body), asOrder)
	}
	want(t, "the event", string(r.event.Data), completed)
}
