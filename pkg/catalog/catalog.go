// Package catalog holds the published event types: what each means, an example of
// its data and the JSON Schema of that data. It is data, one file a sender, and the
// examples in a package of their own.
package catalog

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"hermod/pkg/catalog/samples"
)

// A Type is one published event type.
type Type struct {
	Sender string
	Name   string
	// Description is one sentence.
	Description string
	// Internal types reach only the subscriptions that include them. No published
	// type is internal; those that operators register may be.
	Internal bool
	// Example is a small sample of the event's data, compact, valid by Schema.
	Example json.RawMessage
	// Schema is the JSON Schema, draft 2020-12, of the event's data: an object. It
	// requires what a consumer cannot act without, and allows further members. It
	// names no $schema, since validators that default to another draft would refuse
	// it for that alone.
	Schema json.RawMessage
}

// Event is the type as filters and subscriptions name it: sender:name.
func (t Type) Event() string { return t.Sender + ":" + t.Name }

func (t Type) clone() Type {
	t.Example, t.Schema = bytes.Clone(t.Example), bytes.Clone(t.Schema)
	return t
}

// Native are the types of the Signicat Events API, sorted by sender and name. The
// caller owns the answer, as with All.
func Native() []Type { return clone(published().native) }

// All are the native types and those of Universign, Telia Sign and Signly, which
// have a sender of their own each, sorted by sender and name.
func All() []Type { return clone(published().all) }

// Find is the type among All with the name sender:name, compared case-sensitively.
func Find(event string) (Type, bool) {
	t, ok := published().byEvent[event]
	return t.clone(), ok
}

func clone(types []Type) []Type {
	out := make([]Type, len(types))
	for i, t := range types {
		out[i] = t.clone()
	}
	return out
}

//go:embed data/*.json
var files embed.FS

type index struct {
	all, native []Type
	byEvent     map[string]Type
}

// published panics on a broken data file: that is a fault of the build, and the
// tests read every file.
var published = sync.OnceValue(func() *index {
	idx, err := read(files)
	if err != nil {
		panic(err)
	}
	return idx
})

func read(fsys fs.FS) (*index, error) {
	names, err := fs.Glob(fsys, "data/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing the catalog: %w", err)
	}
	idx := &index{byEvent: make(map[string]Type)}
	for _, name := range names {
		types, err := readSender(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading the catalog's %s: %w", name, err)
		}
		idx.all = append(idx.all, types...)
	}
	slices.SortFunc(idx.all, func(a, b Type) int {
		return cmp.Or(cmp.Compare(a.Sender, b.Sender), cmp.Compare(a.Name, b.Name))
	})
	for _, t := range idx.all {
		idx.byEvent[t.Event()] = t
		if native(t.Sender) {
			idx.native = append(idx.native, t)
		}
	}
	return idx, nil
}

func readSender(fsys fs.FS, name string) ([]Type, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	var file struct {
		Sender string `json:"sender"`
		Types  []struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
		} `json:"types"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	types := make([]Type, len(file.Types))
	for i, t := range file.Types {
		types[i] = Type{Sender: file.Sender, Name: t.Name, Description: t.Description, Schema: compact(t.Schema)}
		types[i].Example, _ = samples.Of(types[i].Event())
	}
	return types, nil
}

// compact drops the files' line breaks.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	// What Unmarshal accepted is valid JSON, the only thing Compact asks for.
	if err := json.Compact(&b, raw); err != nil {
		return raw
	}
	return b.Bytes()
}

// native reports whether a sender's types belong to the Signicat Events API.
func native(sender string) bool {
	switch sender {
	case "universign", "telia-sign", "signly":
		return false
	default:
		return true
	}
}
