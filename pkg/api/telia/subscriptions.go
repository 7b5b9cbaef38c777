package telia

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A SubscriptionStore keeps subscriptions, with their secrets.
type SubscriptionStore interface {
	// Subscriptions reads all of an owner's, tombstones included, secrets sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// OpenSecrets sets the secrets of one that was read sealed.
	OpenSecrets(ctx context.Context, s *hermod.Subscription) error
	// Subscription reads one with its secrets, tombstones included. It fails with
	// CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
	// CreateSubscription puts s as version 1. It fails with CodeConflict where the
	// id is taken.
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	// UpdateSubscription replaces the row whose version is s.Version. It fails with
	// CodePreconditionFailed where the row has another version.
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
}

// Targets judges the configuration of destinations.
type Targets interface {
	// Check fails with CodeInvalid, naming the member at fault.
	Check(kind string, configuration json.RawMessage) error
}

// Hooks are the hooks and the subscriptions to them.
type Hooks struct {
	Store   SubscriptionStore
	Targets Targets
	Now     func() time.Time
	// NewID makes the id of a subscription.
	NewID func() hermod.ID
}

// Routes are the rows of the hooks: those of the version, and of the API as it was
// called before it had one.
func (s *Hooks) Routes() []api.Route {
	mine := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeTeliaSign, h) }
	const list, one = "/subscription", "/subscription/{subscriptionId}"
	const current, former = "/hooks/v1", "/hooks"
	return api.WithAliases([]api.Route{
		{Method: http.MethodGet, Path: current, Resource: resource, Access: mine(listHooks)},
		{Method: http.MethodPost, Path: current + list, Resource: resource, Access: mine(s.create)},
		{Method: http.MethodGet, Path: current + list, Resource: resource, Access: mine(s.list)},
		{Method: http.MethodGet, Path: current + one, Resource: resource, Access: mine(s.read)},
		{Method: http.MethodDelete, Path: current + one, Resource: resource, Access: mine(s.remove)},
	}, map[string][]string{current: {former}, current + list: {former + list}, current + one: {former + one}})
}

// The bounds of a subscription: its body in bytes, and its description in characters.
// What Uri and Headers may be is for Targets to say.
const (
	maxBody        = 64 << 10
	maxDescription = 1000
)

func (s *Hooks) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	f, err := readForm(r, maxBody, "Description", "Uri", "EventType", "Headers", "Translate")
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	sub := &hermod.Subscription{
		ID: s.NewID().GUID(), Owner: p.Account, Tenant: p.Tenant, Dialect: hermod.TeliaSign, Type: hermod.Webhook,
		Active: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := s.fill(sub, f); err != nil {
		return err
	}
	if err := s.Store.CreateSubscription(r.Context(), sub); err != nil {
		return fmt.Errorf("creating a subscription: %w", err)
	}
	// 200 is inferred (wire facts, 3.2).
	return api.WriteJSON(w, http.StatusOK, map[string]string{"id": sub.ID})
}

// fill reads the body into a new subscription.
func (s *Hooks) fill(sub *hermod.Subscription, f *form) error {
	sub.Description = f.text("Description", maxDescription)
	f.Read("Translate", &sub.Translate, "true or false")
	if name := f.required("EventType", maxBody); name != "" {
		h, ok := hookOf(name)
		if !ok {
			f.Fail("EventType", "must be one of the hooks")
		}
		sub.Filters = []hermod.Pattern{h.pattern()}
	}
	// What push reads of a webhook.
	configuration := struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
	}{f.required("Uri", maxBody), f.texts("Headers")}
	raw, err := json.Marshal(configuration)
	if err != nil {
		return fmt.Errorf("encoding a configuration: %w", err)
	}
	if configuration.URL != "" {
		f.refused(s.Targets.Check(hermod.Webhook, raw))
	}
	sub.Secrets.Configuration = raw
	return f.Err()
}

