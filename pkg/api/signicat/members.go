package signicat

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// wantJSON refuses a body that says that it is something else.
func wantJSON(r *http.Request) error {
	if m := api.MediaType(r); m != jsonMedia && m != "" {
		return api.ErrUnsupportedMediaType
	}
	return nil
}

// readMembers reads a body of at most limit bytes that may have these members.
func readMembers(r *http.Request, limit int, names ...string) (input.Members, error) {
	if err := wantJSON(r); err != nil {
		return nil, err
	}
	return input.Object(r, limit, names...)
}

// readOwnMembers reads a body as readMembers does, and refuses other members. It is for
// routes that are Hermod's alone: where a filter is passed over that somebody has misspelt,
// everything is selected. The contract's own bodies may have members that are not known.
func readOwnMembers(r *http.Request, limit int, names ...string) (input.Members, error) {
	if err := wantJSON(r); err != nil {
		return nil, err
	}
	body, err := input.Body(r, limit)
	if err != nil {
		return nil, err
	}
	return ingest.OnlyMembers(body, names...)
}

// fields are input.Fields some of which take a scope.
type fields struct {
	input.Fields
	// forbidden is the scope that the caller lacks for what it asks for; "" for none.
	forbidden string
}

func fieldsOf(m input.Members) *fields { return &fields{Fields: input.Fields{Members: m}} }

// only notes the members of a given object that are none of these.
func (f *fields) only(object string, raw []byte, names ...string) {
	for _, name := range ingest.Unknown(raw, names...) {
		f.Fail(object+"."+name, ingest.NotKnown)
	}
}

func (f *fields) err() error {
	if f.forbidden != "" {
		return hermod.Errorf(hermod.CodeForbidden, "this needs the scope %s", f.forbidden)
	}
	return f.Err()
}
