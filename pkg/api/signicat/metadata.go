package signicat

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Metadata is the catalog: the published event types, those an account registered,
// and the types of subscriptions.
type Metadata struct {
	BaseURL api.BaseURL
}

// Routes are the rows of the catalog.
func (m *Metadata) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "metadata", Base + "/metadata/events", Base + "/metadata/events/{type}"
	return api.WithAliases([]api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(m.list)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(m.read)},
		{Method: http.MethodPut, Path: one, Resource: resource, Access: manage(m.put)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(m.remove)},
		{Method: http.MethodGet, Path: Base + "/metadata/subscription-types", Resource: resource, Access: manage(m.subscriptionTypes)},
	}, map[string][]string{list: {Base + "/metadata", Base + "/metadata/event-types"}})
}

func (m *Metadata) list(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (m *Metadata) read(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (m *Metadata) put(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (m *Metadata) remove(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (m *Metadata) subscriptionTypes(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}

// errSkeleton goes when the last handler is built.
var errSkeleton = hermod.Errorf(hermod.CodeUnavailable, "this is not built yet")
