package signly

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/sign"
)

// SignatureHeader carries the HMAC of a delivery where a webhook has a signing secret.
// The vendor documents no signature: this one is ours, and off unless asked for.
const SignatureHeader = "X-Signly-Signature"

// An Encoder makes the deliveries of webhooks.
type Encoder struct{}

// Schedule is the waits of a webhook that has none of its own.
func (Encoder) Schedule() hermod.Schedule { return defaultRetries().schedule() }

// Encode makes the payload of an attempt. The attempt's number stands in the body, so
// that each attempt has other bytes.
func (Encoder) Encode(_ context.Context, d deliver.Delivery) (deliver.Payload, error) {
	wire := eventOf(d.Event, d.Subscription.Tenant)
	wire.Attempt = d.Key.Number
	body, err := api.EncodeJSON(wire)
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("encoding event %s: %w", d.Event.ID, err)
	}
	header := http.Header{}
	if secret := d.Subscription.Secrets.SigningSecret; secret != "" {
		header.Set(SignatureHeader, sign.HMACHex(secret, body))
	}
	return deliver.Payload{Body: body, ContentType: "application/json", Header: header}, nil
}

// wireEvent is an event of a process, in deliveries and in its history.
type wireEvent struct {
	EventID       string          `json:"eventId"`
	Type          string          `json:"type"`
	OccurredAt    string          `json:"occurredAt"`
	TenantID      string          `json:"tenantId"`
	DocumentID    json.RawMessage `json:"documentId"`
	ParticipantID json.RawMessage `json:"participantId"`
	// Attempt is 0 and left out where the event is not delivered but shown.
	Attempt int             `json:"attempt,omitempty"`
	Data    json.RawMessage `json:"data"`
}

func eventOf(e *hermod.Event, tenant string) wireEvent {
	document, participant, rest := separate(e.Data)
	return wireEvent{
		EventID: "evt_" + e.ID.ULID(), Type: e.Name, OccurredAt: instant(e.Timestamp), TenantID: tenant,
		DocumentID: document, ParticipantID: participant, Data: rest,
	}
}

// separate takes documentId and participantId out of an event's data, nil for one
// that is not there. The rest keeps its order and the bytes of its members; data that
// is no object is all rest.
func separate(data json.RawMessage) (document, participant, rest json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(data))
	if opening, err := d.Token(); err != nil || opening != json.Delim('{') {
		return nil, nil, data
	}
	var kept [][]byte
	for d.More() {
		from := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, nil, data
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, data
		}
		switch name {
		case "documentId":
			document = value
		case "participantId":
			participant = value
		default:
			kept = append(kept, bytes.TrimLeft(data[from:d.InputOffset()], ", \t\r\n"))
		}
	}
	rest = append(rest, '{')
	rest = append(rest, bytes.Join(kept, []byte(","))...)
	return document, participant, append(rest, '}')
}
