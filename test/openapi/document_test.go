package openapi_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hermod/test/openapi/contract"
)

// walk calls visit for every object of the description, with its pointer.
func walk(at string, v any, visit func(at string, o map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(at, v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			walk(at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), v[name], visit)
		}
	case []any:
		for i, element := range v {
			walk(at+"/"+strconv.Itoa(i), element, visit)
		}
	}
}

func TestEveryReferenceLeadsSomewhereAndEveryComponentIsUsed(t *testing.T) {
	t.Parallel()
	d := load(t)
	used := map[string]bool{}
	walk("#", d.Root(), func(at string, o map[string]any) {
		pointer, ok := o["$ref"].(string)
		if !ok {
			return
		}
		used[pointer] = true
		if d.At(contract.Node{Value: o}).Value == nil {
			t.Errorf("%s refers to %s, which is not there", at, pointer)
		}
	})
	// No operation answers these: every path does, and every other one.
	for _, path := range d.Paths() {
		used["#/components/responses/"+contract.DialectOf(path)+"MethodNotAllowed"] = true
		used["#/components/responses/"+contract.DialectOf(path)+"NotFound"] = true
		used["#/components/responses/"+contract.DialectOf(path)+"OutOfBounds"] = true
	}
	components, _ := d.Root()["components"].(map[string]any)
	for kind, list := range components {
		for name := range list.(map[string]any) {
			if pointer := "#/components/" + kind + "/" + name; kind != "securitySchemes" && !used[pointer] {
				t.Errorf("%s is used nowhere", pointer)
			}
		}
	}
}

// inExample reports whether a pointer leads into a sample, where a member called
// schema is data.
func inExample(at string) bool {
	return strings.Contains(at, "/example/") || strings.Contains(at, "/examples/") || strings.HasSuffix(at, "/example")
}

func TestEverySchemaIsOneAndEveryExampleFitsItsSchema(t *testing.T) {
	t.Parallel()
	d := load(t)
	checked := 0
	check := func(at string, sample any) {
		checked++
		schema, err := d.Schema(at)
		if err != nil {
			t.Error(err)
			return
		}
		if sample == nil {
			return
		}
		if err := schema.Validate(sample); err != nil {
			t.Errorf("an example of %s: %v", at, err)
		}
	}
	walk("#", d.Root(), func(at string, o map[string]any) {
		if inExample(at) {
			return
		}
		if o["schema"] != nil && !strings.Contains(at, "/schemas/") {
			check(at+"/schema", o["example"])
			examples, _ := o["examples"].(map[string]any)
			for _, e := range examples {
				check(at+"/schema", e.(map[string]any)["value"])
			}
		}
		if strings.HasPrefix(at, "#/components/schemas/") && strings.Count(at, "/") == 3 {
			check(at, nil)
			list, _ := o["examples"].([]any)
			for _, e := range list {
				check(at, e)
			}
		}
	})
	if checked < 100 {
		t.Errorf("only %d schemas and examples were found", checked)
	}
}

// TestAnswersAreClosed keeps the oracle sharp: an answer with a member that is not
// described must not pass. What may hold anything is listed here.
func TestAnswersAreClosed(t *testing.T) {
	t.Parallel()
	d := load(t)
	open := []string{"eventData", "typeConfiguration", "example", "schema", "configuration"}
	seen := map[string]bool{}
	var closed func(what, at string)
	closed = func(what, at string) {
		node := d.At(pointer(d, at))
		if seen[node.Pointer] || node.Value == nil {
			return
		}
		seen[node.Pointer] = true
		properties, _ := node.Value["properties"].(map[string]any)
		if fmt.Sprint(node.Value["type"]) == "object" && node.Value["additionalProperties"] != false && !slices.Contains(open, last(at)) {
			t.Errorf("%s: %s takes members that are not described", what, node.Pointer)
		}
		for name := range properties {
			closed(what, node.Pointer+"/properties/"+name)
		}
		if node.Value["items"] != nil {
			closed(what, node.Pointer+"/items")
		}
		for _, of := range []string{"oneOf", "anyOf", "allOf"} {
			list, _ := node.Value[of].([]any)
			for i := range list {
				closed(what, node.Pointer+"/"+of+"/"+strconv.Itoa(i))
			}
		}
	}
	for _, o := range operations(d) {
		for status := range d.At(o.node, "responses").Value {
			content := d.At(o.node, "responses", status, "content")
			for media := range content.Value {
				closed(o.String()+" "+status, d.At(content, media).Pointer+"/schema")
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d schemas of answers were found", len(seen))
	}
}

func last(pointer string) string { return pointer[strings.LastIndexByte(pointer, '/')+1:] }

// pointer is the node at a pointer, through arrays too.
func pointer(d *contract.Description, at string) contract.Node {
	var v any = d.Root()
	for part := range strings.SplitSeq(strings.TrimPrefix(at, "#/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(node) {
				return contract.Node{Pointer: at}
			}
			v = node[i]
		}
	}
	o, _ := v.(map[string]any)
	return contract.Node{Pointer: at, Value: o}
}
