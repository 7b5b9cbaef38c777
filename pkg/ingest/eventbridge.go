package ingest

import (
	"encoding/json"
	"time"

	"hermod/pkg/hermod"
)

// bridgeMembers are the members of EventBridge's envelope that Hermod reads.
func bridgeMembers() []string { return []string{"id", "source", "detail-type", "time", "detail"} }

// EventBridge reads an event from the envelope in which EventBridge hands it to a
// target (Amazon EventBridge User Guide, "Event structure"): source is the
// sender, detail-type the name, detail the rest. The envelope's id is the
// idempotency key.
func EventBridge(body []byte, now time.Time) ([]Submission, error) {
	if _, err := Members(body); err != nil {
		return nil, err
	}
	return each([]json.RawMessage{body}, "", func(r *reader, raw []byte) Submission { return r.bridge(raw, now) })
}

func (r *reader) bridge(raw []byte, now time.Time) Submission {
	if !r.object(raw, bridgeMembers()) {
		return Submission{}
	}
	e := hermod.Event{
		Sender:    r.typePart("source"),
		Name:      r.typePart("detail-type"),
		Timestamp: r.timestamp("time", now),
	}
	id, detail := r.key("id"), r.members["detail"]
	r.prefix += "detail."
	if !r.object(detail, nativeMembers()) {
		return Submission{}
	}
	e.Data = r.data("eventData")
	e.Tags = r.tags("tags")
	e.ExpiresAt = r.time("expiresAt")
	e.AccountID = r.owner("accountId")
	e.OrganizationID = r.owner("organizationId")
	e.Context = r.context("context")
	s := r.submission(e, raw, "accountId", "organizationId", "eventData")
	s.Key = "eventbridge:" + id
	return s
}
