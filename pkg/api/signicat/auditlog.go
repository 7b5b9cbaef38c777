package signicat

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// A ChangeStore reads the audit log.
type ChangeStore interface {
	// Changes is a page of an owner's audit log, the newest first.
	Changes(ctx context.Context, q hermod.ChangeQuery) (hermod.ChangePage, error)
}

// AuditLog shows who changed what of an owner's configuration, over whichever API.
type AuditLog struct {
	Store   ChangeStore
	Cursors api.Cursors
	BaseURL api.BaseURL
}

const auditPath = Base + "/audit-log"

// Routes are the rows of the audit log. The function of the credentials serves them: it
// has room.
func (a *AuditLog) Routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: auditPath, Resource: "credentials", Access: api.Scoped(hermod.ScopeManage, a.list)},
	}
}

// changeItem is a change on the wire.
type changeItem struct {
	ID        string              `json:"id"`
	Timestamp wireTime            `json:"timestamp"`
	OwnerID   string              `json:"ownerId"`
	Action    hermod.ChangeAction `json:"action"`
	Target    string              `json:"target"`
	Actor     actorItem           `json:"actor"`
	TraceID   nullable            `json:"traceId"`
	Members   []string            `json:"members"`
}

type actorItem struct {
	Type hermod.ActorKind `json:"type"`
	ID   nullable         `json:"id"`
}

func changeItemOf(c *hermod.Change) changeItem {
	item := changeItem{
		ID: c.ID.String(), Timestamp: wireTime(c.ID.Time()), OwnerID: c.Owner, Action: c.Action, Target: c.Target,
		Actor:   actorItem{Type: c.Actor.Kind, ID: nullable(c.Actor.Credential)},
		TraceID: nullable(c.Actor.Trace), Members: make([]string, len(c.Members)),
	}
	for i, name := range c.Members {
		item.Members[i] = cmp.Or(publicMembers[name], name)
	}
	slices.Sort(item.Members)
	item.Members = slices.Compact(item.Members)
	return item
}

// publicMembers are what this API calls what the audit log names otherwise. The log has
// one name for what several APIs call each in their own way.
var publicMembers = map[string]string{
	"account":         "ownerId",
	"configuration":   "typeConfiguration",
	"filters":         "eventNameFilter",
	"format":          "outputFormat",
	"former":          "messageAuthentication",
	"global":          "isGlobalSubscription",
	"iD":              "id",
	"includeInternal": "includeInternalEvents",
	"organization":    "organizationId",
	"owner":           "ownerId",
	"secretHash":      "secret",
	"signing":         "messageAuthentication",
	"signingSecret":   "messageAuthentication",
	"tags":            "tagFilter",
}

func (a *AuditLog) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	q, err := parseChangeQuery(r, owner)
	if err != nil {
		return err
	}
	scope := []string{"audit-log", owner, q.Target, string(q.Action), q.Above.String(), q.Below.String()}
	pages, err := readPager(r, a.Cursors, scope...)
	if err != nil {
		return err
	}
	q.Limit = pages.limit
	if pages.position != "" {
		if q.Below, err = hermod.ParseID(pages.position); err != nil {
			return fmt.Errorf("reading a position: %w", err)
		}
	}
	found, err := a.Store.Changes(r.Context(), q)
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	answer := page[changeItem]{Data: make([]changeItem, len(found.Changes))}
	for i, c := range found.Changes {
		answer.Data[i] = changeItemOf(c)
	}
	if !found.Next.IsZero() {
		cursor, err := a.Cursors.Make(r.Context(), scope, found.Next.String())
		if err != nil {
			return err
		}
		answer.Next = nullable(nextPage(r, a.BaseURL.Of(r)+auditPath, "page", cursor))
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// parseChangeQuery reads the filter of the list. It fails with CodeInvalid, naming every
// parameter at fault.
func parseChangeQuery(r *http.Request, owner string) (hermod.ChangeQuery, error) {
	in := input.Query{Request: r}
	in.Only("subscriptionId", "action", "after", "before", "limit", "page", "signicat-organizationId", "signicat-accountId")
	q := hermod.ChangeQuery{Owner: owner, Target: in.One("subscriptionId"), Action: hermod.ChangeAction(in.One("action"))}
	in.Check("action", q.Action == "" || slices.Contains(hermod.ChangeActions(), q.Action), "must be an action such as subscription.created")
	after, isAfter := in.Time("after")
	if isAfter {
		q.Above = hermod.LastIDAt(after)
	}
	before, isBefore := in.Time("before")
	if isBefore {
		q.Below = hermod.FirstIDAt(before)
	}
	in.Check("after", !isAfter || !isBefore || after.Before(before), "must be earlier than before")
	return q, in.Err()
}
