package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// Members reads a request body that must be a JSON object and gives those of its
// members that are named, each in the bytes it was written in. A null is given as
// it stands; an absent member is missing.
//
// Names are compared with regard to case, which encoding/json does not, and a
// named member that stands twice is refused: which of the two would count is not
// for a reader to guess (RFC 8259, section 4). Other members are passed over.
//
// It fails with CodeInvalid; where the body is no JSON at all, the error wraps
// ErrMalformed.
func Members(body []byte, names ...string) (map[string]json.RawMessage, error) {
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	if !isObject(body) {
		return nil, hermod.Errorf(hermod.CodeInvalid, "the body must be a JSON object")
	}
	members, twice := split(body, names)
	if twice != "" {
		return nil, hermod.InvalidFields(standsTwice(twice))
	}
	return members, nil
}

// OnlyMembers reads as Members does, and refuses a body that has other members.
func OnlyMembers(body []byte, names ...string) (map[string]json.RawMessage, error) {
	members, err := Members(body, names...)
	if err != nil {
		return nil, err
	}
	var wrong []hermod.FieldError
	for _, name := range Unknown(body, names...) {
		wrong = append(wrong, hermod.FieldError{Name: name, Reason: NotKnown})
	}
	if len(wrong) > 0 {
		return nil, hermod.InvalidFields(wrong...)
	}
	return members, nil
}

// NotKnown is what is wrong with a member, or a parameter, that OnlyMembers refuses.
const NotKnown = "is not known here"

// Unknown are the names of an object's members other than these, in their order; none
// where raw, which is valid JSON, is no object.
func Unknown(raw []byte, names ...string) (unknown []string) {
	if !isObject(raw) {
		return nil
	}
	for name := range membersOf(raw) {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func standsTwice(name string) hermod.FieldError {
	return hermod.FieldError{Name: name, Reason: "stands twice"}
}

// checkJSON refuses what is no JSON text in UTF-8 (RFC 8259, section 8.1), and what is
// nested deeper than hermod.MaxNesting.
func checkJSON(body []byte) error {
	if len(body) == 0 {
		return &hermod.Error{Code: hermod.CodeInvalid, Message: "a body is required", Err: ErrMalformed{io.EOF}}
	}
	if !utf8.Valid(body) {
		return malformed(errors.New("not UTF-8"))
	}
	if json.Valid(body) {
		return CheckNesting(body)
	}
	var whole json.RawMessage
	return malformed(json.Unmarshal(body, &whole)) // reads it once more, and says where it breaks off
}

// CheckNesting refuses valid JSON that is nested deeper than hermod.MaxNesting.
func CheckNesting(body []byte) error {
	if Depth(body) > hermod.MaxNesting {
		return hermod.Errorf(hermod.CodeInvalid, "the body must not be nested deeper than %d", hermod.MaxNesting)
	}
	return nil
}

func malformed(err error) error {
	return &hermod.Error{Code: hermod.CodeInvalid, Message: "the body is not JSON in UTF-8", Err: ErrMalformed{err}}
}

// ErrMalformed marks a body that is no JSON at all, which some dialects answer
// with a code of its own.
type ErrMalformed struct{ Err error }

func (e ErrMalformed) Error() string { return "malformed JSON: " + e.Err.Error() }

func (e ErrMalformed) Unwrap() error { return e.Err }

func isObject(raw []byte) bool {
	trimmed := bytes.TrimLeft(raw, jsonSpace)
	return len(trimmed) > 0 && trimmed[0] == '{'
}

// split gives the named members of an object that is valid JSON, and the name of
// one that stands twice, if any does.
func split(raw []byte, names []string) (members map[string]json.RawMessage, twice string) {
	members = make(map[string]json.RawMessage, len(names))
	for name, value := range membersOf(raw) {
		if !slices.Contains(names, name) {
			continue
		}
		if _, ok := members[name]; ok {
			twice = name
		}
		members[name] = value
	}
	return members, twice
}

// membersOf are the members of an object that is valid JSON, in their order.
func membersOf(raw []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		c := cutter{rest: raw}
		c.skip('{')
		for !c.at('}') {
			name := unquote(c.value())
			c.skip(':')
			value := c.value()
			c.skip(',')
			if !yield(name, value) {
				return
			}
		}
	}
}

func unquote(literal []byte) string {
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1])
	}
	var s string
	_ = json.Unmarshal(literal, &s) // a string of valid JSON is one
	return s
}

// A cutter cuts valid JSON into its tokens and values.
type cutter struct{ rest []byte }

const jsonSpace = " \t\r\n"

// at reports whether the next token starts with c, or nothing is left.
func (c *cutter) at(b byte) bool {
	c.rest = bytes.TrimLeft(c.rest, jsonSpace)
	return len(c.rest) == 0 || c.rest[0] == b
}

// skip passes over the token if it is the next one.
func (c *cutter) skip(token byte) {
	if c.at(token) && len(c.rest) > 0 {
		c.rest = c.rest[1:]
	}
}

// value cuts off the next value.
func (c *cutter) value() []byte {
	c.rest = bytes.TrimLeft(c.rest, jsonSpace)
	n := valueLen(c.rest)
	value := c.rest[:n:n]
	c.rest = c.rest[n:]
	return value
}

// valueLen is the length of the value that valid JSON starts with.
func valueLen(raw []byte) int {
	level := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i += stringLen(raw[i:]) - 1
		case '{', '[':
			level++
			continue
		case '}', ']':
			level--
		default:
			if level == 0 {
				return scalarLen(raw)
			}
			continue
		}
		if level == 0 {
			return i + 1
		}
	}
	return len(raw)
}

// stringLen is the length of the string literal that raw starts with, with its
// quotes.
func stringLen(raw []byte) int {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// scalarLen is the length of the number, true, false or null that raw starts with.
func scalarLen(raw []byte) int {
	if n := bytes.IndexAny(raw, ",]}"+jsonSpace); n >= 0 {
		return n
	}
	return len(raw)
}

// Depth is how deep arrays and objects are nested in a valid JSON value.
func Depth(raw []byte) int {
	deepest, level := 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i += stringLen(raw[i:]) - 1
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		}
	}
	return deepest
}
