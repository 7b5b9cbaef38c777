package catalog

import "hermod/pkg/hermod"

// Published gives the catalog in the domain's terms, to those that must not link
// it: what is embedded counts towards the size of every program that imports it.
type Published struct{}

// Definitions are the native types, or those of all dialects, sorted by sender and
// name. No account has registered them, and nothing is validated by them.
func (Published) Definitions(all bool) []hermod.Definition {
	types := Native()
	if all {
		types = All()
	}
	definitions := make([]hermod.Definition, len(types))
	for i, t := range types {
		definitions[i] = definitionOf(t)
	}
	return definitions
}

// Definition is the type of any dialect with the name sender:name.
func (Published) Definition(event string) (hermod.Definition, bool) {
	t, ok := Find(event)
	return definitionOf(t), ok
}

func definitionOf(t Type) hermod.Definition {
	return hermod.Definition{
		Type: t.Event(), Description: t.Description, Internal: t.Internal, Example: t.Example, Schema: t.Schema,
		Validation: hermod.ValidateOff,
	}
}
