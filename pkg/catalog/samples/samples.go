// Package samples holds an example of the data of every published event type. It is
// apart from the catalog for programs that have no room for the rest of that.
package samples

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// lines are a type, a tab and its example each, in the order of the types.
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
