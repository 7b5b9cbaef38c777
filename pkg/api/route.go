// Package api is what the dialects share: the route table and how it is served,
// links, cursors and the reading of requests.
package api

import (
	"net/http"
	"slices"

	"hermod/pkg/hermod"
)

// A Route is one row of the route table. The table is all there is: a path
// without a row is answered 404, a method without a row 405, and a row without
// an Access cannot be served.
type Route struct {
	// Method and Path are matched exactly; a segment {name} of the path matches
	// any one segment.
	Method string
	Path   string
	// AliasOf is the path that this one is another spelling of; "" for none.
	AliasOf string
	// Resource names the function that serves the row on AWS.
	Resource string
	Access   Access
}

// An Access says who may call a route and what then runs. It is made by Public or
// Scoped.
type Access struct {
	scope   string
	public  func(http.ResponseWriter, *http.Request) error
	counted func(*http.Request) (string, error)
	scoped  ScopedHandler
}

// A ScopedHandler runs for a principal that holds the route's scope. It takes
// whose data it may touch from the principal alone.
type ScopedHandler func(http.ResponseWriter, *http.Request, *hermod.Principal) error

// Public lets everyone call.
func Public(h func(http.ResponseWriter, *http.Request) error) Access {
	return Access{public: h}
}

// CountedBy has the requests to a public row counted by the Limiter, for the credential
// that they present all the same, as a login does. It answers the credential's id once it
// knows that there is such a credential: whoever could name any would be counted for
// others, or never. What it fails with is the request's answer. It is asked only where
// there is a Limiter, so the handler must not rely on it.
func (a Access) CountedBy(credential func(*http.Request) (string, error)) Access {
	a.counted = credential
	return a
}

// Scoped lets principals call that hold the scope.
func Scoped(scope string, h ScopedHandler) Access {
	return Access{scope: scope, scoped: h}
}

// Scope is the scope a caller must hold; "" for a public route.
func (a Access) Scope() string { return a.scope }

// IsPublic reports whether everyone may call.
func (a Access) IsPublic() bool { return a.public != nil }

func (a Access) valid() bool {
	if a.public == nil && a.counted != nil { // others are counted for their principal
		return false
	}
	return (a.public != nil) != (a.scoped != nil && a.scope != "")
}

// WithAliases adds to the rows, for each path with aliases, the same rows under
// those.
func WithAliases(rows []Route, aliases map[string][]string) []Route {
	all := slices.Clone(rows)
	for _, row := range rows {
		for _, path := range aliases[row.Path] {
			alias := row
			alias.Path, alias.AliasOf = path, row.Path
			all = append(all, alias)
		}
	}
	return all
}
