package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// A reader reads the members of one event and gathers all that is wrong with
// them, so that a producer hears everything at once.
type reader struct {
	// prefix is the path of the object that members are of, with a dot at its end;
	// "" for the body itself.
	prefix  string
	members map[string]json.RawMessage
	fields  []hermod.FieldError
}

// maxOwner bounds the ids of owners and of the event's context in bytes.
const maxOwner = 128

func (r *reader) fail(name, reason string) {
	r.fields = append(r.fields, hermod.FieldError{Name: r.prefix + name, Reason: reason})
}

// object takes the members of an element that must be an object.
func (r *reader) object(raw []byte, names []string) bool {
	if !isObject(raw) {
		r.fields = append(r.fields, hermod.FieldError{Name: strings.TrimSuffix(r.prefix, "."), Reason: "must be an object"})
		return false
	}
	members, twice := split(raw, names)
	if twice != "" {
		field := standsTwice(twice)
		r.fail(field.Name, field.Reason)
		return false
	}
	r.members = members
	return true
}

// present tells a member from one that is absent or null.
func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

func (r *reader) text(name string) string {
	raw := r.members[name]
	if !present(raw) {
		return ""
	}
	if raw[0] != '"' {
		r.fail(name, "must be a string")
		return ""
	}
	s := unquote(raw)
	if s == "" {
		r.fail(name, "must not be empty")
	}
	return s
}

// failed reports whether the member was found wrong already.
func (r *reader) failed(name string) bool {
	return slices.ContainsFunc(r.fields, func(f hermod.FieldError) bool { return f.Name == r.prefix+name })
}

func (r *reader) required(name string) string {
	s := r.text(name)
	if s == "" && !r.failed(name) {
		r.fail(name, "is required")
	}
	return s
}

// typePart is the sender or the name of a type.
func (r *reader) typePart(name string) string {
	s := r.required(name)
	if s != "" && !hermod.ValidTypePart(s) {
		r.fail(name, fmt.Sprintf("must be 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart))
	}
	return s
}

func (r *reader) owner(name string) string {
	s := r.text(name)
	if s != "" && (len(s) > maxOwner || !hermod.ValidTypePart(s)) {
		r.fail(name, "is not the id of an owner")
	}
	return s
}

// data is any JSON value, null included, but it must be there.
func (r *reader) data(name string) json.RawMessage {
	raw := r.members[name]
	if raw == nil {
		r.fail(name, "is required")
	}
	return r.shallow(name, raw)
}

func (r *reader) shallow(name string, raw json.RawMessage) json.RawMessage {
	if Depth(raw) > hermod.MaxDepth {
		r.fail(name, fmt.Sprintf("must not be nested deeper than %d", hermod.MaxDepth))
	}
	return raw
}

func (r *reader) tags(name string) []string {
	if !present(r.members[name]) {
		return nil
	}
	var tags []string
	if err := json.Unmarshal(r.members[name], &tags); err != nil {
		r.fail(name, "must be an array of strings")
		return nil
	}
	return r.checkTags(name, tags)
}

func (r *reader) checkTags(name string, tags []string) []string {
	if len(tags) > hermod.MaxTags {
		r.fail(name, fmt.Sprintf("must hold at most %d tags", hermod.MaxTags))
		return nil
	}
	for i, tag := range tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > hermod.MaxTag {
			r.fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("must be 1 to %d characters", hermod.MaxTag))
		}
	}
	return tags
}

func (r *reader) context(name string) hermod.Context {
	var c hermod.Context
	if !present(r.members[name]) {
		return c
	}
	if err := json.Unmarshal(r.members[name], &c); err != nil {
		r.fail(name, "must be an object with the strings userId, apiKeyId and traceId")
		return c
	}
	if len(c.UserID) > maxOwner || len(c.APIKeyID) > maxOwner || len(c.TraceID) > maxOwner {
		r.fail(name, fmt.Sprintf("must have members of at most %d bytes", maxOwner))
	}
	return c
}

// The years that every store and every dialect can hold.
const firstYear, lastYear = 1900, 2200

// time is a date and time; the zero time where the member is absent or wrong.
func (r *reader) time(name string) time.Time {
	s := r.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.fail(name, "must be an RFC 3339 date and time, such as 2026-01-31T09:30:00Z")
		return time.Time{}
	}
	t = t.UTC()
	if t.Year() < firstYear || t.Year() > lastYear {
		r.fail(name, fmt.Sprintf("must lie in the years %d to %d", firstYear, lastYear))
		return time.Time{}
	}
	return t
}

// timestamp is the event's own time; now where it names none.
func (r *reader) timestamp(name string, now time.Time) time.Time {
	t := r.time(name)
	if t.IsZero() {
		return now.UTC()
	}
	if t.After(now.Add(maxAhead)) {
		r.fail(name, "must not be more than 5 minutes in the future")
	}
	return t
}
