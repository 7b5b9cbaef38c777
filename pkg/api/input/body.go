// Package input reads what callers send, member by member and parameter by
// parameter, and gathers all that is wrong with it.
package input

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// Members are those of a JSON body. They stay raw, so that an absent one, a null and
// a wrong one can be told apart.
type Members map[string]json.RawMessage

// Body reads a body of at most limit bytes. It fails with CodeTooLarge.
func Body(r *http.Request, limit int) ([]byte, error) {
	body, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, hermod.Errorf(hermod.CodeTooLarge, "the body may have %d bytes", limit)
	}
	return body, nil
}

// Object reads a body of at most limit bytes that is a JSON object, and those of its
// members that are named, as ingest.Members does.
func Object(r *http.Request, limit int, names ...string) (Members, error) {
	body, err := Body(r, limit)
	if err != nil {
		return nil, err
	}
	return ingest.Members(body, names...)
}

// Fields reads members and gathers what is wrong with them, so that all of it is told
// at once.
type Fields struct {
	Members
	Wrong []hermod.FieldError
}

// Fail notes what is wrong with a member.
func (f *Fields) Fail(name, reason string) {
	f.Wrong = append(f.Wrong, hermod.FieldError{Name: name, Reason: reason})
}

// Given reports whether the member is there and not null.
func (f *Fields) Given(name string) bool {
	raw, ok := f.Members[name]
	return ok && !bytes.Equal(raw, []byte("null"))
}

// Null reports whether the member is there and null.
func (f *Fields) Null(name string) bool {
	_, ok := f.Members[name]
	return ok && !f.Given(name)
}

// Read reads a given member into v, and reports whether it could. kind says what the
// member must be, as in "a string".
func (f *Fields) Read(name string, v any, kind string) bool {
	if !f.Given(name) {
		return false
	}
	if err := json.Unmarshal(f.Members[name], v); err != nil {
		f.Fail(name, "must be "+kind)
		return false
	}
	return true
}

// Whole reads a given member that is a whole number within bounds, both included, and reports
// whether it could. A number such as 5.0 or 5e1 is whole (JSON Schema 2020-12, section 4.2.3).
// note is what else the member may be, as in ", or null"; "" for nothing.
func (f *Fields) Whole(name string, least, most int, note string) (int, bool) {
	if !f.Given(name) {
		return 0, false
	}
	var n float64
	if err := json.Unmarshal(f.Members[name], &n); err != nil || n != math.Trunc(n) || n < float64(least) || n > float64(most) {
		f.Fail(name, fmt.Sprintf("must be a whole number from %d to %d%s", least, most, note))
		return 0, false
	}
	return int(n), true
}

// Required notes the members that are not given.
func (f *Fields) Required(names ...string) {
	for _, name := range names {
		if !f.Given(name) {
			f.Fail(name, "is required")
		}
	}
}

// Err is CodeInvalid with all that is wrong; nil where nothing is.
func (f *Fields) Err() error {
	if len(f.Wrong) == 0 {
		return nil
	}
	return hermod.InvalidFields(f.Wrong...)
}
