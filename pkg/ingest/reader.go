package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// A reader reads the members of one event and gathers all that is wrong with
// them, so that a producer hears everything at once.
type reader struct {
	prefix string
	fields []hermod.FieldError
}

// maxOwner bounds the ids of owners and of the event's context in characters.
const maxOwner = 128

func (r *reader) fail(name, reason string) {
	r.fields = append(r.fields, hermod.FieldError{Name: r.prefix + name, Reason: reason})
}

// object reads an element that must be an object.
func (r *reader) object(raw []byte, into any) bool {
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		r.fail("event", "must be an object")
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		r.fail("event", "must be a JSON object")
		return false
	}
	return true
}

// present tells a member from one that is absent or null.
func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

func (r *reader) text(name string, raw json.RawMessage) string {
	if !present(raw) {
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		r.fail(name, "must be a string")
		return ""
	}
	if s == "" {
		r.fail(name, "must not be empty")
	}
	return s
}

// failed reports whether the member was found wrong already.
func (r *reader) failed(name string) bool {
	for _, f := range r.fields {
		if f.Name == r.prefix+name {
			return true
		}
	}
	return false
}

func (r *reader) typePart(name, s string) string {
	switch {
	case s == "" && !r.failed(name):
		r.fail(name, "is required")
	case s != "" && !hermod.ValidTypePart(s):
		r.fail(name, fmt.Sprintf("must be 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart))
	}
	return s
}

func (r *reader) owner(name, s string) string {
	if s != "" && (len(s) > maxOwner || !hermod.ValidTypePart(s)) {
		r.fail(name, "is not the id of an owner")
	}
	return s
}

// data is any JSON value, null included, but it must be there.
func (r *reader) data(name string, raw json.RawMessage) json.RawMessage {
	if raw == nil {
		r.fail(name, "is required")
		return nil
	}
	if depth(raw) > hermod.MaxDepth {
		r.fail(name, fmt.Sprintf("must not be nested deeper than %d", hermod.MaxDepth))
	}
	return raw
}

func (r *reader) tags(name string, raw json.RawMessage) []string {
	if !present(raw) {
		return nil
	}
	var tags []string
	if err := json.Unmarshal(raw, &tags); err != nil {
		r.fail(name, "must be an array of strings")
		return nil
	}
	return r.checkTags(name, tags)
}

func (r *reader) checkTags(name string, tags []string) []string {
	if len(tags) > hermod.MaxTags {
		r.fail(name, fmt.Sprintf("must hold at most %d tags", hermod.MaxTags))
	}
	for i, tag := range tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > hermod.MaxTag {
			r.fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("must be 1 to %d characters", hermod.MaxTag))
		}
	}
	return tags
}

// The years that every store and every dialect can hold.
const firstYear, lastYear = 1900, 2200

func (r *reader) time(name, s string) time.Time {
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
func (r *reader) timestamp(name, s string, now time.Time) time.Time {
	t := r.time(name, s)
	if t.IsZero() {
		return now.UTC()
	}
	if t.After(now.Add(maxAhead)) {
		r.fail(name, "must not be more than 5 minutes in the future")
	}
	return t
}

// depth is how deep arrays and objects are nested in a valid JSON value.
func depth(raw []byte) int {
	deepest, level, inString := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
