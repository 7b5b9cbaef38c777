package main

import (
	"os"
	"strings"
	"testing"
)

// TestThePageHasTheTables keeps docs/capacity.md to what is computed.
func TestThePageHasTheTables(t *testing.T) {
	t.Parallel()
	want, err := tables("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	for table := range strings.SplitSeq(want, "\n\n") {
		if table = strings.TrimSpace(table); !strings.Contains(string(page), table+"\n") {
			t.Errorf("docs/capacity.md does not have this table; `go run ./test/capacity` prints all of them:\n%s", table)
		}
	}
}
