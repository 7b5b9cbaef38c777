package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// cloudEvent is an event of the CloudEvents 1.0 JSON format, with Hermod's
// extension attributes.
type cloudEvent struct {
	SpecVersion json.RawMessage `json:"specversion"`
	ID          json.RawMessage `json:"id"`
	Source      json.RawMessage `json:"source"`
	Type        json.RawMessage `json:"type"`
	Time        json.RawMessage `json:"time"`
	Data        json.RawMessage `json:"data"`
	DataBase64  json.RawMessage `json:"data_base64"`

	AccountID      json.RawMessage `json:"accountid"`
	OrganizationID json.RawMessage `json:"organizationid"`
	ExpiresAt      json.RawMessage `json:"expiresat"`
	Tags           json.RawMessage `json:"tags"`
}

// CloudEvent reads one event in the structured mode of CloudEvents 1.0 (JSON
// Event Format, section 3). Its id and source are the idempotency key.
func CloudEvent(body []byte, now time.Time) ([]Submission, error) {
	var probe map[string]json.RawMessage
	if err := decodeObject(body, &probe); err != nil {
		return nil, err
	}
	return each([]json.RawMessage{body}, "", func(r *reader, raw []byte) Submission { return r.cloudEvent(raw, now) })
}

// CloudEventBatch reads a JSON array of events (JSON Event Format, section 4).
func CloudEventBatch(body []byte, now time.Time) ([]Submission, error) {
	if !utf8.Valid(body) {
		return nil, hermod.Errorf(hermod.CodeInvalid, "the body is not UTF-8")
	}
	if !json.Valid(body) {
		return nil, malformed(body)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, hermod.Errorf(hermod.CodeInvalid, "the body must be a JSON array of CloudEvents")
	}
	return each(raws, "events", func(r *reader, raw []byte) Submission { return r.cloudEvent(raw, now) })
}

func (r *reader) cloudEvent(raw []byte, now time.Time) Submission {
	var c cloudEvent
	if !r.object(raw, &c) {
		return Submission{}
	}
	if v := r.text("specversion", c.SpecVersion); v != "1.0" {
		r.fail("specversion", `must be "1.0"`)
	}
	id, source := r.required("id", c.ID), r.required("source", c.Source)
	if len(id) > MaxKey || len(source) > MaxKey {
		r.fail("id", "and source must have at most 256 bytes each")
	}
	e := hermod.Event{
		Data:           r.cloudData(&c),
		Timestamp:      r.timestamp("time", r.text("time", c.Time), now),
		ExpiresAt:      r.time("expiresat", r.text("expiresat", c.ExpiresAt)),
		AccountID:      r.owner("accountid", r.text("accountid", c.AccountID)),
		OrganizationID: r.owner("organizationid", r.text("organizationid", c.OrganizationID)),
	}
	e.Sender, e.Name = r.cloudType(r.required("type", c.Type), source)
	if list := r.text("tags", c.Tags); list != "" {
		e.Tags = r.checkTags("tags", splitList(list))
	}
	// The key is scoped by its kind, so that no other producer's key can equal it.
	return Submission{Event: e, Key: "cloudevent:" + source + "\n" + id, Hash: sha256.Sum256(raw)}
}

// cloudType takes `sender:name`, or the source as the sender of a type without
// a colon.
func (r *reader) cloudType(typ, source string) (sender, name string) {
	if typ == "" {
		return "", ""
	}
	if sender, name, ok := strings.Cut(typ, ":"); ok {
		if !hermod.ValidTypePart(sender) || !hermod.ValidTypePart(name) {
			r.fail("type", "must be sender:name, each of A-Z a-z 0-9 _ . -")
		}
		return sender, name
	}
	if !hermod.ValidTypePart(typ) {
		r.fail("type", "must be of A-Z a-z 0-9 _ . -")
	}
	if source != "" && !hermod.ValidTypePart(source) {
		r.fail("source", "must be of A-Z a-z 0-9 _ . - where type names no sender")
	}
	return source, typ
}

// cloudData is `data`, or `data_base64` where that holds JSON; null where there
// is neither.
func (r *reader) cloudData(c *cloudEvent) json.RawMessage {
	if c.DataBase64 == nil {
		if c.Data == nil {
			return json.RawMessage("null")
		}
		return r.data("data", c.Data)
	}
	if c.Data != nil {
		r.fail("data_base64", "must not stand beside data")
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(r.text("data_base64", c.DataBase64))
	if err != nil || !json.Valid(data) || !utf8.Valid(data) {
		r.fail("data_base64", "must be JSON in base64")
		return nil
	}
	return r.data("data_base64", data)
}

func (r *reader) required(name string, raw json.RawMessage) string {
	s := r.text(name, raw)
	if s == "" && !r.failed(name) {
		r.fail(name, "is required")
	}
	return s
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

// bridge is the envelope in which EventBridge hands an event to a target (Amazon
// EventBridge User Guide, "Event structure").
type bridge struct {
	ID         json.RawMessage `json:"id"`
	Source     json.RawMessage `json:"source"`
	DetailType json.RawMessage `json:"detail-type"`
	Time       json.RawMessage `json:"time"`
	Detail     json.RawMessage `json:"detail"`
}

// EventBridge reads an event from its EventBridge envelope: source is the
// sender, detail-type the name, detail the rest. The envelope's id is the
// idempotency key.
func EventBridge(body []byte, now time.Time) ([]Submission, error) {
	var probe map[string]json.RawMessage
	if err := decodeObject(body, &probe); err != nil {
		return nil, err
	}
	return each([]json.RawMessage{body}, "", func(r *reader, raw []byte) Submission { return r.bridge(raw, now) })
}

func (r *reader) bridge(raw []byte, now time.Time) Submission {
	var b bridge
	if !r.object(raw, &b) {
		return Submission{}
	}
	var n native
	if detail := bytes.TrimSpace(b.Detail); len(detail) == 0 || detail[0] != '{' || json.Unmarshal(detail, &n) != nil {
		r.fail("detail", "must be an object")
	}
	id := r.required("id", b.ID)
	e := hermod.Event{
		Sender:    r.typePart("source", r.text("source", b.Source)),
		Name:      r.typePart("detail-type", r.text("detail-type", b.DetailType)),
		Timestamp: r.timestamp("time", r.text("time", b.Time), now),
	}
	r.prefix += "detail."
	e.Data = r.data("eventData", n.EventData)
	e.Tags = r.tags("tags", n.Tags)
	e.ExpiresAt = r.time("expiresAt", r.text("expiresAt", n.ExpiresAt))
	e.AccountID = r.owner("accountId", r.text("accountId", n.AccountID))
	e.OrganizationID = r.owner("organizationId", r.text("organizationId", n.OrganizationID))
	return Submission{Event: e, Key: "eventbridge:" + id, Hash: sha256.Sum256(raw)}
}
