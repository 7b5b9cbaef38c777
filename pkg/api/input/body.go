// Package input reads what callers send, member by member and parameter by
// parameter, and gathers all that is wrong with it.
package input

import (
	"bytes"
	"encoding/json"
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
