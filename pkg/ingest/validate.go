package ingest

import (
	"cmp"
	"sync"

	"hermod/pkg/hermod"
	"hermod/pkg/schema"
)

// A rule is what an account has said of one event type, where that makes a
// difference to its events.
type rule struct {
	internal   bool
	validation hermod.Validation
	// schema compiles the type's at its first event; nil where none is applied.
	schema func() (*schema.Schema, error)
}

func newRules(definitions []hermod.Definition) map[string]*rule {
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
			r.schema = sync.OnceValues(func() (*schema.Schema, error) { return schema.Compile(text) })
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
	if r.schema == nil || s.mocked() {
		return nil
	}
	field := cmp.Or(s.dataField, "eventData")
	compiled, err := r.schema()
	if err != nil { // it was taken once, by rules that have changed since
		return []hermod.FieldError{{Name: field, Reason: "cannot be checked: the schema of its type is not valid"}}
	}
	var fields []hermod.FieldError
	for _, v := range compiled.Check(s.Event.Data) {
		fields = append(fields, hermod.FieldError{Name: field + v.At, Reason: v.String()})
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
