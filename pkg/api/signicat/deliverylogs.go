package signicat

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A LogStore reads the delivery log.
type LogStore interface {
	// Attempt reads one row. It fails with CodeNotFound.
	Attempt(ctx context.Context, key hermod.AttemptKey) (*hermod.Attempt, error)
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
	// EventsByKey reads events; those that do not exist are missing.
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
	// Subscription reads a subscription, tombstones included. It fails with
	// CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
}

// DeliveryLogs is the delivery log of the native API, a row an attempt.
type DeliveryLogs struct {
	Store   LogStore
	Cursors api.Cursors
	BaseURL api.BaseURL
}

// logPage is how many items a page of the delivery log has, and logExamined how many rows
// are looked at for it: of what succeeded there may be little between much that failed.
const (
	logPage     = 100
	logExamined = 1000
)

// Routes are the rows of the delivery log.
func (d *DeliveryLogs) Routes() []api.Route {
	const resource, list, one = "deliverylogs", Base + "/delivery-logs", Base + "/delivery-logs/{id}"
	return api.WithAliases([]api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: api.Scoped(hermod.ScopeManage, d.list)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: api.Scoped(hermod.ScopeManage, d.read)},
	}, map[string][]string{
		list: {Base + "/deliverylogs", Base + "/delivery-log"},
		one:  {Base + "/deliverylogs/{id}"},
	})
}

func (d *DeliveryLogs) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	q := hermod.LogQuery{Owner: owner, SubscriptionID: api.Query(r, "subscriptionId"), Limit: logPage, Examine: logExamined}
	success := api.Query(r, "success")
	if q.Success, err = parseSuccess(success); err != nil {
		return err
	}
	scope := []string{"delivery-logs", owner, q.SubscriptionID, strings.ToLower(success)}
	if q.Below, err = d.position(r, scope); err != nil {
		return err
	}
	if q.SubscriptionID != "" {
		if err := d.checkSubscription(r.Context(), hermod.Ref{Owner: owner, ID: q.SubscriptionID}); err != nil {
			return err
		}
	}
	log, err := d.Store.Attempts(r.Context(), q)
	if err != nil {
		return fmt.Errorf("listing attempts: %w", err)
	}
	answer := page[logItem]{}
	if answer.Data, err = d.items(r.Context(), p, log.Attempts); err != nil {
		return err
	}
	if len(log.Attempts) == q.Limit {
		log.Next = &log.Attempts[q.Limit-1].AttemptKey
	}
	if log.Next != nil {
		next, err := d.next(r, scope, *log.Next)
		if err != nil {
			return err
		}
		answer.Next = nullable(next)
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// checkSubscription refuses a subscription that is not the owner's: that its log
// is empty would be no answer to a typing error.
func (d *DeliveryLogs) checkSubscription(ctx context.Context, ref hermod.Ref) error {
	if len(ref.ID) > maxSubscriptionID {
		return errNoSubscription()
	}
	_, err := d.Store.Subscription(ctx, ref)
	if hermod.CodeOf(err) == hermod.CodeNotFound {
		return errNoSubscription()
	}
	if err != nil {
		return fmt.Errorf("reading the log's subscription: %w", err)
	}
	return nil
}

func parseSuccess(s string) (*bool, error) {
	var success bool
	switch strings.ToLower(s) {
	case "":
		return nil, nil // no filter
	case "true":
		success = true
	case "false":
	default:
		return nil, hermod.InvalidFields(hermod.FieldError{Name: "success", Reason: "must be true or false"})
	}
	return &success, nil
}

func (d *DeliveryLogs) position(r *http.Request, scope []string) (*hermod.AttemptKey, error) {
	cursor := api.Query(r, "cursor")
	if cursor == "" {
		return nil, nil // from the start
	}
	position, err := d.Cursors.Read(r.Context(), scope, "cursor", cursor)
	if err != nil {
		return nil, err
	}
	key, err := hermod.ParseAttemptKey(position)
	if err != nil {
		return nil, fmt.Errorf("reading a position: %w", err)
	}
	return &key, nil
}

// next is the link to the page after the key, with the filters of this one.
func (d *DeliveryLogs) next(r *http.Request, scope []string, last hermod.AttemptKey) (string, error) {
	cursor, err := d.Cursors.Make(r.Context(), scope, last.String())
	if err != nil {
		return "", err
	}
	return nextPage(r, d.BaseURL.Of(r)+Base+"/delivery-logs", "cursor", cursor), nil
}

// items shows the rows to the principal, those of its subscriptions that are global
// too. An event of nobody that it acts for is left out where it lacks the scope, and
// with it what the destination answered, which may repeat the event.
func (d *DeliveryLogs) items(ctx context.Context, p *hermod.Principal, rows []*hermod.Attempt) ([]logItem, error) {
	events, err := eventsOf(ctx, d.Store, rows)
	if err != nil {
		return nil, err
	}
	items := make([]logItem, len(rows))
	for i, a := range rows {
		e := events[hermod.EventKey{Account: a.Account, ID: a.EventID}]
		if !mayRead(p, a, e) {
			hidden := *a
			hidden.Response, e = "", nil
			a = &hidden
		}
		items[i] = logItemOf(a, e)
	}
	return items, nil
}

// eventsOf reads the events of rows. Those that the log has forgotten are missing.
func eventsOf(ctx context.Context, store LogStore, rows []*hermod.Attempt) (map[hermod.EventKey]*hermod.Event, error) {
	keys := make([]hermod.EventKey, 0, len(rows))
	seen := map[hermod.EventKey]bool{}
	for _, a := range rows {
		key := hermod.EventKey{Account: a.Account, ID: a.EventID}
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	events, err := store.EventsByKey(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("reading the events of attempts: %w", err)
	}
	return events, nil
}

// mayRead reports whether the principal may read the attempt's event, which is nil
// where the log has forgotten it.
func mayRead(p *hermod.Principal, a *hermod.Attempt, e *hermod.Event) bool {
	return p.Has(hermod.ScopeGlobal) || p.Owns(a.Account) || (e != nil && p.Owns(e.OrganizationID))
}

func (d *DeliveryLogs) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owners, err := ownersOf(r, p)
	if err != nil {
		return err
	}
	a, err := findAttempt(r.Context(), d.Store, owners, r.PathValue("id"))
	if err != nil {
		return err
	}
	items, err := d.items(r.Context(), p, []*hermod.Attempt{a})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, items[0])
}

// findAttempt reads a row of one of the owners by its id.
func findAttempt(ctx context.Context, store LogStore, owners []string, id string) (*hermod.Attempt, error) {
	key, err := hermod.ParseAttemptKey(id)
	if err != nil {
		return nil, errNoAttempt()
	}
	a, err := store.Attempt(ctx, key)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && !slices.Contains(owners, a.Owner)) {
		return nil, errNoAttempt()
	}
	if err != nil {
		return nil, fmt.Errorf("reading an attempt: %w", err)
	}
	return a, nil
}

func errNoAttempt() error {
	return hermod.Errorf(hermod.CodeNotFound, "no attempt has this id; it may not have been made yet")
}
