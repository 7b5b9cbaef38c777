package signly

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// An EventStore finds events.
type EventStore interface {
	// Events is a page of an owner's log.
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
}

// History is what happened in a process.
type History struct {
	Store   EventStore
	Cursors api.Cursors
	Now     func() time.Time
}

// Routes is the row of the history.
func (h *History) Routes() []api.Route {
	return []api.Route{{
		Method: http.MethodGet, Path: Base + "/v1/events/{processId}", Resource: resource,
		Access: api.Scoped(hermod.ScopeSignly, h.list),
	}}
}

// The vendor says that there is such a list; its form and these words are inferred.
var historyListed = said{http.StatusOK, "events_listed", "Events listed."}

// list answers the events of one process, the oldest first, each as it is delivered but
// for the attempt. A process that nothing is known of, which another tenant's is, has
// none. What was made up to try a subscription did not happen.
//
// One event more than asked for tells whether there is a next page. A full page of the
// largest size does without, since it would take another request to DynamoDB: an empty
// page may follow it.
func (h *History) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	process := r.PathValue("processId")
	q := input.Query{Request: r}
	limit, cursor := q.Limit("limit", maxPage, maxPage), q.One("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	scope := []string{"signly events", p.Account, p.Tenant, process}
	query := hermod.EventQuery{Owner: p.Account, Subject: process, Ascending: true, Limit: min(limit+1, maxPage)}
	if cursor != "" {
		position, err := h.Cursors.Read(r.Context(), scope, "cursor", cursor)
		if err != nil {
			return err
		}
		if query.Above, err = hermod.ParseID(position); err != nil {
			return fmt.Errorf("reading a position: %w", err)
		}
	}
	var log hermod.EventPage
	if len(process) <= hermod.MaxSubject {
		var err error
		if log, err = h.Store.Events(r.Context(), query); err != nil {
			return fmt.Errorf("listing the events of a process: %w", err)
		}
	}
	more := len(log.Events) == query.Limit
	page := log.Events[:min(limit, len(log.Events))]
	data := make([]wireEvent, 0, len(page))
	var last string
	for _, e := range page {
		if last = e.ID.String(); !e.Mock {
			data = append(data, eventOf(e, p.Tenant))
		}
	}
	pages, err := paginate(r.Context(), h.Cursors, scope, paging{limit, cursor != "", more, last})
	if err != nil {
		return err
	}
	return answer(w, r, h.Now(), historyListed, data, pages)
}
