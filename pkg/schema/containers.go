package schema

import (
	"maps"
	"slices"
	"strconv"
)

// evaluated is which members and items of a value some schema has looked at, for
// unevaluatedProperties and unevaluatedItems. Schemas that have neither do without.
type evaluated struct {
	names    map[string]bool
	allNames bool
	first    int // so many items from the start
	items    map[int]bool
	allItems bool
}

func (e *evaluated) name(name string) {
	if e == nil {
		return
	}
	if e.names == nil {
		e.names = map[string]bool{}
	}
	e.names[name] = true
}

func (e *evaluated) item(i int) {
	if e == nil {
		return
	}
	if e.items == nil {
		e.items = map[int]bool{}
	}
	e.items[i] = true
}

func (e *evaluated) merge(o *evaluated) {
	for name := range o.names {
		e.name(name)
	}
	for i := range o.items {
		e.item(i)
	}
	e.allNames, e.allItems = e.allNames || o.allNames, e.allItems || o.allItems
	e.first = max(e.first, o.first)
}

// fresh is for a value, or a schema, of which nothing is handed on; nil where
// nothing is asked for.
func (e *evaluated) fresh() *evaluated {
	if e == nil {
		return nil
	}
	return &evaluated{}
}

func (c *checker) array(n *node, items []any, p *place, seen *evaluated) bool {
	fits := c.size(n, p, len(items), sizeRule{"minItems", "maxItems", n.minItems, n.maxItems, "items"})
	for i, item := range items {
		sub := n.items
		if i < len(n.prefixItems) {
			sub = n.prefixItems[i]
		}
		if sub == nil {
			break
		}
		if !c.check(sub, item, p.in(strconv.Itoa(i)), seen.fresh()) {
			fits = false
			if c.done() || c.quiet > 0 {
				return false
			}
		}
	}
	if seen != nil {
		seen.first = max(seen.first, len(n.prefixItems))
		seen.allItems = seen.allItems || n.items != nil
	}
	if n.unique && !c.unique(items) {
		fits = c.fail(p, n, "uniqueItems", "must not have an item twice")
	}
	return c.contains(n, items, p, seen) && fits
}

func (c *checker) unique(items []any) bool {
	known := make(map[string]bool, len(items))
	for _, item := range items {
		text := canonical(item, c.step)
		if !c.step(sortSteps) {
			return false
		}
		if known[text] {
			return false
		}
		known[text] = true
	}
	return true
}

func (c *checker) contains(n *node, items []any, p *place, seen *evaluated) bool {
	if n.contains == nil {
		return true
	}
	count := 0
	c.quiet++
	for i, item := range items {
		if c.check(n.contains, item, p.in(strconv.Itoa(i)), seen.fresh()) {
			count++
			seen.item(i)
		}
	}
	c.quiet--
	if n.minContains == nil && count == 0 {
		return c.fail(p, n, "contains", "must have an item that fits")
	}
	return c.size(n, p, count, sizeRule{"minContains", "maxContains", n.minContains, n.maxContains, "items that fit"})
}

func (c *checker) object(n *node, members map[string]any, p *place, seen *evaluated) bool {
	fits := c.size(n, p, len(members), sizeRule{"minProperties", "maxProperties", n.minProperties, n.maxProperties, "members"})
	fits = c.required(n, members, p) && fits
	if n.properties != nil || n.patternProperties != nil || n.additional != nil || n.names != nil {
		if !c.step(sortSteps * len(members)) {
			return false
		}
		for _, name := range slices.Sorted(maps.Keys(members)) { // so that one event is always told the same
			if !c.member(n, name, members[name], p.in(name), seen) {
				fits = false
				if c.done() || c.quiet > 0 {
					return false
				}
			}
		}
	}
	if seen != nil && n.additional != nil {
		seen.allNames = true
	}
	for _, name := range slices.Sorted(maps.Keys(n.dependent)) {
		if _, given := members[name]; given {
			fits = c.within(n.dependent[name], members, p, seen) && fits
		}
	}
	return fits
}

func (c *checker) required(n *node, members map[string]any, p *place) bool {
	fits := true
	if !c.step(len(n.required)) {
		return false
	}
	for _, name := range n.required {
		if _, given := members[name]; !given {
			fits = c.fail(p.in(name), n, "required", "is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.dependentRequired)) {
		if _, given := members[name]; !given {
			continue
		}
		if !c.step(len(n.dependentRequired[name])) {
			return false
		}
		for _, needed := range n.dependentRequired[name] {
			if _, given := members[needed]; !given {
				fits = c.fail(p.in(needed), n, "dependentRequired", "is required beside another member")
			}
		}
	}
	return fits
}

// member checks one member of an object.
func (c *checker) member(n *node, name string, value any, p *place, seen *evaluated) bool {
	fits, matched := true, false
	if n.names != nil {
		fits = c.check(n.names, name, p, seen.fresh())
	}
	if sub := n.properties[name]; sub != nil {
		matched = true
		fits = c.check(sub, value, p, seen.fresh()) && fits
	}
	for _, pn := range n.patternProperties {
		if !c.step(pn.pattern.cost(name)) {
			return false
		}
		if pn.pattern.expression.MatchString(name) {
			matched = true
			fits = c.check(pn.node, value, p, seen.fresh()) && fits
		}
	}
	if !matched && n.additional != nil {
		fits = c.check(n.additional, value, p, seen.fresh()) && fits
	}
	if matched {
		seen.name(name)
	}
	return fits
}

// unevaluated checks what no other schema has looked at.
func (c *checker) unevaluated(n *node, value any, p *place, seen *evaluated) bool {
	if seen == nil {
		return true
	}
	fits := true
	if members, ok := value.(map[string]any); ok && n.unevaluatedProperties != nil && !seen.allNames {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if !seen.names[name] {
				fits = c.check(n.unevaluatedProperties, members[name], p.in(name), seen.fresh()) && fits
			}
		}
		seen.allNames = true
	}
	if items, ok := value.([]any); ok && n.unevaluatedItems != nil && !seen.allItems {
		for i := seen.first; i < len(items); i++ {
			if !seen.items[i] {
				fits = c.check(n.unevaluatedItems, items[i], p.in(strconv.Itoa(i)), seen.fresh()) && fits
			}
		}
		seen.allItems = true
	}
	return fits
}
