package catalog_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
)

// maxBytes bounds what the catalog adds to a function.
const maxBytes = 150_000

func TestNativeTypesAreExactlyThoseOfTheContract(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/native.txt")
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Fields(string(list)), events(catalog.Native())
	if len(want) != 107 {
		t.Fatalf("the list names %d types, want 107", len(want))
	}
	for _, event := range want {
		if !slices.Contains(got, event) {
			t.Errorf("%s is missing", event)
		}
	}
	for _, event := range got {
		if !slices.Contains(want, event) {
			t.Errorf("%s is not of the contract", event)
		}
	}
	if n := len(bySender(catalog.Native())); n != 19 {
		t.Errorf("%d senders, want 19", n)
	}
}

func TestOtherDialectsHaveASenderEach(t *testing.T) {
	t.Parallel()
	others := bySender(catalog.All())
	for sender := range bySender(catalog.Native()) {
		delete(others, sender)
	}
	want := map[string]int{"universign": 24, "telia-sign": 4, "signly": 19}
	if !maps.Equal(others, want) {
		t.Errorf("the other senders have %v, want %v", others, want)
	}
}

func TestTypesAreSortedUniqueAndWellNamed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	previous := catalog.Type{}
	for _, typ := range catalog.All() {
		if sender, name, ok := hermod.ParseType(typ.Event()); !ok || sender != typ.Sender || name != typ.Name {
			t.Errorf("%q is no valid type", typ.Event())
		}
		if seen[typ.Event()] {
			t.Errorf("%s is there twice", typ.Event())
		}
		if typ.Sender < previous.Sender || typ.Sender == previous.Sender && typ.Name < previous.Name {
			t.Errorf("%s comes after %s", typ.Event(), previous.Event())
		}
		seen[typ.Event()], previous = true, typ
	}
}

func TestTypesArePublicAndDescribedInOneSentenceOfTheirOwn(t *testing.T) {
	t.Parallel()
	described := map[string]string{}
	for _, typ := range catalog.All() {
		d := typ.Description
		if d == "" || !strings.HasSuffix(d, ".") || strings.Contains(d, ". ") || d != strings.TrimSpace(d) {
			t.Errorf("%s: %q is not one sentence", typ.Event(), d)
		}
		if other, ok := described[d]; ok {
			t.Errorf("%s and %s have the same description", typ.Event(), other)
		}
		described[d] = typ.Event()
		if typ.Internal {
			t.Errorf("%s is internal", typ.Event())
		}
	}
}

func TestFindKnowsEveryTypeAndNoOther(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		if found, ok := catalog.Find(typ.Event()); !ok || found.Description != typ.Description {
			t.Errorf("Find(%q) = %v, %v", typ.Event(), found.Event(), ok)
		}
	}
	for _, event := range []string{
		"", "signature-api", "signature-api:*", "signature-api:order", "Signature-api:order.completed",
		"certificate-management:certificate.permanentlyDeleted", "signly:process_completed",
	} {
		if _, ok := catalog.Find(event); ok {
			t.Errorf("Find(%q) found something", event)
		}
	}
}

func TestCallersCannotCorruptTheCatalog(t *testing.T) {
	t.Parallel()
	const event = "signature-api:order.completed"
	before, _ := catalog.Find(event)
	for _, typ := range slices.Concat(catalog.All(), catalog.Native()) {
		wipe(typ)
	}
	found, _ := catalog.Find(event)
	wipe(found)
	after, _ := catalog.Find(event)
	if !bytes.Equal(before.Example, after.Example) || !bytes.Equal(before.Schema, after.Schema) {
		t.Error("a caller's writes show")
	}
}

func TestExamplesFulfilTheirSchema(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		schema := resolve(t, typ)
		if err := schema.Validate(decode(t, typ.Example)); err != nil {
			t.Errorf("%s: the example is refused: %v", typ.Event(), err)
		}
		if n := len(typ.Example); n > 1024 {
			t.Errorf("%s: the example has %d bytes", typ.Event(), n)
		}
	}
}

func TestExamplesShowExactlyTheDescribedMembers(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		shown := slices.Sorted(maps.Keys(decode(t, typ.Example)))
		described := slices.Sorted(maps.Keys(resolve(t, typ).Schema().Properties))
		if !slices.Equal(shown, described) {
			t.Errorf("%s: the example has %v, the schema %v", typ.Event(), shown, described)
		}
	}
}

