package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A checker applies a schema to data.
type checker struct {
	// left are the steps that may still be taken; below 0 the check is given up.
	left int
	// quiet is above 0 where a failure is not a violation: in an alternative.
	quiet      int
	violations []Violation
}

// A place is where a value stands in the data; nil is the whole.
type place struct {
	of   *place
	name string
}

func (p *place) in(name string) *place { return &place{of: p, name: name} }

// maxPointer bounds how much of a pointer into the data is told, in bytes.
const maxPointer = 256

func (p *place) String() string {
	var names []string
	for ; p != nil; p = p.of {
		names = append(names, p.name)
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString("/" + escape(names[i]))
		if b.Len() > maxPointer {
			return strings.ToValidUTF8(b.String()[:maxPointer], "") + "..."
		}
	}
	return b.String()
}

// sortSteps is what sorting a name, or keeping it in a set, takes.
const sortSteps = 4

// step takes steps and reports whether there were any left.
func (c *checker) step(n int) bool {
	if c.left >= 0 {
		c.left -= n
	}
	return c.left >= 0
}

// done reports whether nothing more needs to be looked at.
func (c *checker) done() bool {
	return c.left < 0 || len(c.violations) >= maxProblems
}

// fail notes that the value at p breaks the keyword. It answers false.
func (c *checker) fail(p *place, n *node, keyword, reason string) bool {
	if c.quiet == 0 && !c.done() {
		rule := "#" + n.at
		if keyword != "" {
			rule += "/" + keyword
		}
		c.violations = append(c.violations, Violation{At: p.String(), Rule: rule, Reason: reason})
	}
	return false
}

// try checks without noting what does not fit, and keeps what was looked at where
// it fits.
func (c *checker) try(n *node, value any, p *place, seen *evaluated) bool {
	c.quiet++
	defer func() { c.quiet-- }()
	return c.within(n, value, p, seen)
}

// within checks a schema that applies to the same value as the one around it.
func (c *checker) within(n *node, value any, p *place, seen *evaluated) bool {
	if seen == nil {
		return c.check(n, value, p, nil)
	}
	var own evaluated
	if !c.check(n, value, p, &own) || !c.step(sortSteps*(len(own.names)+len(own.items))) {
		return false
	}
	seen.merge(&own)
	return true
}

// check reports whether the value fits. In an alternative it stops at the first
// rule that is broken; elsewhere it goes on, to tell them all.
func (c *checker) check(n *node, value any, p *place, seen *evaluated) bool {
	if !c.step(1) {
		return false
	}
	if n.never {
		return c.fail(p, n, "", "is not allowed")
	}
	fits := true
	for _, rules := range []func(*node, any, *place, *evaluated) bool{
		c.general, c.logic, c.contents,
	} {
		if !rules(n, value, p, seen) {
			fits = false
		}
		if c.done() || (!fits && c.quiet > 0) {
			return fits && c.left >= 0
		}
	}
	return fits && c.unevaluated(n, value, p, seen)
}

// general checks the rules for values of any kind.
func (c *checker) general(n *node, value any, p *place, seen *evaluated) bool {
	fits := true
	if n.ref != nil {
		fits = c.within(n.ref, value, p, seen)
	}
	if n.types != 0 && n.types&kindOf(value) == 0 {
		fits = c.fail(p, n, "type", "must be "+n.types.String())
	}
	if n.enum == nil && n.constant == nil {
		return fits
	}
	text := canonical(value, c.step)
	if c.left < 0 {
		return false
	}
	if n.enum != nil && !n.enum[text] {
		fits = c.fail(p, n, "enum", "must be one of the values listed")
	}
	if n.constant != nil && !n.constant[text] {
		fits = c.fail(p, n, "const", "must be the one value allowed")
	}
	return fits
}

