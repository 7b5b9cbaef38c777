package telia

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// Hooks are the hooks and the subscriptions to them.
type Hooks struct {
	Store   subscription.Store
	Targets subscription.Targets
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
	sub := s.keeper().New(p.Account, p.Tenant)
	sub.Type = hermod.Webhook
	if err := s.fill(sub, f); err != nil {
		return err
	}
	if err := s.keeper().Create(r.Context(), sub, func() string { return s.NewID().GUID() }); err != nil {
		return err
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
		f.Wrong = append(f.Wrong, subscription.Refusals(s.Targets.Check(hermod.Webhook, raw), "Uri", "Headers")...)
	}
	sub.Secrets.Configuration = raw
	return f.Err()
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

// shownTo selects the subscriptions that the principal sees here.
func shownTo(p *hermod.Principal) subscription.Filter {
	return subscription.LiveOf(hermod.TeliaSign, p.Tenant)
}

func (s *Hooks) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	all, err := subscription.List(r.Context(), s.Store, p.Account, shownTo(p))
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *hermod.Subscription) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	items := make([]wireSubscription, len(all))
	for i, sub := range all {
		opened, err := subscription.Open(r.Context(), s.Store, sub)
		if err != nil {
			return err
		}
		if items[i], err = wireSubscriptionOf(opened); err != nil {
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
	shown := func(sub *hermod.Subscription) bool { return shownTo(p)(sub) && eventType(sub) == strings.ToLower(name) }
	return subscription.Find(r.Context(), s.Store, hermod.Ref{Owner: p.Account, ID: id.GUID()}, shown, errNoSubscription())
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

func (s *Hooks) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	find := func() (*hermod.Subscription, error) { return s.find(r, p) }
	if _, err := s.keeper().Change(r.Context(), find, s.keeper().Delete); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *Hooks) keeper() subscription.Keeper {
	return subscription.Keeper{
		Dialect: hermod.TeliaSign, Store: s.Store, Targets: s.Targets, URL: "Uri", Now: s.Now, Busy: "The subscription is being changed by others; try again.",
	}
}
