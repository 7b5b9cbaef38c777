// Package docs serves the description of the API: as a file for programs and as a
// page for people.
package docs

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Pages are the description of the API.
type Pages struct{}

// Routes are the rows of the description.
func (p Pages) Routes() []api.Route {
	const resource = "docs"
	return []api.Route{
		{Method: http.MethodGet, Path: "/openapi.yaml", Resource: resource, Access: api.Public(p.file)},
		{Method: http.MethodGet, Path: "/docs", Resource: resource, Access: api.Public(p.page)},
	}
}

func (p Pages) file(http.ResponseWriter, *http.Request) error {
	return hermod.Errorf(hermod.CodeUnavailable, "this is not built yet")
}

func (p Pages) page(http.ResponseWriter, *http.Request) error {
	return hermod.Errorf(hermod.CodeUnavailable, "this is not built yet")
}
