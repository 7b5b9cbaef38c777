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

// A WebhookStore reads what was sent.
type WebhookStore interface {
	subscription.Reader
	// Subscriptions reads all of an owner's, tombstones included, secrets sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
	// LastOf reads the row of a delivery with the highest run, and of those the one
	// with the highest number; nil where the delivery has none.
	LastOf(ctx context.Context, subscriptionID string, event hermod.ID) (*hermod.Attempt, error)
	// EventsByKey reads events; those that do not exist are missing.
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
}

// A Retrier starts deliveries again.
type Retrier interface {
	// To starts a new run of a delivery. Two that are started at once are one.
	To(ctx context.Context, e *hermod.Event, s *hermod.Subscription) error
}

// Webhooks are the webhooks that were sent, which is what this API calls deliveries.
type Webhooks struct {
	Store   WebhookStore
	Retrier Retrier
	Now     func() time.Time
}

// webhookPath is the path of one.
const webhookPath = webhooksPath + "/{webhookId}"

// Routes are the rows of sent webhooks.
func (h *Webhooks) Routes() []api.Route {
	all := func(handler api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeUniversign, handler) }
	return []api.Route{
		{Method: http.MethodGet, Path: webhooksPath, Resource: resource, Access: all(h.list)},
		{Method: http.MethodGet, Path: webhookPath, Resource: resource, Access: all(h.read)},
		{Method: http.MethodPost, Path: webhookPath + "/reschedule", Resource: resource, Access: all(h.reschedule)},
	}
}

func (h *Webhooks) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	query, err := h.query(r, p)
	if err != nil {
		return err
	}
	found, next, more, err := h.find(r.Context(), query)
	if err != nil {
		return err
	}
	answer := listObject[webhookObject]{Object: "list", Data: []webhookObject{}, HasMore: more}
	if more {
		answer.Next = next.String()
	}
	for _, s := range found {
		answer.Data = append(answer.Data, s.object())
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// query reads what the list is filtered by.
func (h *Webhooks) query(r *http.Request, p *hermod.Principal) (webhookQuery, error) {
	q := &input.Query{Request: r}
	query := webhookQuery{log: hermod.LogQuery{Owner: p.Account}, limit: q.Limit(paramLimit, usualPage, maxPage)}
	query.states, query.types = manyOf(q, "state"), manyOf(q, "event_type")
	unknown := func(known func(string) bool) func(string) bool { return func(s string) bool { return !known(s) } }
	isState := func(s string) bool { return slices.Contains(states(), s) }
	q.Check("state", !slices.ContainsFunc(query.states, unknown(isState)), "must be "+strings.Join(states(), ", ")+", or some of these")
	q.Check("event_type", !slices.ContainsFunc(query.types, unknown(isType)), "holds what is no event type")
	h.bounds(q, &query.log)
	endpoint := q.One("endpoint")
	if err := q.Err(); err != nil {
		return query, err
	}
	query.log.SubscriptionID = endpoint
	var err error
	query.endpoints, err = h.endpoints(r.Context(), p, endpoint)
	return query, err
}

// endpoints are those whose webhooks are asked for, of the workspace's, in the order of
// their ids: the one that is named, or all of them. The log is the account's, which may
// have other workspaces.
func (h *Webhooks) endpoints(ctx context.Context, p *hermod.Principal, named string) ([]endpointOf, error) {
	if named != "" {
		s, err := findEndpoint(ctx, h.Store, p, named)
		if err != nil {
			return nil, err
		}
		id, _ := parseID(endpointPrefix, s.ID)
		return []endpointOf{{id, s}}, nil
	}
	all, err := h.Store.Subscriptions(ctx, p.Account)
	if err != nil {
		return nil, fmt.Errorf("listing subscriptions: %w", err)
	}
	var found []endpointOf
	for _, s := range all {
		if id, ok := parseID(endpointPrefix, s.ID); ok && workspaceOf(p)(s) {
			found = append(found, endpointOf{id, s})
		}
	}
	slices.SortFunc(found, func(a, b endpointOf) int { return a.id.Compare(b.id) })
	return found, nil
}

// bounds reads between what keys the log is read: the period, the event, and where the
// page before ended.
func (h *Webhooks) bounds(q *input.Query, log *hermod.LogQuery) {
	when := periodOf(q)
	above, below := when.above(), when.below()
	if text := q.One("event"); text != "" {
		id, ok := ParseEventID(text)
		q.Check("event", ok, "must be the id of an event")
		// The bounds are on events and exclude them: see the keys below.
		if before := previous(id); above.IsZero() || before.Compare(above) > 0 {
			above = before
		}
		if after := id.Next(); below.IsZero() || after.Compare(below) < 0 {
			below = after
		}
	}
	if !above.IsZero() { // a key without a subscription is before all rows of its event
		log.Above = &hermod.AttemptKey{RunKey: hermod.RunKey{EventID: above.Next()}}
	}
	if !below.IsZero() {
		log.Below = &hermod.AttemptKey{RunKey: hermod.RunKey{EventID: below}}
	}
	if text := q.One(paramStartingAfter); text != "" {
		key, ok := parseWebhookKey(text)
		q.Check(paramStartingAfter, ok, "must be the id of a webhook, or next of a list")
		if end := key.end(); ok && (log.Below == nil || end.Compare(*log.Below) < 0) {
			log.Below = end
		}
	}
}

// previous is the greatest value smaller than id.
func previous(id hermod.ID) hermod.ID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}

