package signicat

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// Letters reads and purges dead letters.
type Letters interface {
	// Find reads the dead letter whose last row the key names. It fails with
	// CodeNotFound, also for one that is a dead letter no more.
	Find(ctx context.Context, key hermod.AttemptKey) (*hermod.Attempt, error)
	// Page is a page of an owner's dead letters.
	Page(ctx context.Context, q hermod.LetterQuery) (hermod.LetterPage, error)
	// Clear purges one of an owner's.
	Clear(ctx context.Context, owner string, key hermod.AttemptKey) error
	// Purge purges what the query selects, as far as one call goes.
	Purge(ctx context.Context, q hermod.LetterQuery) (hermod.PurgeCount, error)
}

// A Redriver starts a delivery again, and answers the attempt with which the new run
// begins. It fails with CodeConflict where the subscription does not take the event now.
type Redriver interface {
	// Redrive starts the run after the one that a dead letter ended.
	Redrive(ctx context.Context, letter *hermod.Attempt, e *hermod.Event, sub *hermod.Subscription) (hermod.AttemptKey, error)
	// Retry starts another run of a delivery. It fails with CodeConflict while one is
	// under way.
	Retry(ctx context.Context, e *hermod.Event, sub *hermod.Subscription) (hermod.AttemptKey, error)
}

// DeadLetters are the deliveries that ended dead: listed, read, redriven and purged. It
// also tries any delivery of the log again.
type DeadLetters struct {
	Store    LogStore
	Letters  Letters
	Redriver Redriver
	// Planner keeps the redrives of what a filter selects, which are replays.
	Planner Planner
	Cursors api.Cursors
	BaseURL api.BaseURL
	Now     func() time.Time
}

// Routes are the rows of dead letters.
func (d *DeadLetters) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "deadletters", Base + "/dead-letters", Base + "/dead-letters/{id}"
	return []api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(d.list)},
		{Method: http.MethodPost, Path: list + "/redrive", Resource: resource, Access: manage(d.redriveSome)},
		{Method: http.MethodPost, Path: list + "/purge", Resource: resource, Access: manage(d.purgeSome)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(d.read)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(d.purge)},
		{Method: http.MethodPost, Path: one + "/redrive", Resource: resource, Access: manage(d.redrive)},
		{Method: http.MethodPost, Path: Base + "/delivery-logs/{id}/retry", Resource: resource, Access: manage(d.retry)},
	}
}

func (d *DeadLetters) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	q, err := parseLetterQuery(r, owner)
	if err != nil {
		return err
	}
	scope := []string{"dead-letters", owner, q.SubscriptionID, fmt.Sprint(q.Reasons, q.Patterns, boundText(q.Above), boundText(q.Below))}
	pages, err := readPager(r, d.Cursors, scope...)
	if err != nil {
		return err
	}
	q.Limit = pages.limit
	if pages.position != "" {
		position, err := hermod.ParseDeadKey(pages.position)
		if err != nil {
			return fmt.Errorf("reading a position: %w", err)
		}
		q.Below = &position
	}
	if q.SubscriptionID != "" {
		if _, err := d.subscription(r.Context(), []string{owner}, q.SubscriptionID); err != nil {
			return err
		}
	}
	found, err := d.Letters.Page(r.Context(), q)
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	answer := page[letterItem]{}
	if answer.Data, err = d.items(r.Context(), r, p, found.Letters); err != nil {
		return err
	}
	if found.Next != nil {
		cursor, err := d.Cursors.Make(r.Context(), scope, found.Next.String())
		if err != nil {
			return err
		}
		answer.Next = nullable(nextPage(r, d.BaseURL.Of(r)+Base+"/dead-letters", "page", cursor))
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// parseLetterQuery reads the filter of a list. It fails with CodeInvalid, naming every
// parameter at fault.
func parseLetterQuery(r *http.Request, owner string) (hermod.LetterQuery, error) {
	p := input.Query{Request: r}
	q := hermod.LetterQuery{DeadQuery: hermod.DeadQuery{Owner: owner, SubscriptionID: p.One("subscriptionId")}}
	if text := p.One("event"); text != "" {
		pattern, ok := hermod.ParsePattern(text)
		p.Check("event", ok, "must be sender:name, sender:* or *")
		q.Patterns = []hermod.Pattern{pattern}
	}
	if text := p.One("reason"); text != "" {
		reason := hermod.Reason(text)
		p.Check("reason", slices.Contains(hermod.DeadReasons(), reason), "must be "+deadReasons())
		q.Reasons = []hermod.Reason{reason}
	}
	after, hasAfter := p.Time("after")
	before, hasBefore := p.Time("before")
	q.Above, q.Below = letterBounds(after, hasAfter, before, hasBefore)
	return q, p.Err()
}

// letterBounds are bounds on when letters died, both exclusive.
func letterBounds(after time.Time, hasAfter bool, before time.Time, hasBefore bool) (above, below *hermod.DeadKey) {
	if hasAfter {
		above = &hermod.DeadKey{At: after.Add(1)} // before every letter of the next nanosecond
	}
	if hasBefore {
		below = &hermod.DeadKey{At: before}
	}
	return above, below
}

func boundText(k *hermod.DeadKey) string {
	if k == nil {
		return ""
	}
	return k.At.UTC().Format(time.RFC3339Nano)
}

func deadReasons() string {
	var names []string
	for _, reason := range hermod.DeadReasons() {
		names = append(names, string(reason))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// subscription reads one of the owners, tombstones included, whichever dialect it was
// made in: what ends dead is the owner's in any case, as the delivery log is.
func (d *DeadLetters) subscription(ctx context.Context, owners []string, id string) (*hermod.Subscription, error) {
	if len(id) > maxSubscriptionID {
		return nil, errNoSubscription()
	}
	for _, owner := range owners {
		sub, err := d.Store.Subscription(ctx, hermod.Ref{Owner: owner, ID: id})
		if err == nil {
			return sub, nil
		}
		if hermod.CodeOf(err) != hermod.CodeNotFound {
			return nil, fmt.Errorf("reading a subscription: %w", err)
		}
	}
	return nil, errNoSubscription()
}

// find reads the dead letter that the path names.
func (d *DeadLetters) find(r *http.Request, p *hermod.Principal) (*hermod.Attempt, error) {
	owners, err := ownersOf(r, p)
	if err != nil {
		return nil, err
	}
	missing := hermod.Errorf(hermod.CodeNotFound, "no dead letter has this id; it may have been delivered again, or purged")
	key, err := hermod.ParseAttemptKey(r.PathValue("id"))
	if err != nil {
		return nil, missing
	}
	letter, err := d.Letters.Find(r.Context(), key)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && !slices.Contains(owners, letter.Owner)) {
		return nil, missing
	}
	if err != nil {
		return nil, fmt.Errorf("reading a dead letter: %w", err)
	}
	return letter, nil
}

func (d *DeadLetters) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	letter, err := d.find(r, p)
	if err != nil {
		return err
	}
	items, err := d.items(r.Context(), r, p, []*hermod.Attempt{letter})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, items[0])
}

