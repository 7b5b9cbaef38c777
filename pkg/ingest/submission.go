package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// A Submission is one event as a producer sent it: validated, not yet accepted.
type Submission struct {
	// Event has neither id nor matches yet. Its AccountID is "" where the producer
	// named none.
	Event hermod.Event
	// Key is the producer's idempotency key; "" for none.
	Key string
	// Hash is SHA-256 of the event as it was sent.
	Hash [sha256.Size]byte
}

// maxAhead is how far in the future an event's timestamp may lie.
const maxAhead = 5 * time.Minute

// MaxKey bounds an idempotency key in bytes.
const MaxKey = 256

// native is an event of Hermod's own form. Members stay raw so that each can be
// found wrong by itself.
type native struct {
	Sender         json.RawMessage `json:"sender"`
	EventName      json.RawMessage `json:"eventName"`
	EventData      json.RawMessage `json:"eventData"`
	Tags           json.RawMessage `json:"tags"`
	Timestamp      json.RawMessage `json:"timestamp"`
	ExpiresAt      json.RawMessage `json:"expiresAt"`
	AccountID      json.RawMessage `json:"accountId"`
	OrganizationID json.RawMessage `json:"organizationId"`
	Context        json.RawMessage `json:"context"`
}

// Native reads a request body of Hermod's own form: one event, or
// {"events": [...]} with 1 to hermod.MaxEventsPerRequest. All that is wrong with
// it is named in one error: CodeInvalid, or CodeTooLarge for an event over
// hermod.MaxEventBytes.
func Native(body []byte, now time.Time) ([]Submission, error) {
	var request struct {
		Events *[]json.RawMessage `json:"events"`
	}
	if err := decodeObject(body, &request); err != nil {
		return nil, err
	}
	if request.Events == nil {
		return each([]json.RawMessage{body}, "", func(r *reader, raw []byte) Submission { return r.native(raw, now) })
	}
	return each(*request.Events, "events", func(r *reader, raw []byte) Submission { return r.native(raw, now) })
}

func (r *reader) native(raw []byte, now time.Time) Submission {
	var n native
	if !r.object(raw, &n) {
		return Submission{}
	}
	e := hermod.Event{
		Sender:         r.typePart("sender", r.text("sender", n.Sender)),
		Name:           r.typePart("eventName", r.text("eventName", n.EventName)),
		Data:           r.data("eventData", n.EventData),
		Tags:           r.tags("tags", n.Tags),
		Timestamp:      r.timestamp("timestamp", r.text("timestamp", n.Timestamp), now),
		ExpiresAt:      r.time("expiresAt", r.text("expiresAt", n.ExpiresAt)),
		AccountID:      r.owner("accountId", r.text("accountId", n.AccountID)),
		OrganizationID: r.owner("organizationId", r.text("organizationId", n.OrganizationID)),
	}
	if present(n.Context) {
		if err := json.Unmarshal(n.Context, &e.Context); err != nil {
			r.fail("context", "must be an object with the strings userId, apiKeyId and traceId")
		}
		if len(e.Context.UserID) > maxOwner || len(e.Context.APIKeyID) > maxOwner || len(e.Context.TraceID) > maxOwner {
			r.fail("context", fmt.Sprintf("must have members of at most %d characters", maxOwner))
		}
	}
	return Submission{Event: e, Hash: sha256.Sum256(raw)}
}

// each reads every element of a batch and gathers what is wrong with all of them.
func each(raws []json.RawMessage, name string, read func(*reader, []byte) Submission) ([]Submission, error) {
	if len(raws) == 0 || len(raws) > hermod.MaxEventsPerRequest {
		return nil, hermod.InvalidFields(hermod.FieldError{
			Name: name, Reason: fmt.Sprintf("must hold 1 to %d events", hermod.MaxEventsPerRequest),
		})
	}
	var fields []hermod.FieldError
	submissions := make([]Submission, len(raws))
	for i, raw := range raws {
		r := reader{}
		if len(raws) > 1 || name != "" {
			r.prefix = fmt.Sprintf("%s[%d].", name, i)
		}
		if len(raw) > hermod.MaxEventBytes {
			return nil, hermod.Errorf(hermod.CodeTooLarge, "event %d has %d bytes; an event may have %d", i, len(raw), hermod.MaxEventBytes)
		}
		submissions[i] = read(&r, raw)
		fields = append(fields, r.fields...)
	}
	if len(fields) > 0 {
		return nil, hermod.InvalidFields(fields...)
	}
	return submissions, nil
}

func decodeObject(body []byte, into any) error {
	if !utf8.Valid(body) {
		return hermod.Errorf(hermod.CodeInvalid, "the body is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		if !json.Valid(body) {
			return malformed(body)
		}
		return hermod.Errorf(hermod.CodeInvalid, "the body must be a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		if !json.Valid(body) {
			return malformed(body)
		}
		return hermod.InvalidFields(hermod.FieldError{Name: "events", Reason: "must be an array of events"})
	}
	return nil
}

// malformed says where a body stops being JSON.
func malformed(body []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(body, &any)
	return &hermod.Error{Code: hermod.CodeInvalid, Message: "the body is not JSON", Err: ErrMalformed{err}}
}

// ErrMalformed marks a body that is no JSON at all, which some dialects answer
// with a code of its own.
type ErrMalformed struct{ Err error }

func (e ErrMalformed) Error() string { return "malformed JSON: " + e.Err.Error() }

func (e ErrMalformed) Unwrap() error { return e.Err }
