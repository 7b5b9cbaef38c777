package signicat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/schema"
)

// The bounds of what an account says of a type; that of the schema is
// schema.MaxBytes.
const (
	maxDefinition  = 256 << 10 // bytes of the whole body
	maxDescription = 512       // characters
	maxExample     = 64 << 10  // bytes
)

// definitionInput is the body that registers a type.
type definitionInput input.Members

func readDefinition(r *http.Request) (definitionInput, error) {
	in, err := readMembers(r, maxDefinition, "description", "internal", "example", "schema", "validation")
	return definitionInput(in), err
}

// define reads the body into d, which holds what is published of the type. What the
// body does not say stays as it is published, so that whoever publishes events or
// mocks one needs no catalog.
func (in definitionInput) define(d *hermod.Definition) error {
	f := fieldsOf(input.Members(in))
	d.Validation = hermod.ValidateOff
	if f.Read("description", &d.Description, "a string") && utf8.RuneCountInString(d.Description) > maxDescription {
		f.Fail("description", fmt.Sprintf("must have at most %d characters", maxDescription))
	}
	f.Read("internal", &d.Internal, "true or false")
	if f.Read("validation", &d.Validation, "a string") {
		switch d.Validation {
		case hermod.ValidateOff, hermod.ValidateWarn, hermod.ValidateEnforce:
		default:
			f.Fail("validation", "must be off, warn or enforce")
		}
	}
	compiled := f.schema(d)
	if d.Schema == nil && (d.Validation == hermod.ValidateWarn || d.Validation == hermod.ValidateEnforce) {
		f.Fail("validation", "needs a schema")
	}
	f.example(d, compiled)
	return f.err()
}

// schema reads the schema and compiles the one in force; nil where there is none.
func (f *fields) schema(d *hermod.Definition) *schema.Schema {
	if f.Given("schema") {
		d.Schema = compact(f.Members["schema"])
	}
	if d.Schema == nil {
		return nil
	}
	compiled, err := schema.Compile(d.Schema)
	problems, _ := errors.AsType[schema.Invalid](err)
	for _, p := range problems {
		f.Fail("schema"+p.At, p.Reason)
	}
	return compiled
}

// example reads the example, which must fit the schema. The published one goes
// where it does not fit the account's own.
func (f *fields) example(d *hermod.Definition, compiled *schema.Schema) {
	given := f.Given("example")
	if given {
		d.Example = compact(f.Members["example"])
	}
	switch {
	case len(d.Example) > maxExample:
		f.Fail("example", fmt.Sprintf("must have at most %d bytes", maxExample))
		return
	case ingest.Depth(d.Example) > hermod.MaxDepth:
		f.Fail("example", fmt.Sprintf("must not be nested deeper than %d", hermod.MaxDepth))
		return
	case compiled == nil || d.Example == nil:
		return
	}
	violations := compiled.Check(d.Example)
	if !given && len(violations) > 0 {
		d.Example = nil
		return
	}
	for _, v := range violations {
		f.Fail("example"+v.At, v.String())
	}
}

// compact leaves out the space between the tokens of valid JSON.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, raw) // of valid JSON it does not fail
	return b.Bytes()
}
