package docs

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A node is a part of the description. Its members keep the order in which they are
// written. The zero node is one that is not there.
type node struct {
	yaml *yaml.Node
	root *yaml.Node
}

func parse(text string) (node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return node{}, fmt.Errorf("reading the description: %w", err)
	}
	if len(document.Content) != 1 {
		return node{}, fmt.Errorf("the description is empty")
	}
	root := document.Content[0]
	return node{root, root}, nil
}

func (n node) there() bool { return n.yaml != nil }

// own is the member as it is written, a reference not followed.
func (n node) own(name string) node {
	for key, value := range n.members() {
		if key == name {
			return value
		}
	}
	return node{}
}

// get follows names, and references on the way and at the end.
func (n node) get(names ...string) node {
	n = n.resolve()
	for _, name := range names {
		n = n.own(name).resolve()
	}
	return n
}

func (n node) resolve() node {
	for range 10 { // no chain of references is longer
		pointer := n.own("$ref").text()
		if pointer == "" {
			return n
		}
		n = node{n.root, n.root}
		for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
			n = n.own(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		}
	}
	return n
}

// refers is the name of what the node refers to; "" where it is no reference.
func (n node) refers() string {
	pointer := n.own("$ref").text()
	return pointer[strings.LastIndexByte(pointer, '/')+1:]
}

// members are those of an object, in their order.
func (n node) members() iter.Seq2[string, node] {
	return func(yield func(string, node) bool) {
		if n.yaml == nil || n.yaml.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.yaml.Content); i += 2 {
			if !yield(n.yaml.Content[i].Value, node{n.yaml.Content[i+1], n.root}) {
				return
			}
		}
	}
}

// list are the elements of an array.
func (n node) list() []node {
	if n.yaml == nil || n.yaml.Kind != yaml.SequenceNode {
		return nil
	}
	all := make([]node, len(n.yaml.Content))
	for i, element := range n.yaml.Content {
		all[i] = node{element, n.root}
	}
	return all
}

// text is a scalar; "" for anything else.
func (n node) text() string {
	if n.yaml == nil || n.yaml.Kind != yaml.ScalarNode {
		return ""
	}
	return n.yaml.Value
}

func (n node) texts() []string {
	var all []string
	for _, element := range n.list() {
		all = append(all, element.text())
	}
	return all
}

// lineLength is how long a line of printed JSON is at most, where it can be broken.
const lineLength = 76

// json prints a value with its members in their order. What fits stands on one line.
func (n node) json() string { return n.print("") }

func (n node) print(indent string) string {
	if line := n.line(); len(indent)+len(line) <= lineLength {
		return line
	}
	inside := indent + "  "
	var parts []string
	left, right := "[", "]"
	for _, element := range n.list() {
		parts = append(parts, element.print(inside))
	}
	for name, value := range n.members() {
		left, right = "{", "}"
		parts = append(parts, quote(name)+": "+value.print(inside))
	}
	if len(parts) == 0 {
		return n.line()
	}
	return left + "\n" + inside + strings.Join(parts, ",\n"+inside) + "\n" + indent + right
}

func (n node) line() string {
	var parts []string
	switch {
	case n.yaml == nil:
		return "null"
	case n.yaml.Kind == yaml.MappingNode:
		for name, value := range n.members() {
			parts = append(parts, quote(name)+": "+value.line())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case n.yaml.Kind == yaml.SequenceNode:
		for _, element := range n.list() {
			parts = append(parts, element.line())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case n.yaml.Tag == "!!str":
		return quote(n.yaml.Value)
	default:
		return n.yaml.Value
	}
}

func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}
