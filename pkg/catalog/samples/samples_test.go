package samples_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/catalog"
	"hermod/pkg/catalog/samples"
)

func TestEachPublishedTypeHasOneSampleAndNoOtherHas(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("samples.txt")
	if err != nil {
		t.Fatal(err)
	}
	var sampled, published []string
	for line := range strings.Lines(string(text)) {
		event, _, _ := strings.Cut(line, "\t")
		sampled = append(sampled, event)
	}
	for _, typ := range catalog.All() {
		published = append(published, typ.Event())
	}
	if !slices.Equal(sampled, published) {
		t.Errorf("samples of %v, published are %v", sampled, published)
	}
}

func TestASampleIsCompactJSON(t *testing.T) {
	t.Parallel()
	for _, typ := range catalog.All() {
		sample, ok := samples.Of(typ.Event())
		var compact bytes.Buffer
		if err := json.Compact(&compact, sample); !ok || err != nil || compact.String() != string(sample) {
			t.Errorf("%s: %s (%v)", typ.Event(), sample, err)
		}
	}
}

func TestAnUnknownTypeHasNoSample(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"", "no:such", "account-api:", "account-api"} {
		if sample, ok := samples.Of(event); ok {
			t.Errorf("%q: %s", event, sample)
		}
	}
}
