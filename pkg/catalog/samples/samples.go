// Package samples holds the examples of the catalog alone, for programs that have no
// room for the rest of it.
package samples

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// lines are sorted: a type, a tab, its example. They are made of the catalog by
//
//	go test ./pkg/catalog/samples -update
//
//go:embed samples.txt
var lines string

// Of is an example of the data of a published type, of any API, named sender:name.
func Of(event string) (json.RawMessage, bool) {
	for line := range strings.Lines(lines) {
		if typ, example, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); typ == event {
			return json.RawMessage(example), true
		}
	}
	return nil, false
}
