package ingest

import (
	"cmp"
	"errors"
	"sync"

	"hermod/pkg/hermod"
)

// A Compiler reads a JSON Schema. What it gives names everything of the data that
// does not fit, by JSON Pointers within the data, and tells no value of it.
type Compiler func(schema []byte) (check func(data []byte) []hermod.FieldError, err error)

// A rule is what an account has said of one event type, where that makes a
// difference to its events.
type rule struct {
	internal   bool
	validation hermod.Validation
	// schema compiles the type's at its first event; nil where none is applied.
	schema func() (check func(data []byte) []hermod.FieldError, err error)
}

// errNoCompiler fails events that an Acceptor without a Compiler cannot check: to
// let them pass would be no enforcement.
var errNoCompiler = errors.New("schemas are not checked here")

func newRules(definitions []hermod.Definition, compile Compiler) map[string]*rule {
	if compile == nil {
		compile = func([]byte) (func([]byte) []hermod.FieldError, error) { return nil, errNoCompiler }
	}
	var rules map[string]*rule
	for _, d := range definitions {
		validates := d.Schema != nil && (d.Validation == hermod.ValidateWarn || d.Validation == hermod.ValidateEnforce)
		if !d.Internal && !validates {
			continue
		}
		if rules == nil {
			rules = map[string]*rule{}
		}
		r := &rule{internal: d.Internal, validation: d.Validation}
		if text := d.Schema; validates {
			r.schema = sync.OnceValues(func() (func([]byte) []hermod.FieldError, error) { return compile(text) })
		}
		rules[d.Type] = r
	}
	return rules
}

// rule is what the event's account has said of its type; nil for nothing.
func (o *owned) rule(e *hermod.Event) *rule {
	x := o.indexes[e.AccountID]
	if x == nil || len(x.rules) == 0 {
		return nil
	}
	return x.rules[e.Type()]
}

// check names what of the submission's data does not fit: the member that holds the
// data, then the JSON Pointer within it. No value of the data is told.
func (r *rule) check(s *Submission) []hermod.FieldError {
	if r.schema == nil || s.mocked() || s.emitted {
		return nil
	}
	field := cmp.Or(s.dataField, "eventData")
	fit, err := r.schema()
	if err != nil { // it was taken once, by rules that have changed since
		return []hermod.FieldError{{Name: field, Reason: "cannot be checked: the schema of its type is not valid"}}
	}
	fields := fit(s.Event.Data)
	for i := range fields {
		fields[i].Name = field + fields[i].Name
	}
	return fields
}

// applyRules marks the events of internal types and checks those whose types are
// validated. What is enforced makes a submission unfit, or fails the batch with all
// that is wrong with it.
func (b *batch) applyRules(o *owned) error {
	var all []hermod.FieldError
	for i := range b.submissions {
		s := &b.submissions[i]
		s.Event.Internal, s.Warnings = false, nil
		r := o.rule(&s.Event)
		if r == nil || b.unfit[i] != nil {
			continue
		}
		s.Event.Internal = r.internal
		fields := r.check(s)
		switch {
		case len(fields) == 0:
		case r.validation == hermod.ValidateWarn:
			for _, f := range fields {
				s.Warnings = append(s.Warnings, f.Name+" "+f.Reason)
			}
			b.warned++
		default:
			all = append(all, fields...)
			b.unfit[i] = hermod.InvalidFields(fields...)
		}
	}
	if len(all) > 0 && !b.apart {
		return hermod.InvalidFields(all...)
	}
	return nil
}
