package signly

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"hermod/pkg/api/input"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// testData is the data of a test event: its document and its participant are the nil
// UUID (RFC 9562, section 5.9), which a receiver that reads UUIDs can read.
const testData = `{"documentId":"00000000-0000-0000-0000-000000000000","participantId":"00000000-0000-0000-0000-000000000000"}`

// tested is what came of a test.
type tested struct {
	WebhookID      string `json:"webhookId"`
	DeliveryStatus string `json:"deliveryStatus"`
	Attempt        int    `json:"attempt"`
	// Reason is there where the delivery failed (ours).
	Reason string `json:"reason,omitempty"`
}

// test delivers a made-up event while the caller waits, also to a webhook that is
// disabled. It is tried once and stands in no log.
func (h *Webhooks) test(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if err := readTest(r, p); err != nil {
		return err
	}
	s, err := h.find(r, p)
	if err != nil {
		return err
	}
	now, id := h.Now(), h.NewID()
	d := deliver.Delivery{
		Event: &hermod.Event{
			ID: id, Timestamp: now, Sender: string(hermod.Signly), Name: TestType, AccountID: p.Account, Data: json.RawMessage(testData),
		},
		Subscription: s, At: now,
		Key: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: s.ID, EventID: id}, Number: 1},
	}
	payload, err := Encoder{}.Encode(r.Context(), d)
	if err != nil {
		return fmt.Errorf("testing a webhook: %w", err)
	}
	result := h.Pusher.Push(r.Context(), s, payload)
	switch {
	case result.Class == deliver.ClassInterrupted:
		return fmt.Errorf("testing a webhook: %w", context.Cause(r.Context()))
	case result.Succeeded():
		return answer(w, r, h.Now(), testDelivered, tested{s.ID, "DELIVERED", d.Key.Number, ""}, nil)
	default:
		return answer(w, r, h.Now(), testFailed, tested{s.ID, "FAILED", d.Key.Number, sentence(result.Message)}, nil)
	}
}

// readTest reads the body of a test, which may be empty: there is nothing to choose.
func readTest(r *http.Request, p *hermod.Principal) error {
	body, err := readBody(r)
	if err != nil || len(body) == 0 {
		return err
	}
	members, err := ingest.Members(body, "type", "tenantId")
	if err != nil {
		return err
	}
	f := input.Fields{Members: members}
	var kind, tenant string
	if f.Read("type", &kind, "a string") && kind != TestType {
		f.Fail("type", "must be "+TestType)
	}
	if f.Read("tenantId", &tenant, "a string") && tenant != p.Tenant {
		f.Fail("tenantId", "must be the tenant in "+tenantHeader)
	}
	return f.Err()
}