func (d *DeadLetters) purge(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	letter, err := d.find(r, p)
	if err != nil {
		return err
	}
	if err := d.Letters.Clear(r.Context(), letter.Owner, letter.AttemptKey); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *DeadLetters) redrive(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	letter, err := d.find(r, p)
	if err != nil {
		return err
	}
	e, sub, err := d.delivery(r.Context(), letter)
	if err != nil {
		return err
	}
	first, err := d.Redriver.Redrive(r.Context(), letter, e, sub)
	if err != nil {
		return fmt.Errorf("redriving a dead letter: %w", err)
	}
	return d.writeStarted(w, r, first)
}

// retry starts another run of the delivery of which the path names an attempt.
func (d *DeadLetters) retry(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owners, err := ownersOf(r, p)
	if err != nil {
		return err
	}
	a, err := findAttempt(r.Context(), d.Store, owners, r.PathValue("id"))
	if err != nil {
		return err
	}
	e, sub, err := d.delivery(r.Context(), a)
	if err != nil {
		return err
	}
	first, err := d.Redriver.Retry(r.Context(), e, sub)
	if err != nil {
		return fmt.Errorf("trying a delivery again: %w", err)
	}
	return d.writeStarted(w, r, first)
}

// delivery reads the event and the subscription of a row. It fails with CodeConflict
// where one of them is no longer there.
func (d *DeadLetters) delivery(ctx context.Context, a *hermod.Attempt) (*hermod.Event, *hermod.Subscription, error) {
	key := hermod.EventKey{Account: a.Account, ID: a.EventID}
	events, err := d.Store.EventsByKey(ctx, []hermod.EventKey{key})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the event of an attempt: %w", err)
	}
	if events[key] == nil {
		return nil, nil, hermod.Errorf(hermod.CodeConflict, "the log no longer holds the event")
	}
	sub, err := d.Store.Subscription(ctx, hermod.Ref{Owner: a.Owner, ID: a.SubscriptionID})
	if hermod.CodeOf(err) == hermod.CodeNotFound {
		return nil, nil, hermod.Errorf(hermod.CodeConflict, "the subscription has been deleted")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading a subscription: %w", err)
	}
	return events[key], sub, nil
}

// items shows the letters to the principal, as the delivery log shows attempts.
func (d *DeadLetters) items(ctx context.Context, r *http.Request, p *hermod.Principal, letters []*hermod.Attempt) ([]letterItem, error) {
	events, err := eventsOf(ctx, d.Store, letters)
	if err != nil {
		return nil, err
	}
	items := make([]letterItem, len(letters))
	for i, a := range letters {
		e := events[hermod.EventKey{Account: a.Account, ID: a.EventID}]
		if !mayRead(p, a, e) {
			e = nil
		}
		items[i] = letterItemOf(a, e, d.BaseURL.Of(r))
	}
	return items, nil
}
