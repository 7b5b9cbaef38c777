package universign

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// An EventStore is the event log of accounts.
type EventStore interface {
	// Event reads an event that the owner may see. It fails with CodeNotFound.
	Event(ctx context.Context, owner string, id hermod.ID) (*hermod.Event, error)
	// Events is a page of the log.
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
	// Usage sums up what an account's events used up, by kind and level.
	Usage(ctx context.Context, q hermod.UsageQuery) ([]hermod.Unit, error)
}

// Events are the events of a workspace: one, a list, a file of all that match, and
// the report of what they used up.
type Events struct {
	Store EventStore
	// Exports keeps files that are too large for an answer, where answers are not
	// streamed; nil where they are.
	Exports Exports
	// Random fills p with random bytes.
	Random func(p []byte)
	Now    func() time.Time
}

// eventsResource names the function that serves the rows. It is one of its own: with
// all that the others need it would be too large.
const eventsResource = "universignevents"

const (
	eventsPath = Base + "/events"
	eventPath  = eventsPath + "/{eventId}"
)

// Routes are the rows of the events.
func (e *Events) Routes() []api.Route {
	all := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeUniversignEvents, h) }
	return []api.Route{
		{Method: http.MethodGet, Path: eventsPath, Resource: eventsResource, Access: all(e.list)},
		{Method: http.MethodGet, Path: eventsPath + "/report", Resource: eventsResource, Access: all(e.report)},
		{Method: http.MethodGet, Path: eventsPath + "/export", Resource: eventsResource, Access: all(e.export)},
		{Method: http.MethodGet, Path: eventPath, Resource: eventsResource, Access: all(e.read)},
	}
}

// read answers one event. Another account's, another dialect's, and a mock, do not
// exist.
func (e *Events) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	notFound := hermod.Errorf(hermod.CodeNotFound, "no event has this id")
	id, ok := ParseEventID(r.PathValue("eventId"))
	if !ok {
		return notFound
	}
	event, err := e.Store.Event(r.Context(), p.Account, id)
	if err != nil {
		if hermod.CodeOf(err) == hermod.CodeNotFound {
			return notFound
		}
		return fmt.Errorf("reading an event: %w", err)
	}
	if !shows(p.Account, event) {
		return notFound
	}
	return api.WriteJSON(w, http.StatusOK, eventObjectOf(event))
}

// maxListBytes bounds the data of a page: Lambda's own limit is 6 MB.
const maxListBytes = 4 << 20

func (e *Events) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	// What is answered depends on this header, also where the answer is an error.
	w.Header().Add("Vary", "Accept")
	if prefersCSV(r.Header.Values("Accept")) {
		return e.export(w, r, p)
	}
	q := &input.Query{Request: r}
	filter := eventFilterOf(q, p)
	limit := q.Limit(paramLimit, usualPage, maxPage)
	if err := q.Err(); err != nil {
		return err
	}
	found, err := e.find(r.Context(), filter, limit)
	if err != nil {
		return err
	}
	answer := listObject[eventObject]{Object: "list", Data: []eventObject{}, HasMore: found.more}
	bytes := 0
	for i, event := range found.events {
		if bytes += len(event.Data); bytes > maxListBytes && i > 0 {
			answer.HasMore, found.next = true, hermod.ID{} // the last one shown is where to go on
			break
		}
		answer.Data = append(answer.Data, eventObjectOf(event))
	}
	if !found.next.IsZero() {
		answer.Next = EventID(found.next)
	}
	if total := len(answer.Data); !answer.HasMore && !filter.continued {
		answer.Total = &total
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}
