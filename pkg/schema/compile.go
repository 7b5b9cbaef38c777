package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
)

// A compiler turns the JSON of a schema into nodes.
type compiler struct {
	// nodes are all there are, by their pointers, anchors those that are named.
	nodes    map[string]*node
	anchors  map[string]*node
	refs     []reference
	problems Invalid
	programs int
	tracks   bool
}

// A reference is a $ref that is not resolved yet.
type reference struct {
	from *node
	to   string
}

func (c *compiler) fail(at, reason string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{At: at, Reason: reason})
	}
}

// schema compiles the schema at the pointer. It answers a node also where it finds
// problems.
func (c *compiler) schema(value any, at string, depth int) *node {
	n := &node{at: at}
	c.nodes[at] = n
	switch v := value.(type) {
	case bool:
		n.never = !v
	case map[string]any:
		if depth == maxDepth {
			c.fail(at, fmt.Sprintf("must not be nested deeper than %d", maxDepth))
			return n
		}
		k := &keywords{compiler: c, node: n, members: v, depth: depth}
		k.core()
		k.annotations()
		k.any()
		k.numbers()
		k.strings()
		k.logic()
		k.arrays()
		k.objects()
	default:
		c.fail(at, "must be a schema: an object, true or false")
	}
	return n
}

// keywords are the members of one schema.
type keywords struct {
	*compiler
	node    *node
	members map[string]any
	depth   int
}

func (k *keywords) at(name string) string { return k.node.at + "/" + escape(name) }

func (k *keywords) wrong(name, reason string) { k.fail(k.at(name), reason) }

// as reads a member of a type; ok is false where it is absent or of another.
func as[T any](k *keywords, name, kind string) (value T, ok bool) {
	raw, given := k.members[name]
	if !given {
		return value, false
	}
	if value, ok = raw.(T); !ok {
		k.wrong(name, "must be "+kind)
	}
	return value, ok
}

func (k *keywords) text(name string) string {
	s, _ := as[string](k, name, "a string")
	return s
}

func (k *keywords) flag(name string) bool {
	b, _ := as[bool](k, name, "true or false")
	return b
}

func (k *keywords) sub(name string) *node {
	value, given := k.members[name]
	if !given {
		return nil
	}
	return k.schema(value, k.at(name), k.depth+1)
}

func (k *keywords) list(name string) []*node {
	values, ok := as[[]any](k, name, "an array of schemas")
	if !ok {
		return nil
	}
	if len(values) == 0 {
		k.wrong(name, "must not be empty")
	}
	nodes := make([]*node, len(values))
	for i, value := range values {
		nodes[i] = k.schema(value, k.at(name)+"/"+strconv.Itoa(i), k.depth+1)
	}
	return nodes
}

func (k *keywords) byName(name string) map[string]*node {
	values, ok := as[map[string]any](k, name, "an object of schemas")
	if !ok {
		return nil
	}
	nodes := make(map[string]*node, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		nodes[key] = k.schema(values[key], k.at(name)+"/"+escape(key), k.depth+1)
	}
	return nodes
}

func (k *keywords) count(name string) bound {
	n, ok := as[json.Number](k, name, "a whole number of 0 or more")
	if !ok {
		return nil
	}
	read := parseNumber(n)
	if !read.whole() || read.compare(parseNumber("0")) < 0 {
		k.wrong(name, "must be a whole number of 0 or more")
		return nil
	}
	limit := read.clamped()
	return &limit
}

func (k *keywords) texts(name string, value any) []string {
	const reason = "must be an array of strings, each once"
	values, ok := value.([]any)
	if !ok {
		k.wrong(name, reason)
		return nil
	}
	var texts []string
	for _, v := range values {
		s, ok := v.(string)
		if !ok || slices.Contains(texts, s) {
			k.wrong(name, reason)
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}

// regexp compiles an expression that stands in the member of that name.
func (k *keywords) regexp(name, expression string) *pattern {
	if len(expression) > maxPattern {
		k.wrong(name, fmt.Sprintf("must have at most %d bytes", maxPattern))
		return nil
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		k.wrong(name, "must be a regular expression that RE2 can match")
		return nil
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		k.wrong(name, "must be a regular expression that RE2 can match")
		return nil
	}
	k.programs += len(program.Inst)
	if len(program.Inst) > maxProgram || k.programs > maxPrograms {
		k.wrong(name, "is too large when its repetitions are counted")
		return nil
	}
	compiled, err := regexp.Compile(expression)
	if err != nil {
		k.wrong(name, "must be a regular expression that RE2 can match")
		return nil
	}
	return &pattern{expression: compiled, program: len(program.Inst)}
}
