package schema_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/google/jsonschema-go/jsonschema" // whose module holds the suite

	"hermod/pkg/schema"
)

// reachesBeyond reports whether a schema is one that Compile refuses for reaching
// beyond itself.
func reachesBeyond(text json.RawMessage) bool {
	return regexp.MustCompile(`"\$id"|"\$dynamicRef"|"\$ref":\s*"[^#]`).Match(text)
}

// The draft's own suite (JSON-Schema-Test-Suite) stands in the module of a
// validator that only tests use.
func TestItAgreesWithTheSuiteOfTheDraft(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "jsonschema", "testdata", "draft2020-12", "*.json"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files of the suite, %v", len(files), err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Description string
			Schema      json.RawMessage
			Tests       []struct {
				Description string
				Data        json.RawMessage
				Valid       bool
			}
		}
		if err := json.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			name := strings.TrimSuffix(filepath.Base(file), ".json") + ": " + g.Description
			s, err := schema.Compile(g.Schema)
			if err != nil {
				if !reachesBeyond(g.Schema) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			for _, test := range g.Tests {
				checked++
				if got := s.Check(test.Data); (len(got) == 0) != test.Valid {
					t.Errorf("%s: %s: %s by %s: %v", name, test.Description, test.Data, g.Schema, got)
				}
			}
		}
	}
	if checked < 900 {
		t.Errorf("only %d checks", checked)
	}
}
