package signicat

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// An EventStore reads the event log.
type EventStore interface {
	// Event reads an event that the owner may see. It fails with CodeNotFound.
	Event(ctx context.Context, owner string, id hermod.ID) (*hermod.Event, error)
	// Events is a page of the event log.
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
	// Settled is the id up to which the log that q selects is complete: nothing that
	// matches can appear at or below it any more, and Events shows all of it.
	Settled(ctx context.Context, q hermod.EventQuery) (hermod.ID, error)
	// Tail is what has entered the log since a position.
	Tail(ctx context.Context, q hermod.TailQuery) (hermod.TailPage, error)
}

// An Acceptor accepts events.
type Acceptor interface {
	Accept(ctx context.Context, submissions []ingest.Submission) ([]*hermod.Event, error)
}

// Events are the events of the native API: publishing and reading.
type Events struct {
	Store    EventStore
	Acceptor Acceptor
	Cursors  api.Cursors
	BaseURL  api.BaseURL
	Now      func() time.Time
}

// Routes are the rows of the events.
func (e *Events) Routes() []api.Route {
	const resource = "events"
	return []api.Route{
		{Method: http.MethodGet, Path: Base + "/events", Resource: resource, Access: api.Scoped(hermod.ScopeManage, e.list)},
		{Method: http.MethodPost, Path: Base + "/events", Resource: resource, Access: api.Scoped(hermod.ScopePublish, e.publish)},
		{Method: http.MethodGet, Path: Base + "/events/{id}", Resource: resource, Access: api.Scoped(hermod.ScopeManage, e.read)},
	}
}

type accepted struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	// Warnings say what of the data does not fit the schema of its type, where its
	// account only wants to be told.
	Warnings []string `json:"warnings,omitempty"`
}

func (e *Events) publish(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if !p.Has(hermod.ScopePublishAny) {
		if _, err := ownersOf(r, p); err != nil {
			return err
		}
	}
	submissions, err := e.submissions(r)
	if err != nil {
		return err
	}
	if err := authorize(submissions, p); err != nil {
		return err
	}
	events, err := e.Acceptor.Accept(r.Context(), submissions)
	if err != nil {
		return err
	}
	base := e.BaseURL.Of(r)
	data := make([]accepted, len(events))
	for i, event := range events {
		data[i] = accepted{ID: event.ID.String(), URL: eventURL(base, event.ID), Warnings: submissions[i].Warnings}
	}
	return api.WriteJSON(w, http.StatusAccepted, map[string]any{"data": data})
}

// submissions reads the body in the form its content type names. CloudEvents have
// their idempotency key in them; the header counts for the native form alone, and
// must be one in every form.
func (e *Events) submissions(r *http.Request) ([]ingest.Submission, error) {
	media := api.MediaType(r)
	body, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	switch media {
	case "application/cloudevents+json":
		return ingest.CloudEvent(body, now)
	case "application/cloudevents-batch+json":
		return ingest.CloudEventBatch(body, now)
	case "application/json", "":
		submissions, err := ingest.Native(body, now)
		if err != nil {
			return nil, err
		}
		return keyed(submissions, body, key), nil
	default:
		return nil, &api.RequestError{
			Status:  http.StatusUnsupportedMediaType,
			Message: "events are application/json, application/cloudevents+json or application/cloudevents-batch+json",
		}
	}
}

// idempotencyKey is that of the request's header; "" for none.
func idempotencyKey(r *http.Request) (string, error) {
	header := r.Header.Values("Idempotency-Key")
	if len(header) == 0 {
		return "", nil
	}
	if len(header) > 1 || header[0] == "" || len(header[0]) > ingest.MaxKey {
		return "", hermod.InvalidFields(hermod.FieldError{
			Name: "Idempotency-Key", Reason: fmt.Sprintf("must be one value of 1 to %d bytes", ingest.MaxKey),
		})
	}
	return header[0], nil
}

// keyed gives each submission the request's idempotency key, if it has one, with its
// index. What was sent under the key is the whole body, also of a batch: one of
// another length is another body.
func keyed(submissions []ingest.Submission, body []byte, key string) []ingest.Submission {
	if key == "" {
		return submissions
	}
	hash := sha256.Sum256(body)
	for i := range submissions {
		submissions[i].Hash = hash
		submissions[i].Key = fmt.Sprintf("request:%d:%s", i, key)
	}
	return submissions
}

// authorize lets a principal publish for itself alone, unless it may for anyone.
// An event without an account is the principal's.
func authorize(submissions []ingest.Submission, p *hermod.Principal) error {
	forAnyone := p.Has(hermod.ScopePublishAny)
	for i := range submissions {
		event := &submissions[i].Event
		if event.AccountID == "" {
			event.AccountID = p.Account
		}
		foreign := event.AccountID != p.Account ||
			(event.OrganizationID != "" && event.OrganizationID != p.Organization)
		if foreign && !forAnyone {
			return hermod.Errorf(hermod.CodeForbidden, "an event may name the account and the organization of its publisher only")
		}
	}
	return nil
}

func (e *Events) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owners, err := ownersOf(r, p)
	if err != nil {
		return err
	}
	id, err := hermod.ParseID(r.PathValue("id"))
	if err != nil {
		return errNoEvent()
	}
	for _, owner := range owners {
		event, err := e.Store.Event(r.Context(), owner, id)
		if hermod.CodeOf(err) == hermod.CodeNotFound {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		return api.WriteJSON(w, http.StatusOK, eventItemOf(event, e.BaseURL.Of(r)))
	}
	return errNoEvent()
}

func errNoEvent() error { return hermod.Errorf(hermod.CodeNotFound, "no event has this id") }