// refused notes why a target is refused, by the names that its members have here.
func (f *form) refused(err error) {
	if err == nil {
		return
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || len(e.Fields) == 0 {
		f.Fail("Uri", err.Error())
		return
	}
	names := strings.NewReplacer("typeConfiguration.url", "Uri", "typeConfiguration.headers", "Headers", "typeConfiguration", "Uri")
	for _, field := range e.Fields {
		head, rest := field.Name, ""
		if name, ok := strings.CutPrefix(field.Name, "typeConfiguration.headers."); ok {
			head, rest = "typeConfiguration.headers", "."+name // a header may be called anything
		}
		f.Fail(names.Replace(head)+rest, field.Reason)
	}
}

// wireSubscription is a subscription as it is answered. Headers are not: they are its
// secrets.
type wireSubscription struct {
	ID          string `json:"id"`
	EventType   string `json:"eventType"`
	URI         string `json:"uri"`
	Description string `json:"description"`
	// Translate is Hermod's own, shown only where it was asked for.
	Translate bool `json:"translate,omitempty"`
}

func wireSubscriptionOf(sub *hermod.Subscription) (wireSubscription, error) {
	var configuration struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(sub.Secrets.Configuration, &configuration); err != nil {
		return wireSubscription{}, fmt.Errorf("reading the configuration of subscription %s: %w", sub.ID, err)
	}
	return wireSubscription{
		ID: sub.ID, EventType: eventType(sub), URI: configuration.URL, Description: sub.Description, Translate: sub.Translate,
	}, nil
}

// eventType is the one type that a subscription is for.
func eventType(sub *hermod.Subscription) string {
	if len(sub.Filters) == 0 {
		return ""
	}
	_, name, _ := strings.Cut(string(sub.Filters[0]), ":")
	return name
}

// mine reports whether a subscription is one that the principal sees here.
func mine(sub *hermod.Subscription, p *hermod.Principal) bool {
	return sub.Dialect == hermod.TeliaSign && sub.Tenant == p.Tenant && !sub.Deleted()
}

func (s *Hooks) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	all, err := s.Store.Subscriptions(r.Context(), p.Account)
	if err != nil {
		return fmt.Errorf("listing subscriptions: %w", err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(sub *hermod.Subscription) bool { return !mine(sub, p) })
	slices.SortFunc(all, func(a, b *hermod.Subscription) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	items := make([]wireSubscription, len(all))
	for i, sub := range all {
		opened := *sub
		if err := s.Store.OpenSecrets(r.Context(), &opened); err != nil {
			return err
		}
		if items[i], err = wireSubscriptionOf(&opened); err != nil {
			return err
		}
	}
	return api.WriteJSON(w, http.StatusOK, map[string]any{"items": items})
}

func errNoSubscription() error {
	return hermod.Errorf(hermod.CodeNotFound, "no subscription has this id and event type")
}

// find reads the subscription that the path and the query name. One that is another
// tenant's, another dialect's, of another type or deleted does not exist.
func (s *Hooks) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	// The portal's own sample repeats the parameter after another question mark.
	name, _, _ := strings.Cut(api.Query(r, "eventType"), "?")
	if name == "" {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: "eventType", Reason: "is required in the query"})
	}
	id, err := hermod.ParseGUID(r.PathValue("subscriptionId"))
	if err != nil {
		return nil, errNoSubscription()
	}
	sub, err := s.Store.Subscription(r.Context(), hermod.Ref{Owner: p.Account, ID: id.GUID()})
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && (!mine(sub, p) || eventType(sub) != strings.ToLower(name))) {
		return nil, errNoSubscription()
	}
	if err != nil {
		return nil, fmt.Errorf("reading a subscription: %w", err)
	}
	return sub, nil
}

func (s *Hooks) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	sub, err := s.find(r, p)
	if err != nil {
		return err
	}
	wire, err := wireSubscriptionOf(sub)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, wire)
}

// removeTries is how often a removal that lost a race is tried again.
const removeTries = 5

func (s *Hooks) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	for range removeTries {
		found, err := s.find(r, p)
		if err != nil {
			return err
		}
		sub := *found
		sub.Active, sub.DeletedAt = false, s.Now().UTC()
		sub.UpdatedAt = sub.DeletedAt
		sub.Secrets, sub.Sealed = hermod.Secrets{}, nil // the log needs neither
		err = s.Store.UpdateSubscription(r.Context(), &sub)
		if err == nil {
			w.WriteHeader(http.StatusAccepted)
			return nil
		}
		if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return fmt.Errorf("removing a subscription: %w", err)
		}
	}
	return hermod.Errorf(hermod.CodeConflict, "The subscription is being changed by others; try again.")
}
