package signicat

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Replays deliver again: one event, a mocked one, or what a filter selects.
type Replays struct {
	BaseURL api.BaseURL
}

// Routes are the rows of replays and mocks.
func (p *Replays) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "replays", Base + "/replays", Base + "/replays/{replayId}"
	const subscription = Base + "/subscriptions/{subscriptionId}"
	return api.WithAliases([]api.Route{
		{Method: http.MethodPost, Path: Base + "/events/{id}/replay", Resource: resource, Access: manage(p.event)},
		{Method: http.MethodPost, Path: subscription + "/mock", Resource: resource, Access: manage(p.mock)},
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(p.list)},
		{Method: http.MethodPost, Path: list, Resource: resource, Access: manage(p.create)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(p.read)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(p.cancel)},
	}, map[string][]string{
		subscription + "/mock": {subscription + "/mock-event", subscription + "/mockevent", subscription + "/test"},
	})
}

func (p *Replays) event(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (p *Replays) mock(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (p *Replays) list(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (p *Replays) create(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (p *Replays) read(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
func (p *Replays) cancel(http.ResponseWriter, *http.Request, *hermod.Principal) error {
	return errSkeleton
}
