package api

import (
	"bytes"
	"encoding/json"
	"time"
)

// EncodeJSON is JSON without a line end and without escapes for HTML, which receivers
// written in other languages don't expect.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// EncodeTime is a time in UTC as JSON, by a layout of package time; null for the zero
// time.
func EncodeTime(t time.Time, layout string) ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(layout) + `"`), nil
}

// Nullable is a string in JSON; null for the empty one.
type Nullable string

// MarshalJSON implements json.Marshaler.
func (s Nullable) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return EncodeJSON(string(s))
}