func (k kinds) String() string {
	var names []string
	for i, name := range kindNames() {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// logic checks the schemas that are combined with one another.
func (c *checker) logic(n *node, value any, p *place, seen *evaluated) bool {
	fits := true
	for _, sub := range n.allOf {
		fits = c.within(sub, value, p, seen) && fits
	}
	if n.anyOf != nil {
		some := 0
		for _, sub := range n.anyOf {
			if c.try(sub, value, p, seen) {
				some++
				if seen == nil {
					break
				}
			}
		}
		if some == 0 {
			fits = c.fail(p, n, "anyOf", "must fit one of the alternatives")
		}
	}
	if n.oneOf != nil {
		some := 0
		for _, sub := range n.oneOf {
			if c.try(sub, value, p, seen) {
				some++
			}
		}
		if some != 1 {
			fits = c.fail(p, n, "oneOf", "must fit just one of the alternatives")
		}
	}
	if n.not != nil && c.try(n.not, value, p, seen.fresh()) {
		fits = c.fail(p, n, "not", "must not fit what is excluded")
	}
	return c.condition(n, value, p, seen) && fits
}

func (c *checker) condition(n *node, value any, p *place, seen *evaluated) bool {
	if n.when == nil {
		return true
	}
	branch := n.otherwise
	if c.try(n.when, value, p, seen) {
		branch = n.then
	}
	return branch == nil || c.within(branch, value, p, seen)
}

// contents checks the rules for values of one kind.
func (c *checker) contents(n *node, value any, p *place, seen *evaluated) bool {
	switch v := value.(type) {
	case json.Number:
		return n.numeric == nil || c.number(n, v, p)
	case string:
		return c.text(n, v, p)
	case []any:
		return c.array(n, v, p, seen)
	case map[string]any:
		return c.object(n, v, p, seen)
	default:
		return true
	}
}

func (c *checker) number(n *node, text json.Number, p *place) bool {
	if !c.step(len(text)) {
		return false
	}
	v, r, fits := parseNumber(text), n.numeric, true
	for _, rule := range []struct {
		keyword string
		limit   *number
		holds   func(comparison int) bool
		reason  string
	}{
		{"minimum", r.minimum, func(o int) bool { return o >= 0 }, "must be at least %s"},
		{"maximum", r.maximum, func(o int) bool { return o <= 0 }, "must be at most %s"},
		{"exclusiveMinimum", r.above, func(o int) bool { return o > 0 }, "must be above %s"},
		{"exclusiveMaximum", r.below, func(o int) bool { return o < 0 }, "must be below %s"},
	} {
		if rule.limit != nil && !rule.holds(v.compare(*rule.limit)) {
			fits = c.fail(p, n, rule.keyword, fmt.Sprintf(rule.reason, rule.limit.text))
		}
	}
	if r.multipleOf != nil && !v.multipleOf(*r.multipleOf) {
		fits = c.fail(p, n, "multipleOf", "must be a multiple of "+r.multipleOf.text)
	}
	return fits
}

func (c *checker) text(n *node, s string, p *place) bool {
	fits := true
	if n.minLength != nil || n.maxLength != nil {
		if !c.step(len(s) / stepsPerByte) {
			return false
		}
		fits = c.size(n, p, utf8.RuneCountInString(s), sizeRule{"minLength", "maxLength", n.minLength, n.maxLength, "characters"})
	}
	if n.pattern == nil {
		return fits
	}
	if !c.step(n.pattern.cost(s)) {
		return false
	}
	if !n.pattern.expression.MatchString(s) {
		fits = c.fail(p, n, "pattern", "must match the pattern")
	}
	return fits
}

// A sizeRule bounds a count.
type sizeRule struct {
	atLeast, atMost string // the keywords
	least, most     bound
	of              string
}

func (c *checker) size(n *node, p *place, count int, r sizeRule) bool {
	fits := true
	if r.least != nil && count < *r.least {
		fits = c.fail(p, n, r.atLeast, fmt.Sprintf("must have at least %d %s", *r.least, r.of))
	}
	if r.most != nil && count > *r.most {
		fits = c.fail(p, n, r.atMost, fmt.Sprintf("must have at most %d %s", *r.most, r.of))
	}
	return fits
}