func errNoWebhook() error { return hermod.Errorf(hermod.CodeNotFound, "no webhook has this id") }

// one finds the webhook that the path names, and its endpoint, which may be deleted.
func (h *Webhooks) one(r *http.Request, p *hermod.Principal) (s sentWebhook, endpoint *hermod.Subscription, err error) {
	var ok bool
	if s.key, ok = parseWebhookKey(r.PathValue("webhookId")); !ok {
		return s, nil, errNoWebhook()
	}
	ctx := r.Context()
	endpoint, err = findEndpoint(ctx, h.Store, p, s.key.endpointID())
	if hermod.CodeOf(err) == hermod.CodeNotFound {
		return s, nil, errNoWebhook()
	}
	if err != nil {
		return s, nil, err
	}
	if s.last, err = h.Store.LastOf(ctx, endpoint.ID, s.key.event); err != nil {
		return s, nil, fmt.Errorf("reading the last attempt of a webhook: %w", err)
	}
	if s.last != nil && !s.last.RetainUntil.IsZero() && !h.Now().Before(s.last.RetainUntil) {
		return s, nil, errNoWebhook()
	}
	event := hermod.EventKey{Account: p.Account, ID: s.key.event}
	if s.last != nil {
		event.Account = s.last.Account
	}
	events, err := h.Store.EventsByKey(ctx, []hermod.EventKey{event})
	if err != nil {
		return s, nil, fmt.Errorf("reading the event of a webhook: %w", err)
	}
	s.event, s.endpoint = events[event], endpoint
	// Before its first attempt a webhook is known by the event that matched.
	if s.last == nil && (s.event == nil || !slices.Contains(s.event.Matches, endpoint.Ref())) {
		return s, nil, errNoWebhook()
	}
	return s, endpoint, nil
}

func (h *Webhooks) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	s, _, err := h.one(r, p)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, s.object())
}

// reschedule starts a failed webhook anew. Until its first attempt is made, reading the
// webhook shows how it failed before; rescheduled again meanwhile, it is sent once.
func (h *Webhooks) reschedule(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	s, endpoint, err := h.one(r, p)
	if err != nil {
		return err
	}
	switch {
	case s.last == nil || stateOf(s.last) != stateFailed:
		return hermod.Errorf(hermod.CodeConflict, "only a failed webhook can be rescheduled, and this one is %s", s.object().State)
	case endpoint.Deleted():
		return hermod.Errorf(hermod.CodeConflict, "the webhook endpoint has been deleted")
	case s.event == nil:
		return hermod.Errorf(hermod.CodeConflict, "the event is no longer kept")
	}
	if !endpoint.Active {
		return hermod.Errorf(hermod.CodeConflict, "the webhook endpoint answered 410 and is no longer sent to: edit it first")
	}
	if err := h.Retrier.To(r.Context(), s.event, endpoint); err != nil {
		return fmt.Errorf("rescheduling a webhook: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, s.rescheduled())
}
