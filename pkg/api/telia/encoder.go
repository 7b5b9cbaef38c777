package telia

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// An Encoder makes the deliveries of Telia Sign's subscriptions. They carry no
// signature: receivers know them by the subscription's own headers.
type Encoder struct {
	// Waits are the waits between attempts; nil is the dialect's own.
	Waits hermod.Schedule
}

// Schedule is five attempts over 1 h 21 min. It is inferred: nothing is documented
// (wire facts, 3.4).
func (c Encoder) Schedule() hermod.Schedule {
	if c.Waits != nil {
		return c.Waits
	}
	return hermod.Schedule{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// timestamp is UTC with seven digits of a second, as .NET writes it.
const timestamp = "2006-01-02T15:04:05.0000000"

// Encode makes the payload of an attempt, the same bytes at each.
func (c Encoder) Encode(_ context.Context, d deliver.Delivery) (deliver.Payload, error) {
	e := d.Event
	h, ok := hookOf(e.Name)
	if !ok || e.Sender != string(hermod.TeliaSign) {
		h = hook{wire: e.Name} // sent by hand: a replay to one subscription asks for no type
	}
	body, err := json.Marshal(payload{
		EventType: h.wire, Timestamp: e.Timestamp.UTC().Format(timestamp) + "+00:00",
		EventData: eventDataOf(e.Data, h.signatory, d.Subscription.Tenant),
	})
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	return deliver.Payload{Body: body, ContentType: "application/json"}, nil
}

// published are the members of the event's data that are delivered. Members of any
// other name are left out: what deliveries carry is ids, and nothing of a person. Their
// names are read in any case, as that API reads its own, and of one that stands twice
// the last counts.
type published struct {
	SignatoryID        any `json:"SignatoryId"`
	SignatureRequestID any `json:"SignatureRequestId"`
	DepartmentID       any `json:"DepartmentId"`
	CreatorID          any `json:"CreatorId"`
	DocumentID         any `json:"DocumentId"`
}

// eventDataOf is what of an event's data is delivered. An id that was not published,
// or is no GUID, is all zeros, as .NET's Guid.Empty (inferred); a document is named only
// where it is known.
func eventDataOf(data []byte, signatory bool, tenant string) eventData {
	var in published
	if json.Unmarshal(data, &in) != nil {
		in = published{} // data that is no object names nothing
	}
	out := eventData{
		SignatureRequestID: guidOf(in.SignatureRequestID), TenantID: guidOf(tenant),
		DepartmentID: guidOf(in.DepartmentID), CreatorID: guidOf(in.CreatorID),
	}
	if signatory {
		out.SignatoryID = guidOf(in.SignatoryID)
	}
	if id := guidOf(in.DocumentID); id != (hermod.ID{}).GUID() {
		out.DocumentID = id
	}
	return out
}

// guidOf is a GUID in the form that is answered, whatever form of .NET's it was written
// in: with dashes or without, in braces or parentheses, in any case.
func guidOf(v any) string {
	text, _ := v.(string)
	id, err := hermod.ParseID(strings.ToLower(strings.ReplaceAll(strings.Trim(text, "{}()"), "-", "")))
	if err != nil {
		return hermod.ID{}.GUID()
	}
	return id.GUID()
}
