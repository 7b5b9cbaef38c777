package signicat

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// readMembers reads a body of at most limit bytes that may have these members.
func readMembers(r *http.Request, limit int, names ...string) (input.Members, error) {
	if m := api.MediaType(r); m != "application/json" && m != "" {
		return nil, api.ErrUnsupportedMediaType
	}
	return input.Object(r, limit, names...)
}

// fields are input.Fields some of which take a scope.
type fields struct {
	input.Fields
	// forbidden is the scope that the caller lacks for what it asks for; "" for none.
	forbidden string
}

func fieldsOf(m input.Members) *fields { return &fields{Fields: input.Fields{Members: m}} }

func (f *fields) err() error {
	if f.forbidden != "" {
		return hermod.Errorf(hermod.CodeForbidden, "this needs the scope %s", f.forbidden)
	}
	return f.Err()
}
