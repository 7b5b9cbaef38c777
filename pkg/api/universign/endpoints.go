package universign

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// An EndpointStore keeps endpoints, with their secrets.
type EndpointStore interface {
	// Subscriptions reads all of an owner's, tombstones included, secrets sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// OpenSecrets sets the secrets of one that was read sealed.
	OpenSecrets(ctx context.Context, s *hermod.Subscription) error
	// Subscription reads one, tombstones included. It fails with CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
	// CreateSubscription puts s as version 1. It fails with CodeConflict where the
	// id is taken.
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	// UpdateSubscription replaces the row whose version is s.Version. It fails with
	// CodePreconditionFailed where the row has another version.
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) ([]*hermod.Attempt, error)
}

// Targets judges the configuration of destinations.
type Targets interface {
	// Check fails with CodeInvalid.
	Check(kind string, configuration json.RawMessage) error
}

// An IDs makes ids that rise.
type IDs interface{ Next() hermod.ID }

// Endpoints are the webhook endpoints: the subscriptions of this dialect.
type Endpoints struct {
	Store   EndpointStore
	Targets Targets
	// EnsureKey makes the key that signs deliveries where there is none.
	EnsureKey func(ctx context.Context) error
	IDs       IDs
	Now       func() time.Time
}

// updateTries is how often an update that lost a race is tried again: this API knows
// no versions, so the last writer wins.
const updateTries = 5

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
	now := e.Now().UTC()
	s := &hermod.Subscription{
		ID: endpointPrefix + e.IDs.Next().Base62(), Owner: p.Account, Tenant: p.Tenant, Dialect: hermod.Universign,
		Active: true, Type: hermod.Webhook, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	f.Required("name", "url", "event_types")
	if err := readEndpoint(f, s, e.Targets); err != nil {
		return err
	}
	// Receivers read the keys before the first delivery comes.
	if err := e.EnsureKey(r.Context()); err != nil {
		return fmt.Errorf("making the first key: %w", err)
	}
	if err := e.Store.CreateSubscription(r.Context(), s); err != nil {
		return fmt.Errorf("creating an endpoint: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, endpointObjectOf(s))
}

func errNoEndpoint() error {
	return hermod.Errorf(hermod.CodeNotFound, "no webhook endpoint has this id")
}

// findEndpoint reads an endpoint of the account, a deleted one too. What another
// owner has, or another dialect, does not exist.
func findEndpoint(ctx context.Context, store interface {
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
}, account, id string) (*hermod.Subscription, error) {
	if _, ok := parseID(endpointPrefix, id); !ok {
		return nil, errNoEndpoint()
	}
	s, err := store.Subscription(ctx, hermod.Ref{Owner: account, ID: id})
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && s.Dialect != hermod.Universign) {
		return nil, errNoEndpoint()
	}
	if err != nil {
		return nil, fmt.Errorf("reading an endpoint: %w", err)
	}
	return s, nil
}

func (e *Endpoints) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	s, err := findEndpoint(r.Context(), e.Store, p.Account, r.PathValue("endpointId"))
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
	_, err := e.change(r, p, func(s *hermod.Subscription) error {
		s.Active, s.DeletedAt = false, e.Now().UTC()
		s.Secrets, s.Sealed = hermod.Secrets{}, nil // the log needs neither
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// change reads, changes and writes the endpoint that the path names, again where
// another writer came between.
func (e *Endpoints) change(r *http.Request, p *hermod.Principal, apply func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	for range updateTries {
		found, err := e.find(r, p)
		if err != nil {
			return nil, err
		}
		s := *found
		if err := apply(&s); err != nil {
			return nil, err
		}
		s.UpdatedAt = e.Now().UTC()
		err = e.Store.UpdateSubscription(r.Context(), &s)
		if err == nil {
			return &s, nil
		}
		if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return nil, fmt.Errorf("updating an endpoint: %w", err)
		}
	}
	return nil, hermod.Errorf(hermod.CodeConflict, "the endpoint is being changed by others; try again")
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
	all, err := e.Store.Subscriptions(r.Context(), p.Account)
	if err != nil {
		return fmt.Errorf("listing endpoints: %w", err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s *hermod.Subscription) bool {
		return s.Deleted() || s.Dialect != hermod.Universign
	})
	slices.SortFunc(all, func(a, b *hermod.Subscription) int { return strings.Compare(b.ID, a.ID) })
	total := len(all)
	if after != "" {
		all = slices.DeleteFunc(all, func(s *hermod.Subscription) bool { return s.ID >= after })
	}
	part := slices.Clone(all[:min(limit, len(all))])
	for i := range part {
		opened := *part[i]
		if err := e.Store.OpenSecrets(r.Context(), &opened); err != nil {
			return fmt.Errorf("listing endpoints: %w", err)
		}
		part[i] = &opened
	}
	return writePart(w, part, len(all) > limit, total, endpointObjectOf)
}
