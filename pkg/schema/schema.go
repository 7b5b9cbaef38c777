// Package schema checks JSON against JSON Schemas, draft 2020-12, that strangers
// wrote, on the way of strangers' events.
//
// It is a validator of its own because of that: whatever the schema and the data,
// the work is bounded by the length of the data, nothing recurses without end, and
// what does not fit is told by where it stands and by the rule it breaks, never by
// its value. Schemas are checked when they are written: what Compile takes, Check
// can apply.
//
// Of the draft it leaves out what reaches beyond one schema: references to other
// documents, $id below the root, and dynamic references. Compile refuses those.
// Regular expressions are RE2's. `format` is an annotation, as the draft has it.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"hermod/pkg/hermod"
)

// The bounds of a schema.
const (
	// MaxBytes bounds its text.
	MaxBytes = 64 << 10
	// maxDepth bounds the nesting of schemas in one another.
	maxDepth = 64
	// maxPattern bounds a regular expression in bytes, maxProgram what it compiles
	// to in instructions, and maxPrograms all of a schema's together: `a{1000}` is
	// short.
	maxPattern  = 1024
	maxProgram  = 1000
	maxPrograms = 20_000
	// maxProblems bounds how many problems are told at once, of a schema or of data.
	maxProblems = 10
)

// A Schema is ready to check data. It may be used by many goroutines at once.
type Schema struct {
	root *node
	// tracks says that some part asks which members and items others have looked at.
	tracks bool
}

// A Problem is one thing that is wrong with a schema.
type Problem struct {
	// At is the JSON Pointer (RFC 6901) of the keyword at fault; "" for the schema.
	At     string
	Reason string
}

// Invalid is what is wrong with a schema, one problem at least.
type Invalid []Problem

func (e Invalid) Error() string {
	return fmt.Sprintf("not a schema of draft 2020-12: %s %s", e[0].At, e[0].Reason)
}

// A Violation is one rule that data breaks. It holds names of members and the
// schema's own words, never a value of the data.
type Violation struct {
	// At is the JSON Pointer of the value at fault in the data, cut where it is
	// long; "" for all of the data.
	At string
	// Rule is the keyword in the schema, as a reference: #/properties/id/type. It is
	// "" where no rule is broken, but none could be applied.
	Rule   string
	Reason string
}

func (v Violation) String() string {
	if v.Rule == "" {
		return v.Reason
	}
	return fmt.Sprintf("%s, says its schema at %s", v.Reason, v.Rule)
}

// Compile reads a schema. The error is Invalid.
func Compile(text []byte) (*Schema, error) {
	if len(text) > MaxBytes {
		return nil, Invalid{{Reason: fmt.Sprintf("must have at most %d bytes", MaxBytes)}}
	}
	value, err := decode(text)
	if err != nil {
		return nil, Invalid{{Reason: "must be JSON"}}
	}
	c := compiler{nodes: map[string]*node{}, anchors: map[string]*node{}}
	root := c.schema(value, "", 0)
	c.resolve()
	if len(c.problems) == 0 {
		c.refuseCycles()
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return &Schema{root: root, tracks: c.tracks}, nil
}

// The steps that a check may take: some for any data, and more by its length. A
// step is a schema applied to a value, or as much work.
const (
	baseSteps    = 10_000
	stepsPerByte = 16
)

// Check tells what of the data breaks the schema; nothing where it fits. The data
// is valid JSON. Where finding out takes more steps than its length allows, that is
// the violation.
func (s *Schema) Check(data []byte) []Violation {
	value, err := decode(data)
	if err != nil {
		return []Violation{{Reason: "must be JSON"}}
	}
	c := checker{left: baseSteps + stepsPerByte*len(data)}
	var seen *evaluated
	if s.tracks {
		seen = &evaluated{}
	}
	c.check(s.root, value, nil, seen)
	if c.left < 0 {
		return []Violation{{Reason: "takes too long to check against its schema"}}
	}
	return c.violations
}

// decode reads JSON, its numbers as they are written.
func decode(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("reading JSON: something follows it")
	}
	return value, nil
}

// escape makes a name a segment of a JSON Pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// Checker compiles a schema into a check that names what does not fit: the pointer
// into the data, and the rule it breaks. It fails as Compile does.
func Checker(text []byte) (check func(data []byte) []hermod.FieldError, err error) {
	s, err := Compile(text)
	if err != nil {
		return nil, err
	}
	return func(data []byte) []hermod.FieldError {
		var fields []hermod.FieldError
		for _, v := range s.Check(data) {
			fields = append(fields, hermod.FieldError{Name: v.At, Reason: v.String()})
		}
		return fields
	}, nil
}
