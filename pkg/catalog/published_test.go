package catalog_test

import (
	"testing"

	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
)

func TestPublishedTypesAreDefinitionsOfNobody(t *testing.T) {
	t.Parallel()
	var p catalog.Published
	if native, all := p.Definitions(false), p.Definitions(true); len(native) != len(catalog.Native()) || len(all) != len(catalog.All()) {
		t.Errorf("%d native types, %d in all", len(native), len(all))
	}
	for _, d := range p.Definitions(true) {
		found, ok := p.Definition(d.Type)
		if !ok || found.Description != d.Description || string(found.Schema) != string(d.Schema) || string(found.Example) != string(d.Example) {
			t.Errorf("%s is found as %+v", d.Type, found)
		}
		if d.Account != "" || d.Validation != hermod.ValidateOff || len(d.Schema) == 0 || len(d.Example) == 0 || d.Description == "" {
			t.Errorf("%+v", d)
		}
	}
	if d, ok := p.Definition("no:such"); ok {
		t.Errorf("found %+v", d)
	}
}
