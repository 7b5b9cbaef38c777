package schema

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

const draft = "https://json-schema.org/draft/2020-12/schema"

// core reads what identifies schemas and refers to them.
func (k *keywords) core() {
	if s := k.text("$schema"); s != "" && strings.TrimSuffix(s, "#") != draft {
		k.wrong("$schema", "must be "+draft)
	}
	if k.text("$id") != "" && k.node.at != "" {
		k.wrong("$id", "is supported at the root only")
	}
	for _, name := range []string{"$dynamicRef", "$recursiveRef"} {
		if _, given := k.members[name]; given {
			k.wrong(name, "is not supported; use $ref")
		}
	}
	for _, name := range []string{"$anchor", "$dynamicAnchor"} {
		anchor := k.text(name)
		if anchor == "" {
			continue
		}
		if _, twice := k.anchors[anchor]; twice {
			k.wrong(name, "stands twice")
		}
		k.anchors[anchor] = k.node
	}
	if to, ok := as[string](k, "$ref", "a string"); ok {
		k.refs = append(k.refs, reference{from: k.node, to: to})
	}
	k.byName("$defs")
	k.byName("definitions")
}

// annotations reads what constrains nothing, for its form alone.
func (k *keywords) annotations() {
	for _, name := range []string{"$comment", "title", "description", "format", "contentEncoding", "contentMediaType"} {
		k.text(name)
	}
	for _, name := range []string{"deprecated", "readOnly", "writeOnly"} {
		k.flag(name)
	}
	as[[]any](k, "examples", "an array")
	k.sub("contentSchema")
}

// any reads the rules for values of any kind.
func (k *keywords) any() {
	if value, given := k.members["type"]; given {
		k.node.types = k.kinds(value)
	}
	if values, ok := as[[]any](k, "enum", "an array"); ok {
		k.node.enum = map[string]bool{}
		for _, value := range values {
			k.node.enum[canonical(value, freely)] = true
		}
	}
	if value, given := k.members["const"]; given {
		k.node.constant = map[string]bool{canonical(value, freely): true}
	}
}

// freely is for the values of a schema, which is short.
func freely(int) bool { return true }

func (k *keywords) kinds(value any) kinds {
	names := []string{}
	if s, ok := value.(string); ok {
		names = append(names, s)
	} else {
		names = append(names, k.texts("type", value)...)
	}
	var set kinds
	for _, name := range names {
		i := slices.Index(kindNames(), name)
		if i < 0 {
			k.wrong("type", "must be among "+strings.Join(kindNames(), ", "))
			return 0
		}
		set |= 1 << i
	}
	if set == 0 {
		k.wrong("type", "must name a type")
	}
	return set
}

func (k *keywords) numbers() {
	rules, some := numericRules{}, false
	for _, rule := range []struct {
		name string
		to   **number
	}{
		{"minimum", &rules.minimum}, {"maximum", &rules.maximum}, {"multipleOf", &rules.multipleOf},
		{"exclusiveMinimum", &rules.above}, {"exclusiveMaximum", &rules.below},
	} {
		n, ok := as[json.Number](k, rule.name, "a number")
		if !ok {
			continue
		}
		read := parseNumber(n)
		if read.rat == nil {
			k.wrong(rule.name, "must have fewer digits")
			continue
		}
		*rule.to, some = &read, true
	}
	if m := rules.multipleOf; m != nil && m.rat.Sign() <= 0 {
		k.wrong("multipleOf", "must be above 0")
		return
	}
	if some {
		k.node.numeric = &rules
	}
}

func (k *keywords) strings() {
	k.node.minLength, k.node.maxLength = k.count("minLength"), k.count("maxLength")
	if expression, ok := as[string](k, "pattern", "a string"); ok {
		k.node.pattern = k.regexp("pattern", expression)
	}
}

func (k *keywords) logic() {
	n := k.node
	n.allOf, n.anyOf, n.oneOf = k.list("allOf"), k.list("anyOf"), k.list("oneOf")
	n.not, n.when, n.then, n.otherwise = k.sub("not"), k.sub("if"), k.sub("then"), k.sub("else")
	n.dependent = k.byName("dependentSchemas")
}

func (k *keywords) arrays() {
	n := k.node
	n.prefixItems, n.items, n.contains = k.list("prefixItems"), k.sub("items"), k.sub("contains")
	n.minItems, n.maxItems, n.unique = k.count("minItems"), k.count("maxItems"), k.flag("uniqueItems")
	n.minContains, n.maxContains = k.count("minContains"), k.count("maxContains")
	if n.unevaluatedItems = k.sub("unevaluatedItems"); n.unevaluatedItems != nil {
		k.tracks = true
	}
}

func (k *keywords) objects() {
	n := k.node
	n.properties, n.additional, n.names = k.byName("properties"), k.sub("additionalProperties"), k.sub("propertyNames")
	n.minProperties, n.maxProperties = k.count("minProperties"), k.count("maxProperties")
	if value, given := k.members["required"]; given {
		n.required = k.texts("required", value)
	}
	if n.unevaluatedProperties = k.sub("unevaluatedProperties"); n.unevaluatedProperties != nil {
		k.tracks = true
	}
	matched := k.byName("patternProperties")
	for _, expression := range slices.Sorted(maps.Keys(matched)) {
		if p := k.regexp("patternProperties", expression); p != nil {
			n.patternProperties = append(n.patternProperties, patternNode{p, matched[expression]})
		}
	}
	lists, _ := as[map[string]any](k, "dependentRequired", "an object of arrays of strings")
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if n.dependentRequired == nil {
			n.dependentRequired = map[string][]string{}
		}
		n.dependentRequired[name] = k.texts("dependentRequired", lists[name])
	}
}

// resolve finds what references refer to, all of it within the schema.
func (c *compiler) resolve() {
	for _, r := range c.refs {
		fragment, local := strings.CutPrefix(r.to, "#")
		name, err := url.PathUnescape(fragment)
		var to *node
		switch {
		case !local || err != nil:
			c.fail(r.from.at+"/$ref", "must refer to a part of this schema: #, #/$defs/name or #anchor")
			continue
		case name == "" || name[0] == '/':
			to = c.nodes[name]
		default:
			to = c.anchors[name]
		}
		if to == nil {
			c.fail(r.from.at+"/$ref", "refers to nothing in this schema")
		}
		r.from.ref = to
	}
}

// refuseCycles refuses schemas that apply to a value again before they go into it.
func (c *compiler) refuseCycles() {
	const open, done = 1, 2
	state := map[*node]int{}
	var visit func(n *node)
	visit = func(n *node) {
		state[n] = open
		for _, sub := range n.inPlace() {
			switch state[sub] {
			case open:
				c.fail(n.at, "refers to itself without an end")
			case done:
			default:
				visit(sub)
			}
		}
		state[n] = done
	}
	for _, at := range slices.Sorted(maps.Keys(c.nodes)) {
		if n := c.nodes[at]; state[n] == 0 {
			visit(n)
		}
	}
}
