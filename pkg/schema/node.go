package schema

import "regexp"

// A node is one schema within a schema.
type node struct {
	// at is its JSON Pointer.
	at string
	// never is the schema false, which nothing fits.
	never bool

	ref   *node
	types kinds // 0 for any
	// enum and constant hold canonical texts; nil for none.
	enum     map[string]bool
	constant map[string]bool
	numeric  *numericRules

	minLength, maxLength         bound
	pattern                      *pattern
	allOf, anyOf, oneOf          []*node
	not, when, then, otherwise   *node
	prefixItems                  []*node
	items, contains              *node
	unevaluatedItems             *node
	minItems, maxItems           bound
	minContains, maxContains     bound
	unique                       bool
	properties                   map[string]*node
	patternProperties            []patternNode
	additional, names            *node
	unevaluatedProperties        *node
	required                     []string
	dependentRequired            map[string][]string
	dependent                    map[string]*node
	minProperties, maxProperties bound
}

// inPlace are the schemas that apply to the same value as the node itself.
func (n *node) inPlace() []*node {
	var list []*node
	for _, group := range [][]*node{{n.ref, n.not, n.when, n.then, n.otherwise}, n.allOf, n.anyOf, n.oneOf} {
		for _, sub := range group {
			if sub != nil {
				list = append(list, sub)
			}
		}
	}
	for _, sub := range n.dependent {
		list = append(list, sub)
	}
	return list
}

// A bound is a limit on a count; nil for none.
type bound *int

// numericRules are the rules for numbers.
type numericRules struct {
	minimum, maximum, above, below, multipleOf *number
}

// A pattern is a regular expression and what a match costs.
type pattern struct {
	expression *regexp.Regexp
	program    int // instructions
}

// cost is how many steps matching a text takes.
func (p *pattern) cost(text string) int { return 1 + len(text)*p.program/16 }

// A patternNode is the schema of the members whose names match.
type patternNode struct {
	pattern *pattern
	node    *node
}

// kinds is a set of the kinds of JSON values.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindObject
	kindArray
	kindString
	kindInteger
	kindNumber // any number, integers among them
)

// kindNames are the names of the kinds, in the order that reasons tell them.
func kindNames() []string {
	return []string{"null", "boolean", "object", "array", "string", "integer", "number"}
}
