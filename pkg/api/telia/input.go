package telia

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// A member of a JSON object, as it was written.
type member struct {
	name  string
	value json.RawMessage
}

func (m member) null() bool { return bytes.Equal(m.value, []byte("null")) }

// object reads the members of a JSON object in their order.
func object(raw []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("no object")
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		text, _ := name.(string) // of an object they all are
		members = append(members, member{text, value})
	}
	return members, nil
}

// A form is a body whose members are known by the names it was asked for.
type form struct{ input.Fields }

// readForm reads a body of at most limit bytes whose members have these names, in any
// case, as ASP.NET binds them. Others are passed over; of one that stands twice, in
// whatever cases, nobody can tell which is meant, and it is refused.
func readForm(r *http.Request, limit int, names ...string) (*form, error) {
	if m := api.MediaType(r); m != "application/json" && m != "" {
		return nil, api.ErrUnsupportedMediaType
	}
	body, err := input.Body(r, limit)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, hermod.Errorf(hermod.CodeInvalid, "The body is not JSON in UTF-8.")
	}
	if err := ingest.CheckNesting(body); err != nil {
		return nil, err
	}
	members, err := object(body)
	if err != nil {
		return nil, hermod.Errorf(hermod.CodeInvalid, "The body must be a JSON object.")
	}
	f := &form{input.Fields{Members: input.Members{}}}
	for _, m := range members {
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, m.name) })
		if i < 0 {
			continue
		}
		if _, twice := f.Members[names[i]]; twice {
			f.Fail(names[i], "stands twice")
		}
		f.Members[names[i]] = m.value
	}
	return f, f.Err()
}

// text is a member of at most limit characters; "" where it is absent.
func (f *form) text(name string, limit int) (s string) {
	f.Read(name, &s, "a text")
	if utf8.RuneCountInString(s) > limit {
		f.Fail(name, fmt.Sprintf("must have at most %d characters", limit))
	}
	return s
}

// required is a text that must be there.
func (f *form) required(name string, limit int) string {
	before := len(f.Wrong)
	s := f.text(name, limit)
	if s == "" && len(f.Wrong) == before {
		f.Fail(name, "is required")
	}
	return s
}

// texts is an object of texts; nil where it is absent.
func (f *form) texts(name string) map[string]string {
	if !f.Given(name) {
		return nil
	}
	members, err := object(f.Members[name])
	if err != nil {
		f.Fail(name, "must be an object of texts")
		return nil
	}
	all := map[string]string{}
	for _, member := range members {
		var s string
		if member.null() || json.Unmarshal(member.value, &s) != nil {
			f.Fail(name+"."+clipName(member.name), "must be a text")
			continue
		}
		if _, twice := all[member.name]; twice {
			f.Fail(name+"."+clipName(member.name), "is given twice")
		}
		all[member.name] = s
	}
	return all
}

// clipName bounds what a message quotes of a name, in bytes.
func clipName(name string) string {
	const limit = 100
	if len(name) <= limit {
		return name
	}
	return strings.ToValidUTF8(name[:limit], "")
}
