package docs

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A schema is one of the named shapes of values.
type schema struct {
	ID      string
	Name    string
	About   []block
	Type    []piece
	Bounds  string
	Members []property
	Sample  string
}

// A property is a member of an object.
type property struct {
	Name string
	// Mark says what is not usual: in what is sent, that the member is required; in
	// what is answered, that it may be missing.
	Mark   string
	Type   []piece
	Bounds string
	About  []block
	// Members are those of an object that has no name of its own.
	Members []property
}

// A piece of a type's description leads to a named schema, or is plain.
type piece struct {
	Text string
	ID   string // "" for plain text
	Code bool
}

func schemaID(name string) string { return "schema-" + name }

func schemaOf(name string, n node) schema {
	s := schema{
		ID: schemaID(name), Name: name, About: prose(n.get("description").text()), Bounds: bounds(n),
		Members: propertiesOf(n),
	}
	if len(s.Members) == 0 {
		s.Type = typeOf(n)
	} else {
		s.Sample = sample(n).json()
	}
	return s
}

func propertiesOf(n node) []property {
	var all []property
	required := n.get("required").texts()
	answered := n.get("additionalProperties").text() == "false"
	for name, member := range n.get("properties").members() {
		if member.text() == "false" {
			continue // it must not be there
		}
		p := property{
			Name: name, Type: typeOf(member), Bounds: bounds(member), About: prose(member.own("description").text()),
		}
		switch stated := slices.Contains(required, name); {
		case stated && !answered:
			p.Mark = "required"
		case !stated && answered:
			p.Mark = "may be missing"
		}
		if member.refers() == "" {
			p.Members = propertiesOf(member)
		}
		all = append(all, p)
	}
	return all
}

func plain(format string, args ...any) []piece {
	return []piece{{Text: fmt.Sprintf(format, args...)}}
}

// typeOf says in words what a value of the schema is.
func typeOf(n node) []piece {
	if name := n.refers(); name != "" {
		return []piece{{Text: name, ID: schemaID(name)}}
	}
	if fixed := n.own("const"); fixed.there() {
		return []piece{{Text: fixed.line(), Code: true}}
	}
	if values := n.own("enum").list(); len(values) > 0 {
		return join(values, func(v node) []piece { return []piece{{Text: v.line(), Code: true}} })
	}
	alternatives := slices.Concat(n.own("oneOf").list(), n.own("anyOf").list())
	if len(alternatives) > 0 && !n.own("properties").there() {
		return join(alternatives, typeOf)
	}
	types := n.own("type").list()
	if kind := n.own("type"); kind.text() != "" {
		types = []node{kind}
	}
	if len(types) == 0 {
		return plain("any value")
	}
	return join(types, func(kind node) []piece { return simpleType(n, kind.text()) })
}

func simpleType(n node, kind string) []piece {
	switch {
	case kind == "array":
		return append(plain("array of "), typeOf(n.own("items"))...)
	case kind == "object" && n.own("additionalProperties").own("type").there():
		return append(plain("object of "), typeOf(n.own("additionalProperties"))...)
	case kind == "string" && n.own("format").text() != "":
		return plain("string (%s)", n.own("format").text())
	default:
		return plain("%s", kind)
	}
}

// join lists alternatives: a, b or c.
func join(all []node, each func(node) []piece) []piece {
	var pieces []piece
	for i, n := range all {
		switch {
		case i == 0:
		case i == len(all)-1:
			pieces = append(pieces, piece{Text: " or "})
		default:
			pieces = append(pieces, piece{Text: ", "})
		}
		pieces = append(pieces, each(n)...)
	}
	return pieces
}

// bounds says in words what narrows the type.
func bounds(n node) string {
	if n.refers() != "" {
		return ""
	}
	var all []string
	add := func(least, most, unit string) {
		from, to := n.own(least).text(), n.own(most).text()
		switch {
		case from != "" && to != "":
			all = append(all, fmt.Sprintf("%s to %s%s", from, to, unit))
		case from != "":
			all = append(all, fmt.Sprintf("%s%s or more", from, unit))
		case to != "":
			all = append(all, fmt.Sprintf("at most %s%s", to, unit))
		}
	}
	add("minimum", "maximum", "")
	add("minLength", "maxLength", " characters")
	add("minItems", "maxItems", " elements")
	if pattern := n.own("pattern").text(); pattern != "" {
		all = append(all, "matches "+pattern)
	}
	if fallback := n.own("default").text(); fallback != "" {
		all = append(all, "default "+fallback)
	}
	return strings.Join(all, ", ")
}

// sample makes up a value of the schema, from its examples where it has any.
func sample(n node) node {
	n = n.resolve()
	for _, given := range []node{n.own("example"), first(n.own("examples")), n.own("const"), first(n.own("enum")), n.own("default")} {
		if given.there() {
			return given
		}
	}
	for _, alternatives := range []node{n.own("oneOf"), n.own("anyOf")} {
		if one := first(alternatives); one.there() && !n.own("properties").there() {
			return sample(one)
		}
	}
	kind := n.own("type").text()
	if types := n.own("type").list(); len(types) > 0 {
		kind = types[0].text()
	}
	made := &yaml.Node{Kind: yaml.ScalarNode}
	switch kind {
	case "object":
		made.Kind = yaml.MappingNode
		for name, member := range n.own("properties").members() {
			if member.text() != "false" {
				made.Content = append(made.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, sample(member).yaml)
			}
		}
	case "array":
		made.Kind, made.Content = yaml.SequenceNode, []*yaml.Node{sample(n.own("items")).yaml}
	case "string":
		made.Tag, made.Value = "!!str", sampleText(n.own("format").text())
	case "integer", "number":
		made.Value = "1"
		if least := n.own("minimum").text(); least != "" {
			made.Value = least
		}
	case "boolean":
		made.Value = "true"
	case "null":
		made.Value = "null"
	default:
		made.Kind = yaml.MappingNode
	}
	return node{made, n.root}
}

func first(n node) node {
	if all := n.list(); len(all) > 0 {
		return all[0]
	}
	return node{}
}

func sampleText(format string) string {
	switch format {
	case "date-time":
		return "2026-03-01T12:00:00Z"
	case "uri":
		return "https://example.com/"
	default:
		return "…"
	}
}
