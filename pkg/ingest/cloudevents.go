package ingest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// cloudMembers are the members of an event of the CloudEvents 1.0 JSON format that
// Hermod reads, its extension attributes last.
func cloudMembers() []string {
	return []string{
		"specversion", "id", "source", "type", "time", "data", "data_base64",
		"accountid", "organizationid", "expiresat", "tags",
	}
}

// CloudEvent reads one event in the structured mode of CloudEvents 1.0 (JSON
// Event Format, section 3). Its id and source are the idempotency key.
func CloudEvent(body []byte, now time.Time) ([]Submission, error) {
	if _, err := Members(body); err != nil {
		return nil, err
	}
	return each([]json.RawMessage{body}, "", func(r *reader, raw []byte) Submission { return r.cloudEvent(raw, now) })
}

// CloudEventBatch reads a JSON array of events (JSON Event Format, section 4).
func CloudEventBatch(body []byte, now time.Time) ([]Submission, error) {
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, hermod.Errorf(hermod.CodeInvalid, "the body must be a JSON array of CloudEvents")
	}
	return each(raws, events, func(r *reader, raw []byte) Submission { return r.cloudEvent(raw, now) })
}

func (r *reader) cloudEvent(raw []byte, now time.Time) Submission {
	if !r.object(raw, cloudMembers()) {
		return Submission{}
	}
	if v := r.text("specversion"); v != "1.0" && !r.failed("specversion") {
		r.fail("specversion", `must be "1.0"`)
	}
	id, source := r.key("id"), r.key("source")
	e := hermod.Event{
		Data:           r.cloudData(),
		Timestamp:      r.timestamp("time", now),
		ExpiresAt:      r.time("expiresat"),
		AccountID:      r.owner("accountid"),
		OrganizationID: r.owner("organizationid"),
	}
	e.Sender, e.Name = r.cloudType(source)
	if list := r.text("tags"); list != "" {
		e.Tags = r.checkTags("tags", splitList(list))
	}
	data := "data"
	if present(r.members["data_base64"]) {
		data = "data_base64"
	}
	s := r.submission(e, raw, "accountid", "organizationid", data)
	// The key is scoped by its kind, so that no other producer's key can equal it,
	// and says where the source ends, so that no other pair can.
	s.Key = fmt.Sprintf("cloudevent:%d:%s%s", len(source), source, id)
	return s
}

// key is a required text that becomes part of an idempotency key.
func (r *reader) key(name string) string {
	s := r.required(name)
	if len(s) > MaxKey {
		r.fail(name, fmt.Sprintf("must have at most %d bytes", MaxKey))
	}
	return s
}

// cloudType takes `sender:name`, or the source as the sender of a type without
// a colon.
func (r *reader) cloudType(source string) (sender, name string) {
	typ := r.required("type")
	if typ == "" {
		return "", ""
	}
	if strings.Contains(typ, ":") {
		sender, name, ok := hermod.ParseType(typ)
		if !ok {
			r.fail("type", fmt.Sprintf("must be sender:name, each 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart))
		}
		return sender, name
	}
	if !hermod.ValidTypePart(typ) {
		r.fail("type", fmt.Sprintf("must be 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart))
	}
	if source != "" && !hermod.ValidTypePart(source) {
		r.fail("source", fmt.Sprintf("must be 1 to %d characters of A-Z a-z 0-9 _ . - where type names no sender", hermod.MaxTypePart))
	}
	return source, typ
}

// cloudData is `data`, or `data_base64` where that holds JSON; null where there
// is neither.
func (r *reader) cloudData() json.RawMessage {
	data, encoded := r.members["data"], r.members["data_base64"]
	switch {
	case !present(encoded) && data == nil:
		return json.RawMessage("null")
	case !present(encoded):
		return r.shallow("data", data)
	case data != nil:
		r.fail("data_base64", "must not stand beside data")
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(r.text("data_base64"))
	if err != nil || !json.Valid(decoded) || !utf8.Valid(decoded) {
		if !r.failed("data_base64") {
			r.fail("data_base64", "must be JSON in base64")
		}
		return nil
	}
	return r.shallow("data_base64", decoded)
}

func splitList(list string) []string {
	var items []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
