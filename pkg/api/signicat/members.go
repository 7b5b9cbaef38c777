package signicat

import (
	"bytes"
	"encoding/json"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// members are those of a JSON body. They stay raw, so that an absent one, a null and
// a wrong one can be told apart.
type members map[string]json.RawMessage

// readMembers reads a body of at most limit bytes that may have these members.
func readMembers(r *http.Request, limit int, names ...string) (members, error) {
	if m := api.MediaType(r); m != "application/json" && m != "" {
		return nil, api.ErrUnsupportedMediaType
	}
	body, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, hermod.Errorf(hermod.CodeTooLarge, "the body may have %d bytes", limit)
	}
	return ingest.Members(body, names...)
}

// fields gathers what is wrong with a body, so that all of it is told at once.
type fields struct {
	members
	wrong []hermod.FieldError
	// forbidden is the scope that the caller lacks for what it asks for; "" for none.
	forbidden string
}

func (f *fields) fail(name, reason string) {
	f.wrong = append(f.wrong, hermod.FieldError{Name: name, Reason: reason})
}

// given reports whether the member is there and not null.
func (f *fields) given(name string) bool {
	raw, ok := f.members[name]
	return ok && !bytes.Equal(raw, []byte("null"))
}

// read reads a given member into v.
func (f *fields) read(name string, v any, kind string) bool {
	if !f.given(name) {
		return false
	}
	if err := json.Unmarshal(f.members[name], v); err != nil {
		f.fail(name, "must be "+kind)
		return false
	}
	return true
}

func (f *fields) err() error {
	if f.forbidden != "" {
		return hermod.Errorf(hermod.CodeForbidden, "this needs the scope %s", f.forbidden)
	}
	if len(f.wrong) == 0 {
		return nil
	}
	return hermod.InvalidFields(f.wrong...)
}

func (f *fields) required(names ...string) {
	for _, name := range names {
		if !f.given(name) {
			f.fail(name, "is required")
		}
	}
}
