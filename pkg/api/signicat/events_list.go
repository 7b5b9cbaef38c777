package signicat

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// maxEventPage is the bound of a page of the event log: what DynamoDB reads in one
// batch.
const maxEventPage = maxListPage

// eventsExamined is how many events are looked at for a page: the log is read through for
// the events of a sender of very many names.
const eventsExamined = 1000

// An eventList is what a request asks of the event log.
type eventList struct {
	query hermod.EventQuery
	tail  bool
	// none says that the bounds leave out every event there can be.
	none bool
	// page is the cursor to go on from; "" for the first page.
	page string
}

func (e *Events) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	l, err := parseEventList(r, owner)
	if err != nil {
		return err
	}
	var events []*hermod.Event
	var next string
	if l.tail {
		events, next, err = e.tailPage(r.Context(), l)
	} else {
		events, next, err = e.listPage(r.Context(), l)
	}
	if err != nil {
		return err
	}
	base := e.BaseURL.Of(r)
	answer := page[eventItem]{Data: make([]eventItem, len(events))}
	for i, event := range events {
		answer.Data[i] = eventItemOf(event, base)
	}
	if next != "" {
		answer.Next = nullable(nextPage(r, base+Base+"/events", "page", next))
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// listPage is a page of the log, the newest first, and the cursor of the next one,
// "" after the last.
//
// One event more than asked for tells whether there is a next page. A full page of
// the largest size does without, since it would take another request to DynamoDB:
// an empty page may follow it.
func (e *Events) listPage(ctx context.Context, l eventList) (events []*hermod.Event, next string, err error) {
	if l.none {
		return nil, "", nil
	}
	scope := l.scope()
	if l.page != "" {
		if l.query.Below, err = e.position(ctx, scope, l.page); err != nil {
			return nil, "", err
		}
	}
	limit := l.query.Limit
	l.query.Limit, l.query.Examine = min(limit+1, maxEventPage), eventsExamined
	log, err := e.Store.Events(ctx, l.query)
	if err != nil {
		return nil, "", fmt.Errorf("listing events: %w", err)
	}
	if len(log.Events) == l.query.Limit {
		log.Events = log.Events[:limit]
		log.Next = log.Events[limit-1].ID
	}
	if log.Next.IsZero() {
		return log.Events, "", nil
	}
	next, err = e.Cursors.Make(ctx, scope, log.Next.String())
	return log.Events, next, err
}

// tailPage is what has come since the cursor was made, or since the moment that the
// request names; without either it is the newest events as of now. The newest come
// first in any case. The cursor it answers leads to what comes after.
//
// Of more events than a page holds, those since a cursor or a moment are the oldest:
// the next cursor leads to the others.
func (e *Events) tailPage(ctx context.Context, l eventList) (events []*hermod.Event, next string, err error) {
	scope := l.scope()
	position := l.query.Above
	if l.page != "" {
		if position, err = e.position(ctx, scope, l.page); err != nil {
			return nil, "", err
		}
	}
	if l.page == "" && position.IsZero() {
		events, position, err = e.tailStart(ctx, l.query)
	} else {
		events, position, err = e.tailSince(ctx, l.query, position)
	}
	if err != nil {
		return nil, "", err
	}
	next, err = e.Cursors.Make(ctx, scope, position.String())
	return events, next, err
}

func (e *Events) tailStart(ctx context.Context, q hermod.EventQuery) ([]*hermod.Event, hermod.ID, error) {
	position, err := e.Store.Settled(ctx, q)
	if err != nil {
		return nil, position, fmt.Errorf("finding the end of the log: %w", err)
	}
	if position.IsZero() { // an empty log
		return nil, position, nil
	}
	q.Below, q.Examine = position.Next(), eventsExamined
	log, err := e.Store.Events(ctx, q)
	if err != nil {
		return nil, position, fmt.Errorf("listing events: %w", err)
	}
	return log.Events, position, nil
}

func (e *Events) tailSince(ctx context.Context, q hermod.EventQuery, position hermod.ID) ([]*hermod.Event, hermod.ID, error) {
	page, err := e.Store.Tail(ctx, hermod.TailQuery{Owner: q.Owner, Pattern: q.Pattern, After: position, Limit: q.Limit})
	if err != nil {
		return nil, position, fmt.Errorf("following the log: %w", err)
	}
	slices.Reverse(page.Events)
	return page.Events, page.Position, nil
}

// scope binds a cursor to the list, its owner and its filters.
func (l eventList) scope() []string {
	name := "events"
	if l.tail {
		name = "events tail"
	}
	// The bound below is that of the request: the cursor's own takes its place later.
	return []string{name, l.query.Owner, string(l.query.Pattern), l.query.Above.String(), l.query.Below.String()}
}

func (e *Events) position(ctx context.Context, scope []string, cursor string) (hermod.ID, error) {
	position, err := e.Cursors.Read(ctx, scope, "page", cursor)
	if err != nil {
		return hermod.ID{}, err
	}
	id, err := hermod.ParseID(position)
	if err != nil {
		return id, fmt.Errorf("reading a position: %w", err)
	}
	return id, nil
}

// parseEventList reads the query of a list. It fails with CodeInvalid, naming every
// parameter at fault.
func parseEventList(r *http.Request, owner string) (eventList, error) {
	p := input.Query{Request: r}
	l := eventList{query: hermod.EventQuery{Owner: owner}}
	if text := p.One("event"); text != "" {
		pattern, ok := hermod.ParsePattern(text)
		p.Check("event", ok, "must be sender:name, sender:* or *")
		if pattern != hermod.AnyType {
			l.query.Pattern = pattern
		}
	}
	l.query.Limit = p.Limit("limit", maxEventPage, maxEventPage)
	if after, given := p.Time("after"); given {
		l.query.Above = hermod.LastIDAt(after)
	}
	before, bounded := p.Time("before")
	if bounded {
		l.query.Below = hermod.FirstIDAt(before)
		l.none = l.query.Below.IsZero() // before any id
	}
	switch text := strings.ToLower(p.One("tail")); text {
	case "", "false":
	case "true":
		l.tail = true
		p.Check("before", !bounded, "cannot bound a tail, which has no end")
	default:
		p.Check("tail", false, "must be true or false")
	}
	l.page = p.One("page")
	return l, p.Err()
}
