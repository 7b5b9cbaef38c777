package universign

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// An EndpointStore keeps endpoints, with their secrets.
type EndpointStore interface {
	subscription.Store
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
}

// Endpoints are the webhook endpoints: the subscriptions of this dialect.
type Endpoints struct {
	Store   EndpointStore
	Targets subscription.Targets
	// EnsureKey makes the key that signs deliveries where there is none.
	EnsureKey func(ctx context.Context) error
	// NewID makes ids that rise.
	NewID func() hermod.ID
	Now   func() time.Time
}

const (
	endpointsPath = Base + "/webhook-endpoints"
	endpointPath  = endpointsPath + "/{endpointId}"
)

// Routes are the rows of the endpoints.
func (e *Endpoints) Routes() []api.Route {
	all := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeUniversign, h) }
	return []api.Route{
		{Method: http.MethodGet, Path: endpointsPath, Resource: resource, Access: all(e.list)},
		{Method: http.MethodPost, Path: endpointsPath, Resource: resource, Access: all(e.create)},
		{Method: http.MethodGet, Path: endpointPath, Resource: resource, Access: all(e.read)},
		{Method: http.MethodPost, Path: endpointPath, Resource: resource, Access: all(e.update)},
		{Method: http.MethodPut, Path: endpointPath, Resource: resource, Access: all(e.update)},
		{Method: http.MethodPatch, Path: endpointPath, Resource: resource, Access: all(e.update)},
		{Method: http.MethodDelete, Path: endpointPath, Resource: resource, Access: all(e.remove)},
	}
}

func (e *Endpoints) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	f, err := endpointBody().read(r)
	if err != nil {
		return err
	}
	if err := ownWorkspace(f, p); err != nil {
		return err
	}
	s := e.keeper().New(p.Account, p.Tenant)
	s.Type = hermod.Webhook
	f.Required("name", "url", "event_types")
	if err := readEndpoint(f, s, e.Targets); err != nil {
		return err
	}
	// Receivers read the keys before the first delivery comes.
	if err := e.EnsureKey(r.Context()); err != nil {
		return fmt.Errorf("making the first key: %w", err)
	}
	if err := e.keeper().Create(r.Context(), s, func() string { return endpointPrefix + e.NewID().Base62() }); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, endpointObjectOf(s))
}

func errNoEndpoint() error {
	return hermod.Errorf(hermod.CodeNotFound, "no webhook endpoint has this id")
}

// workspaceOf selects the endpoints of the caller's workspace, deleted ones too. An
// account may have several workspaces, which see nothing of each other's endpoints.
func workspaceOf(p *hermod.Principal) subscription.Filter {
	return func(s *hermod.Subscription) bool { return s.Dialect == hermod.Universign && s.Tenant == p.Tenant }
}

// findEndpoint reads an endpoint of the workspace, a deleted one too. What another
// has, or another dialect, does not exist.
func findEndpoint(ctx context.Context, store subscription.Reader, p *hermod.Principal, id string) (*hermod.Subscription, error) {
	if _, ok := parseID(endpointPrefix, id); !ok {
		return nil, errNoEndpoint()
	}
	return subscription.Find(ctx, store, hermod.Ref{Owner: p.Account, ID: id}, workspaceOf(p), errNoEndpoint())
}

func (e *Endpoints) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	s, err := findEndpoint(r.Context(), e.Store, p, r.PathValue("endpointId"))
	if err == nil && s.Deleted() {
		return nil, errNoEndpoint()
	}
	return s, err
}

func (e *Endpoints) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	s, err := e.find(r, p)
	if err != nil {
		return err
	}
	rate, err := rateOf(r.Context(), e.Store, s.Ref())
	if err != nil {
		return err
	}
	o := endpointObjectOf(s)
	o.SuccessRate = &rate
	return api.WriteJSON(w, http.StatusOK, o)
}

// update changes what the body names. An endpoint that answered 410 Gone, and is not
// sent to since, is sent to again.
func (e *Endpoints) update(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	f, err := endpointBody().read(r)
	if err != nil {
		return err
	}
	if err := ownWorkspace(f, p); err != nil {
		return err
	}
	s, err := e.change(r, p, func(s *hermod.Subscription) error {
		s.Active, s.DisabledReason = true, ""
		return readEndpoint(&input.Fields{Members: f.Members}, s, e.Targets)
	})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, endpointObjectOf(s))
}

func (e *Endpoints) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if _, err := e.change(r, p, e.keeper().Delete); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// change changes the endpoint that the path names. This API knows no versions: the last
// writer wins.
func (e *Endpoints) change(r *http.Request, p *hermod.Principal, apply func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	return e.keeper().Change(r.Context(), func() (*hermod.Subscription, error) { return e.find(r, p) }, apply)
}

func (e *Endpoints) keeper() subscription.Keeper {
	return subscription.Keeper{
		Dialect: hermod.Universign, Store: e.Store, Targets: e.Targets, URL: "url", Now: e.Now, Busy: "the endpoint is being changed by others; try again",
	}
}

// list shows the endpoints, the newest first, which is the order of their ids.
func (e *Endpoints) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	q := &input.Query{Request: r}
	limit, after := q.Limit(paramLimit, usualPage, maxPage), q.One(paramStartingAfter)
	if after != "" {
		_, ok := parseID(endpointPrefix, after)
		q.Check(paramStartingAfter, ok, "must be the id of a webhook endpoint")
	}
	if err := q.Err(); err != nil {
		return err
	}
	all, err := subscription.List(r.Context(), e.Store, p.Account, subscription.LiveOf(hermod.Universign, p.Tenant))
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *hermod.Subscription) int { return strings.Compare(b.ID, a.ID) })
	total := len(all)
	if after != "" {
		all = slices.DeleteFunc(all, func(s *hermod.Subscription) bool { return s.ID >= after })
	}
	part := slices.Clone(all[:min(limit, len(all))])
	for i := range part {
		if part[i], err = subscription.Open(r.Context(), e.Store, part[i]); err != nil {
			return err
		}
	}
	return writePart(w, part, len(all) > limit, total, endpointObjectOf)
}
