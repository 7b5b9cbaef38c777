package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// nanoRange is how far from 1970, in seconds, a time fits into an int64 of
// nanoseconds.
const nanoRange = 9_000_000_000

// timeValue is t as a column value: nanoseconds since 1970, NULL for the zero
// time, and RFC 3339 text where nanoseconds would overflow, as for the year 9999.
// SQLite sorts text after every integer, so that comparisons with a later time
// hold.
func timeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	if s := t.Unix(); s > -nanoRange && s < nanoRange {
		return t.UnixNano()
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// timeColumn scans what timeValue made.
type timeColumn time.Time

func (c *timeColumn) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c = timeColumn{}
	case int64:
		*c = timeColumn(time.Unix(0, v).UTC())
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return fmt.Errorf("reading a time: %w", err)
		}
		*c = timeColumn(t)
	default:
		return fmt.Errorf("reading a time: unexpected %T", src)
	}
	return nil
}

func scanTime(t *time.Time) *timeColumn { return (*timeColumn)(t) }

// textValue is s as a column value, NULL for the empty string.
func textValue[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// textColumn scans what textValue made.
type textColumn string

func (c *textColumn) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c = ""
	case string:
		*c = textColumn(v)
	default:
		return fmt.Errorf("reading a text: unexpected %T", src)
	}
	return nil
}

func scanText(s *string) *textColumn { return (*textColumn)(s) }

// idColumn scans the 16 bytes of an id.
type idColumn hermod.ID

func (c *idColumn) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(c) {
		return fmt.Errorf("reading an id: unexpected %T of %d bytes", src, len(b))
	}
	copy(c[:], b)
	return nil
}

func scanID(id *hermod.ID) *idColumn { return (*idColumn)(id) }

// idValue is an id as a column value, NULL for the zero id.
func idValue(id hermod.ID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// optionalIDColumn scans what idValue made.
type optionalIDColumn hermod.ID

func (c *optionalIDColumn) Scan(src any) error {
	if src == nil {
		*c = optionalIDColumn{}
		return nil
	}
	return (*idColumn)(c).Scan(src)
}

func scanOptionalID(id *hermod.ID) *optionalIDColumn { return (*optionalIDColumn)(id) }

// listValue is a list as a column value: JSON, and NULL for the nil list.
func listValue[T any](list []T) any {
	if list == nil {
		return nil
	}
	return jsonValue(list)
}

// jsonValue is v as JSON text. v is made of strings and integers: nothing can fail.
func jsonValue(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// jsonColumn scans JSON text; NULL leaves the zero value.
type jsonColumn[T any] struct{ to *T }

func (c jsonColumn[T]) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		var zero T
		*c.to = zero
		return nil
	case string:
		if err := json.Unmarshal([]byte(v), c.to); err != nil {
			return fmt.Errorf("reading a list: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("reading a list: unexpected %T", src)
	}
}

func scanJSON[T any](to *T) jsonColumn[T] { return jsonColumn[T]{to} }
