package template_test

import (
	"strings"
	"testing"

	"hermod/test/routes"
)

// TestRoutesAreTheRouteTable compares both ways: API Gateway sends each row to the function of its resource, and each route of the
// template serves a row.
func TestRoutesAreTheRouteTable(t *testing.T) {
	gateway := templateRoutes(t)
	if gateway["$default"] == "" {
		t.Fatal("no $default route, so API Gateway would answer 404 in its own form")
	}
	used := map[string]bool{"$default": true}
	for _, row := range routes.Table() {
		route := gatewayRoute(gateway, row.Path)
		used[route] = true
		if route == "$default" {
			t.Errorf("%s %s has no route in template.yaml", row.Method, row.Path)
		} else if gateway[route] != row.Resource {
			t.Errorf("%s %s is of %s, but route %s goes to %s", row.Method, row.Path, row.Resource, route, gateway[route])
		}
	}
	for route, function := range gateway {
		if !used[route] {
			t.Errorf("route %s to %s serves no row of the route table", route, function)
		}
	}
}

// templateRoutes are the routes of template.yaml, each with the name of its function.
func templateRoutes(t *testing.T) map[string]string {
	t.Helper()
	routes := map[string]string{}
	for name, f := range load(t).functions(t) {
		for _, source := range events(f, "HttpApi") {
			route := "$default"
			if at(source, "Path") != nil {
				route = str(source, "Path")
				wants(t, "method of "+route, str(source, "Method"), "ANY")
			}
			if refers(at(source, "ApiId")) != "Api" {
				continue // a host of a dialect's own
			}
			if other, taken := routes[route]; taken {
				t.Errorf("route %s goes to both %s and %s", route, other, name)
			}
			routes[route] = name
		}
	}
	return routes
}

// gatewayRoute is the route that API Gateway picks for a path: the path itself, else the longest greedy one, else $default.
func gatewayRoute(routes map[string]string, path string) string {
	if _, ok := routes[path]; ok {
		return path
	}
	for prefix := path; prefix != ""; {
		prefix = prefix[:strings.LastIndexByte(prefix, '/')]
		if greedy := prefix + "/{proxy+}"; routes[greedy] != "" {
			return greedy
		}
	}
	return "$default"
}
