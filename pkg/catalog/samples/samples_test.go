package samples_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"hermod/pkg/catalog"
	"hermod/pkg/catalog/samples"
)

var update = flag.Bool("update", false, "write samples.txt anew")

func TestSamplesAreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, typ := range catalog.All() {
		fmt.Fprintf(&b, "%s\t%s\n", typ.Event(), typ.Example)
	}
	if *update {
		if err := os.WriteFile("samples.txt", []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("samples.txt")
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != b.String() {
		t.Error("samples.txt is not what the catalog holds: run go test ./pkg/catalog/samples -update")
	}
	for _, typ := range catalog.All() {
		if sample, ok := samples.Of(typ.Event()); !ok || string(sample) != string(typ.Example) {
			t.Errorf("%s: %s", typ.Event(), sample)
		}
	}
	for _, event := range []string{"", "no:such", "account-api:", "account-api"} {
		if sample, ok := samples.Of(event); ok {
			t.Errorf("%q: %s", event, sample)
		}
	}
}
