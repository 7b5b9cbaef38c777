package ingest

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A Submission is one event as a producer sent it: validated, not yet accepted.
type Submission struct {
	// Event has neither id nor matches yet. Its AccountID is "" where the producer
	// named none.
	Event hermod.Event
	// Key is the producer's idempotency key; "" for none.
	Key string
	// Hash is SHA-256 of what was sent under the key.
	Hash [sha256.Size]byte

	// Warnings are what of the data does not fit the schema of its type, where its
	// account only wants to be told. Accept sets them.
	Warnings []string

	// to is the one recipient of a mocked event; zero for those that match.
	to hermod.Ref
	// emitted says that Hermod wrote the event itself.
	emitted bool

	// accountField and organizationField are the members that name the owners, and
	// dataField the one that holds the data, as the producer wrote them.
	accountField, organizationField, dataField string
}

// maxAhead is how far in the future an event's timestamp may lie.
const maxAhead = 5 * time.Minute

// MaxKey bounds an idempotency key in bytes.
const MaxKey = 256

// events is the member that holds a batch.
const events = "events"

// nativeMembers are the members of an event of Hermod's own form.
func nativeMembers() []string {
	return []string{
		"sender", "eventName", "eventData", "tags", "timestamp", "expiresAt", "accountId", "organizationId", "context",
	}
}

// Native reads a request body of Hermod's own form: one event, or
// {"events": [...]} with 1 to hermod.MaxEventsPerRequest. All that is wrong with
// it is named in one error: CodeInvalid, or CodeTooLarge for an event over
// hermod.MaxEventBytes.
func Native(body []byte, now time.Time) ([]Submission, error) {
	members, err := Members(body, append(nativeMembers(), events)...)
	if err != nil {
		return nil, err
	}
	read := func(r *reader, raw []byte) Submission { return r.native(raw, now) }
	list, batch := members[events]
	if !batch {
		return each([]json.RawMessage{body}, "", read)
	}
	if len(members) > 1 {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: events, Reason: "must not stand beside the members of an event"})
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(list, &raws); err != nil {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: events, Reason: "must be an array of events"})
	}
	return each(raws, events, read)
}

func (r *reader) native(raw []byte, now time.Time) Submission {
	if !r.object(raw, nativeMembers()) {
		return Submission{}
	}
	e := hermod.Event{
		Sender:         r.typePart("sender"),
		Name:           r.typePart("eventName"),
		Data:           r.data("eventData"),
		Tags:           r.tags("tags"),
		Timestamp:      r.timestamp("timestamp", now),
		ExpiresAt:      r.time("expiresAt"),
		AccountID:      r.owner("accountId"),
		OrganizationID: r.owner("organizationId"),
		Context:        r.context("context"),
	}
	return r.submission(e, raw, "accountId", "organizationId", "eventData")
}

// submission is an event without a key. The last three are the members that name
// its owners and that hold its data.
func (r *reader) submission(e hermod.Event, raw []byte, account, organization, data string) Submission {
	return Submission{
		Event: e, Hash: sha256.Sum256(raw),
		accountField: r.prefix + account, organizationField: r.prefix + organization, dataField: r.prefix + data,
	}
}

// unknownOwners names the members whose owners are not among those known.
func (s *Submission) unknownOwners(known map[string]hermod.Owner) []hermod.FieldError {
	var fields []hermod.FieldError
	check := func(field, owner string) {
		if _, ok := known[owner]; !ok {
			fields = append(fields, hermod.FieldError{Name: field, Reason: "names nobody known here"})
		}
	}
	check(cmp.Or(s.accountField, "accountId"), s.Event.AccountID)
	if s.Event.OrganizationID != "" {
		check(cmp.Or(s.organizationField, "organizationId"), s.Event.OrganizationID)
	}
	return fields
}

// reservedSender names the sender of Hermod's own notices where another one claims it: an
// owner must be able to believe what they say, and what becomes of one opens no circuit.
func (s *Submission) reservedSender() []hermod.FieldError {
	if s.Event.Sender != hermod.NoticeSender || s.emitted || s.mocked() {
		return nil
	}
	return []hermod.FieldError{{Name: "sender", Reason: "is Hermod's own: notices of that sender come from nobody else"}}
}

// each reads every element of a batch and gathers what is wrong with all of them.
func each(raws []json.RawMessage, list string, read func(*reader, []byte) Submission) ([]Submission, error) {
	if len(raws) == 0 || len(raws) > hermod.MaxEventsPerRequest {
		return nil, hermod.InvalidFields(hermod.FieldError{
			Name: events, Reason: fmt.Sprintf("must hold 1 to %d events", hermod.MaxEventsPerRequest),
		})
	}
	large := slices.IndexFunc(raws, func(raw json.RawMessage) bool { return len(raw) > hermod.MaxEventBytes })
	if large >= 0 {
		return nil, hermod.Errorf(hermod.CodeTooLarge, "event %d has %d bytes; an event may have %d",
			large, len(raws[large]), hermod.MaxEventBytes)
	}
	var fields []hermod.FieldError
	submissions := make([]Submission, len(raws))
	for i, raw := range raws {
		r := reader{}
		if list != "" {
			r.prefix = fmt.Sprintf("%s[%d].", list, i)
		}
		submissions[i] = read(&r, raw)
		fields = append(fields, r.fields...)
	}
	if len(fields) > 0 {
		return nil, hermod.InvalidFields(fields...)
	}
	return submissions, nil
}
