// Package contract holds what the API does against what docs/openapi.yaml says. It
// is for tests.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"hermod/docs"
)

// A Description is the OpenAPI description, ready to be compared with.
type Description struct {
	root  object
	paths []path

	mu       sync.Mutex // guards what follows: a compiler is for one at a time
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

type object = map[string]any

// source is the name of the description in the pointers of schemas.
const source = "openapi.yaml"

// Load reads the description. One is enough for a whole test binary: see Shared.
func Load() (*Description, error) {
	var tree any
	if err := yaml.Unmarshal([]byte(docs.OpenAPI()), &tree); err != nil {
		return nil, fmt.Errorf("reading the description: %w", err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("the description is no JSON: %w", err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the description is no JSON: %w", err)
	}
	root, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("the description is no object")
	}
	d := &Description{root: root, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(source, value); err != nil {
		return nil, fmt.Errorf("adding the description: %w", err)
	}
	for _, pattern := range slices.Sorted(maps.Keys(member(root, "paths"))) {
		d.paths = append(d.paths, path{pattern, strings.Split(pattern, "/")})
	}
	return d, nil
}

// Shared gives the description that all tests of a binary may share.
var Shared = sync.OnceValues(Load)

// Root is the whole description as JSON.
func (d *Description) Root() map[string]any { return d.root }

// Paths are the paths as they are written.
func (d *Description) Paths() []string {
	all := make([]string, len(d.paths))
	for i, p := range d.paths {
		all[i] = p.pattern
	}
	return all
}

// Schema is the schema at a pointer, such as "#/components/schemas/Event".
func (d *Description) Schema(pointer string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.compiled[pointer]; ok {
		return s, nil
	}
	s, err := d.compiler.Compile(source + pointer)
	if err != nil {
		return nil, fmt.Errorf("the schema at %s: %w", pointer, err)
	}
	d.compiled[pointer] = s
	return s, nil
}

// A Node is a part of the description and where it stands.
type Node struct {
	Pointer string
	Value   map[string]any
}

// At follows names from the node; where a part is a reference, it goes on from what
// is referred to. It answers a Node without a Value where there is nothing.
func (d *Description) At(n Node, names ...string) Node {
	for _, name := range names {
		n = d.resolve(n)
		n = Node{n.Pointer + "/" + escape(name), member(n.Value, name)}
	}
	return d.resolve(n)
}

// Top is the description itself.
func (d *Description) Top() Node { return Node{"#", d.root} }

func (d *Description) resolve(n Node) Node {
	for range 10 {
		pointer, ok := n.Value["$ref"].(string)
		if !ok {
			return n
		}
		n = Node{pointer, d.root}
		for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
			n.Value = member(n.Value, unescape(part))
		}
	}
	return n
}

func member(v object, name string) object {
	o, _ := v[name].(object)
	return o
}

// escape and unescape are those of JSON Pointer (RFC 6901).
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func unescape(part string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
}

// A path is one of the description, cut into its segments.
type path struct {
	pattern  string
	segments []string
}

// match finds the path of a request; of several, the one with fewest parameters.
func (d *Description) match(target string) (pattern string, ok bool) {
	segments := strings.Split(target, "/")
	best := -1
	for _, p := range d.paths {
		if parameters, fits := p.fits(segments); fits && (best < 0 || parameters < best) {
			pattern, best = p.pattern, parameters
		}
	}
	return pattern, best >= 0
}

func (p path) fits(segments []string) (parameters int, ok bool) {
	if len(segments) != len(p.segments) {
		return 0, false
	}
	for i, s := range p.segments {
		switch {
		case strings.HasPrefix(s, "{"):
			if segments[i] == "" {
				return 0, false
			}
			parameters++
		case s != segments[i]:
			return 0, false
		}
	}
	return parameters, true
}
