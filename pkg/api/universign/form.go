package universign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// maxBody bounds a body in bytes.
const maxBody = 64 << 10

// A body says which members a request may have. Others are passed over.
type body struct {
	texts []string
	lists []string
	// switches are true or false.
	switches []string
}

func (b body) names() []string { return slices.Concat(b.texts, b.lists, b.switches) }

// read reads the members of a request: a form, or a JSON object. A body without a
// content type is taken for a form, which is what this API speaks.
func (b body) read(r *http.Request) (*input.Fields, error) {
	switch api.MediaType(r) {
	case "application/json":
		members, err := input.Object(r, maxBody, b.names()...)
		return &input.Fields{Members: members}, err
	case "application/x-www-form-urlencoded", "":
		text, err := input.Body(r, maxBody)
		if err != nil {
			return nil, err
		}
		return b.form(text)
	default:
		return nil, api.ErrUnsupportedMediaType
	}
}

// form reads a form into what JSON would be. A list is repeated, with or without []
// after its name, and each time a JSON array of strings or a comma list: the
// documentation shows the one and tells the other.
func (b body) form(text []byte) (*input.Fields, error) {
	form, err := url.ParseQuery(string(text))
	if err != nil {
		// The parser's error quotes what it could not read.
		return nil, hermod.Errorf(hermod.CodeInvalid, "the body cannot be read as a form")
	}
	f := &input.Fields{Members: input.Members{}}
	for _, name := range b.names() {
		values := slices.Concat(form[name], form[name+"[]"])
		switch {
		case len(values) == 0:
		case !slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }):
			b.member(f, name, values)
		default:
			f.Fail(name, "must be UTF-8")
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

func (b body) member(f *input.Fields, name string, values []string) {
	if slices.Contains(b.lists, name) {
		list, err := elements(values)
		if err != nil {
			f.Fail(name, err.Error())
			return
		}
		f.Members[name] = raw(list)
		return
	}
	if len(values) > 1 {
		f.Fail(name, "must be given once")
		return
	}
	if slices.Contains(b.switches, name) && (values[0] == "true" || values[0] == "false") {
		f.Members[name] = json.RawMessage(values[0])
		return
	}
	f.Members[name] = raw(values[0])
}

// elements are those of a list in a form.
func elements(values []string) ([]string, error) {
	all := []string{}
	for _, value := range values {
		if strings.HasPrefix(strings.TrimSpace(value), "[") {
			var list []string
			if err := json.Unmarshal([]byte(value), &list); err != nil {
				return nil, fmt.Errorf("must be a JSON array of strings, or separated by commas")
			}
			all = append(all, list...)
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			all = append(all, strings.TrimSpace(part))
		}
	}
	return all, nil
}

func raw(v any) json.RawMessage {
	text, _ := api.EncodeJSON(v) // strings cannot fail
	return bytes.Clone(text)
}
