package signicat

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Credentials are the OAuth clients and API keys of an account.
type Credentials struct {
	BaseURL api.BaseURL
}

// Routes are the rows of the credentials.
func (c *Credentials) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "credentials", Base + "/credentials", Base + "/credentials/{credentialId}"
	return []api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(c.list)},
		{Method: http.MethodPost, Path: list, Resource: resource, Access: manage(c.create)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(c.read)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(c.revoke)},
	}
}

func (c *Credentials) list(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (c *Credentials) create(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (c *Credentials) read(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (c *Credentials) revoke(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