func TestSchemasRequireWhatAConsumerActsOn(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		schema := resolve(t, typ)
		if len(schema.Schema().Required) == 0 {
			t.Errorf("%s requires nothing", typ.Event())
		}
		for _, member := range schema.Schema().Required {
			data := decode(t, typ.Example)
			delete(data, member)
			if schema.Validate(data) == nil {
				t.Errorf("%s is accepted without %s", typ.Event(), member)
			}
		}
	}
}

func TestSchemasRefuseAWrongKindOfMemberAndAllowMore(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		schema := resolve(t, typ)
		data := decode(t, typ.Example)
		data["somethingNew"] = true
		if err := schema.Validate(data); err != nil {
			t.Errorf("%s: a further member is refused: %v", typ.Event(), err)
		}
		for member := range schema.Schema().Properties {
			data := decode(t, typ.Example)
			data[member] = []any{[]any{}}
			if schema.Validate(data) == nil {
				t.Errorf("%s: %s may be a list of lists", typ.Event(), member)
			}
		}
	}
}

func TestSchemasHoldTheRulesOfTheDialects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event, member string
		value         any
		ok            bool
	}{
		{"universign:action.stalled", "stall_reason", "action_refusal", true},
		{"universign:action.stalled", "stall_reason", "signature_refusal", true},
		{"universign:action.stalled", "stall_reason", "consultation_refusal", true},
		{"universign:action.stalled", "stall_reason", "review_refusal", true},
		{"universign:action.stalled", "stall_reason", "boredom", false},
		{"universign:registration.identity.verified", "verification_status", "failure", true},
		{"universign:registration.identity.verified", "verification_status", "unsure", false},
		{"universign:action.closed", "required_level", 4.0, true},
		{"universign:action.closed", "required_level", "level2", true},
		{"universign:action.closed", "required_level", "level_2", false},
		{"universign:action.closed", "required_level", 5.0, false},
		{"universign:transaction.lifecycle.created", "state", "draft", true},
		{"universign:transaction.lifecycle.created", "state", "started", false},
		{"universign:transaction.lifecycle.completed", "state", "draft", false},
		{"signly:PROCESS_COMPLETED", "status", "COMPLETED", true},
		{"signly:PROCESS_COMPLETED", "status", "FAILED", false},
	} {
		typ, found := catalog.Find(c.event)
		if !found {
			t.Fatalf("%s is missing", c.event)
		}
		data := decode(t, typ.Example)
		data[c.member] = c.value
		if err := resolve(t, typ).Validate(data); (err == nil) != c.ok {
			t.Errorf("%s with %s %v: %v", c.event, c.member, c.value, err)
		}
	}
}

func TestDialectsNameTheirSubjects(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"universign": {"id", "object"},
		"telia-sign": {"SignatureRequestId"},
		"signly":     {"documentId", "participantId", "processId"},
	}
	for _, typ := range catalog.All() {
		required := resolve(t, typ).Schema().Required
		for _, member := range want[typ.Sender] {
			if !slices.Contains(required, member) {
				t.Errorf("%s does not require %s", typ.Event(), member)
			}
		}
	}
}

func TestDataStaysSmall(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("data")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > maxBytes {
		t.Errorf("the files have %d bytes, at most %d", total, maxBytes)
	}
}

func events(types []catalog.Type) []string {
	out := make([]string, len(types))
	for i, typ := range types {
		out[i] = typ.Event()
	}
	return out
}

func bySender(types []catalog.Type) map[string]int {
	count := map[string]int{}
	for _, typ := range types {
		count[typ.Sender]++
	}
	return count
}

func wipe(typ catalog.Type) {
	clear(typ.Example)
	clear(typ.Schema)
}

func resolve(t *testing.T, typ catalog.Type) *jsonschema.Resolved {
	t.Helper()
	schema := new(jsonschema.Schema)
	if err := json.Unmarshal(typ.Schema, schema); err != nil {
		t.Fatalf("%s: %v", typ.Event(), err)
	}
	if schema.Type != "object" {
		t.Errorf("%s: its data is of type %q, want an object", typ.Event(), schema.Type)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", typ.Event(), err)
	}
	return resolved
}

func decode(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var data map[string]any
	if err := json.Unmarshal(raw, &data); err != nil {
		t.Fatal(err)
	}
	return data
}
