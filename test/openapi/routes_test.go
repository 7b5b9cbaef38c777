// Package openapi_test holds the description of the API against the route table,
// against the rules of OpenAPI, and against what is answered.
package openapi_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/node"
	"hermod/pkg/push"
	"hermod/test/openapi/contract"
	"hermod/test/routes"
)

func load(t *testing.T) *contract.Description {
	t.Helper()
	d, err := contract.Shared()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// methods are the keys of a path item that are operations.
func methods() []string {
	return []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}
}

// an operation of the description, under one of its paths.
type operation struct {
	path, method string
	node         contract.Node
}

func (o operation) String() string { return strings.ToUpper(o.method) + " " + o.path }

// operations are all of them, those of paths that refer to another included.
func operations(d *contract.Description) []operation {
	var all []operation
	for _, path := range d.Paths() {
		for _, method := range methods() {
			if node := d.At(d.Top(), "paths", path, method); node.Value != nil {
				all = append(all, operation{path, method, node})
			}
		}
	}
	return all
}

func TestANodeServesTheRouteTable(t *testing.T) {
	t.Parallel()
	n, err := node.Open(t.Context(), node.Options{
		Data: t.TempDir(), Policy: push.Local(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows := func(table []api.Route) []string {
		var all []string
		for _, row := range table {
			all = append(all, fmt.Sprint(row.Method, " ", row.Path, " ", row.AliasOf, " ", row.Resource, " ", row.Access.Scope(), " ", row.Access.IsPublic()))
		}
		slices.Sort(all)
		return all
	}
	if got, want := rows(n.Routes()), rows(routes.Table()); !slices.Equal(got, want) {
		t.Errorf("a node serves\n%s\nand the table has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheDescriptionHasTheRowsOfTheRouteTableAndNoOthers(t *testing.T) {
	t.Parallel()
	var described, served []string
	for _, o := range operations(load(t)) {
		described = append(described, o.String())
	}
	for _, row := range routes.Table() {
		served = append(served, row.Method+" "+row.Path)
	}
	for _, row := range served {
		if !slices.Contains(described, row) {
			t.Errorf("%s is served and not described", row)
		}
	}
	for _, row := range described {
		if !slices.Contains(served, row) {
			t.Errorf("%s is described and not served", row)
		}
	}
}

func TestAnAliasRefersToThePathThatItIsAnotherNameOf(t *testing.T) {
	t.Parallel()
	d := load(t)
	paths, _ := d.Root()["paths"].(map[string]any)
	for _, row := range routes.Table() {
		item, _ := paths[row.Path].(map[string]any)
		got, refers := item["$ref"]
		want := "#/paths/" + strings.ReplaceAll(row.AliasOf, "/", "~1")
		switch {
		case row.AliasOf == "" && refers:
			t.Errorf("%s is no alias and refers to %v", row.Path, got)
		case row.AliasOf != "" && (got != want || len(item) != 1):
			t.Errorf("%s is %v; want nothing but a reference to %s", row.Path, item, want)
		}
	}
}

// scopes are those that the description asks for, each with the scheme it is
// asked of.
func scopes(d *contract.Description, o operation) string {
	requirements, own := o.node.Value["security"].([]any)
	if !own {
		requirements, _ = d.Root()["security"].([]any)
	}
	var all []string
	for _, r := range requirements {
		schemes, _ := r.(map[string]any)
		for _, scheme := range slices.Sorted(maps.Keys(schemes)) {
			all = append(all, fmt.Sprint(scheme, schemes[scheme]))
		}
	}
	return strings.Join(all, " ")
}

// asked is what scopes answers for a row that asks for a scope: each scheme that its
// dialect's callers present, and the scope.
func asked(row api.Route) string {
	schemes := map[string][]string{
		"":           {"oauth", "apiKey"},
		"Signly":     {"signlyAuth", "signlyTenant"},
		"Universign": {"universignBasic", "universignBearer"},
		"Telia":      {"teliaKey", "teliaToken"},
	}[contract.DialectOf(row.Path)]
	var all []string
	for _, scheme := range schemes {
		all = append(all, scheme+"["+row.Access.Scope()+"]")
	}
	return strings.Join(all, " ")
}

func TestAnOperationAsksForTheScopeOfItsRow(t *testing.T) {
	t.Parallel()
	d := load(t)
	want := map[string]string{}
	for _, row := range routes.Table() {
		if !row.Access.IsPublic() {
			want[row.Method+" "+row.Path] = asked(row)
		}
	}
	// Who asks for a token names the client, which is no scope.
	want["POST /auth/open/connect/token"] = "clientBasic[]"
	want["POST /identity/login"] = "teliaKey[]"
	for _, o := range operations(d) {
		if got := scopes(d, o); got != want[o.String()] {
			t.Errorf("%s asks for %q; its row for %q", o, got, want[o.String()])
		}
	}
}

// TestAnOperationListsWhatEveryRequestCanHear: a query that cannot be read, a
// fault, an outage, and a credential that is missing or not enough.
func TestAnOperationListsWhatEveryRequestCanHear(t *testing.T) {
	t.Parallel()
	d := load(t)
	scoped := map[string]bool{}
	for _, row := range routes.Table() {
		scoped[row.Method+" "+row.Path] = !row.Access.IsPublic()
	}
	for _, o := range operations(d) {
		want := []string{"400", "429", "500", "503"}
		if scoped[o.String()] {
			want = append(want, "401", "403")
		}
		id := o.node.Value["operationId"]
		// The one makes what is not there, the other has nothing to say of it.
		if strings.Contains(o.path, "{") && id != "registerEventType" && id != "listSignlyProcessEvents" {
			want = append(want, "404")
		}
		if o.node.Value["requestBody"] != nil {
			want = append(want, "413")
		}
		responses := d.At(o.node, "responses")
		for _, status := range want {
			if d.At(responses, status).Value == nil {
				t.Errorf("%s lacks %s", o, status)
			}
		}
	}
}
