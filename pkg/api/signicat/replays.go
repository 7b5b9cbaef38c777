package signicat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// A ReplayStore reads what can be delivered again, and replays.
type ReplayStore interface {
	subscription.Reader
	// Event reads an event that the owner may see. It fails with CodeNotFound.
	Event(ctx context.Context, owner string, id hermod.ID) (*hermod.Event, error)
	// Definition reads what an account has registered about a type. It fails with
	// CodeNotFound.
	Definition(ctx context.Context, account, event string) (*hermod.Definition, error)
	// Replay reads one. It fails with CodeNotFound.
	Replay(ctx context.Context, key hermod.ReplayKey) (*hermod.Replay, error)
	// Replays is a page of an owner's replays, the newest first.
	Replays(ctx context.Context, q hermod.ReplayQuery) ([]*hermod.Replay, error)
}

// A Starter delivers one event again.
type Starter interface {
	// ToMatching delivers to all that the event matches now, of the owners.
	ToMatching(ctx context.Context, e *hermod.Event, owners []string) error
	// To delivers to one subscription. It fails with CodeConflict where that is not
	// in force.
	To(ctx context.Context, e *hermod.Event, sub *hermod.Subscription) error
}

// A Planner keeps the replays that a runner carries out.
type Planner interface {
	// Count sets what the replay's filter selects now.
	Count(ctx context.Context, r *hermod.Replay) error
	// Create counts, and puts the replay.
	Create(ctx context.Context, r *hermod.Replay) error
	// Cancel ends a replay. It fails with CodeConflict where the replay is done.
	Cancel(ctx context.Context, key hermod.ReplayKey) error
}

// A Mocker accepts mocked events.
type Mocker interface {
	Mock(ctx context.Context, e hermod.Event, to hermod.Ref) (*hermod.Event, error)
}

// Replays deliver again: one event, a mocked one, or what a filter selects.
type Replays struct {
	Store   ReplayStore
	Starter Starter
	Planner Planner
	Mocker  Mocker
	// Sample is example data of a published type.
	Sample  func(event string) (json.RawMessage, bool)
	Cursors api.Cursors
	BaseURL api.BaseURL
	Now     func() time.Time
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

// event delivers one event again, to all that it matches now or to the one
// subscription that the query names.
func (p *Replays) event(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	owners, err := ownersOf(r, who)
	if err != nil {
		return err
	}
	e, err := p.findEvent(r.Context(), owners, r.PathValue("id"))
	if err != nil {
		return err
	}
	if id := api.Query(r, "subscriptionId"); id != "" {
		sub, err := findSubscription(r.Context(), p.Store, owners, id)
		if err != nil {
			return err
		}
		err = p.Starter.To(r.Context(), e, sub)
		if err != nil {
			return fmt.Errorf("replaying an event to %s: %w", sub.ID, err)
		}
	} else if err := p.Starter.ToMatching(r.Context(), e, owners); err != nil {
		return fmt.Errorf("replaying an event: %w", err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (p *Replays) findEvent(ctx context.Context, owners []string, text string) (*hermod.Event, error) {
	id, err := hermod.ParseID(text)
	if err != nil {
		return nil, errNoEvent()
	}
	for _, owner := range owners {
		e, err := p.Store.Event(ctx, owner, id)
		if err == nil {
			return e, nil
		}
		if hermod.CodeOf(err) != hermod.CodeNotFound {
			return nil, fmt.Errorf("reading an event: %w", err)
		}
	}
	return nil, errNoEvent()
}

// create starts a replay of what a filter selects, or only counts it.
func (p *Replays) create(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	owners, err := ownersOf(r, who)
	if err != nil {
		return err
	}
	body, err := readMembers(r, maxSmallBody, "after", "before", "events", "tags", "subscriptionId", "rate", "preview")
	if err != nil {
		return err
	}
	in := fieldsOf(body)
	replay := &hermod.Replay{Owner: owners[0], Owners: owners, Rate: hermod.DefaultReplayRate}
	preview, err := readReplay(in, replay, p.Now())
	if err != nil {
		return err
	}
	if replay.SubscriptionID != "" {
		if _, err := findSubscription(r.Context(), p.Store, owners, replay.SubscriptionID); err != nil {
			return err
		}
	}
	if preview {
		if err := p.Planner.Count(r.Context(), replay); err != nil {
			return err
		}
		return api.WriteJSON(w, http.StatusOK, replay.Expected)
	}
	if err := p.Planner.Create(r.Context(), replay); err != nil {
		return err
	}
	item := replayItemOf(replay, p.BaseURL.Of(r))
	w.Header().Set("Location", item.URL)
	return api.WriteJSON(w, http.StatusAccepted, item)
}

// find reads the replay that the path names.
func (p *Replays) find(r *http.Request, who *hermod.Principal) (*hermod.Replay, error) {
	owners, err := ownersOf(r, who)
	if err != nil {
		return nil, err
	}
	missing := hermod.Errorf(hermod.CodeNotFound, "no replay has this id")
	id, err := hermod.ParseID(r.PathValue("replayId"))
	if err != nil {
		return nil, missing
	}
	for _, owner := range owners {
		replay, err := p.Store.Replay(r.Context(), hermod.ReplayKey{Owner: owner, ID: id})
		if err == nil {
			return replay, nil
		}
		if hermod.CodeOf(err) != hermod.CodeNotFound {
			return nil, fmt.Errorf("reading a replay: %w", err)
		}
	}
	return nil, missing
}

func (p *Replays) read(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	replay, err := p.find(r, who)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, replayItemOf(replay, p.BaseURL.Of(r)))
}

// cancel ends a replay. It may be asked again; what is done cannot be cancelled.
func (p *Replays) cancel(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	replay, err := p.find(r, who)
	if err != nil {
		return err
	}
	if err := p.Planner.Cancel(r.Context(), replay.Key()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (p *Replays) list(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	owner, err := ownerOf(r, who)
	if err != nil {
		return err
	}
	pages, err := readPager(r, p.Cursors, "replays", owner)
	if err != nil {
		return err
	}
	q := hermod.ReplayQuery{Owner: owner, Limit: pages.limit + 1} // one more tells of a next page
	if pages.position != "" {
		if q.Below, err = hermod.ParseID(pages.position); err != nil {
			return fmt.Errorf("reading a position: %w", err)
		}
	}
	replays, err := p.Store.Replays(r.Context(), q)
	if err != nil {
		return fmt.Errorf("listing replays: %w", err)
	}
	base := p.BaseURL.Of(r)
	order := func(replay *hermod.Replay) string { return replay.ID.String() }
	show := func(replay *hermod.Replay) replayItem { return replayItemOf(replay, base) }
	return writePage(w, pages, base+Base+"/replays", replays, order, show)
}
