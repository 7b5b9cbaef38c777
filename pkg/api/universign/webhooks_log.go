package universign

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"hermod/pkg/hermod"
)

// What one request reads of the delivery log at most, in rows, and at a time.
const (
	maxRead   = 1000
	chunkRead = 200
	// reading is how many rows are read side by side.
	reading = 16
)

// A logReader reads the delivery log.
type logReader interface {
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
}

// A webhookQuery selects sent webhooks.
type webhookQuery struct {
	log hermod.LogQuery
	// endpoints are those whose webhooks are selected, in the order of their ids. The
	// log has the rows of others between theirs.
	endpoints []endpointOf
	// states and types select all where they are empty.
	states, types []string
	limit         int
}

// wants reports whether the state is asked for.
func (q *webhookQuery) wants(state string) bool {
	return len(q.states) == 0 || slices.Contains(q.states, state)
}

// An endpointOf is an endpoint, and its id taken apart.
type endpointOf struct {
	id           hermod.ID
	subscription *hermod.Subscription
}

// sentTo reports whether the webhook is one of the endpoints'. at is where among them
// its endpoint stands, or would.
func (q *webhookQuery) sentTo(key webhookKey) (at int, ok bool) {
	return slices.BinarySearchFunc(q.endpoints, key.endpoint, func(e endpointOf, id hermod.ID) int { return e.id.Compare(id) })
}

// after is the key to go on from where reading ended at a row. It names no endpoint
// that is not selected: that may be another workspace's.
func (q *webhookQuery) after(row hermod.AttemptKey) webhookKey {
	key, endpoint := keyOf(row)
	at, selected := q.sentTo(key)
	switch {
	case endpoint && selected:
		return key
	case endpoint && at > 0: // the next rows are those of the endpoint before it
		return webhookKey{q.endpoints[at-1].id.Next(), row.EventID}
	default:
		return webhookKey{event: row.EventID}
	}
}

// find reads a page of sent webhooks, the newest event first. more says that there may
// be further ones, which begin after next. A request reads so many rows and no more: a
// page may have fewer webhooks than its limit, or none, and still not be the last.
func (h *Webhooks) find(ctx context.Context, q webhookQuery) (found []sentWebhook, next webhookKey, more bool, err error) {
	if !q.wants(stateSuccessful) {
		failures := false // their index is short where most webhooks succeed
		q.log.Success = &failures
	}
	for read := 0; read < maxRead; {
		q.log.Limit, q.log.Examine = chunkRead, maxRead-read
		log, err := h.Store.Attempts(ctx, q.log)
		if err != nil {
			return nil, next, false, fmt.Errorf("reading the delivery log: %w", err)
		}
		rows := log.Attempts
		if read += len(rows); log.Next != nil {
			read = maxRead // that much was looked at
		}
		chunk, err := h.chunk(ctx, &q, rows)
		if err != nil {
			return nil, next, false, err
		}
		if room := q.limit - len(found); len(chunk) > room {
			found = append(found, chunk[:room]...)
			return found, found[len(found)-1].key, true, nil
		}
		found = append(found, chunk...)
		if len(rows) < chunkRead && log.Next == nil {
			return found, next, false, nil
		}
		last := log.Next
		if last == nil {
			last = &rows[len(rows)-1].AttemptKey
		}
		q.log.Below = &hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: last.SubscriptionID, EventID: last.EventID}}
		next = q.after(*last)
	}
	return found, next, true, nil
}

// chunk gives the webhooks of the rows that the query selects.
func (h *Webhooks) chunk(ctx context.Context, q *webhookQuery, rows []*hermod.Attempt) ([]sentWebhook, error) {
	var chunk []sentWebhook
	for _, s := range newest(rows) {
		if at, selected := q.sentTo(s.key); selected {
			s.endpoint = q.endpoints[at].subscription
			chunk = append(chunk, s)
		}
	}
	if q.log.Success != nil { // the last rows may not be among these
		if err := h.last(ctx, chunk); err != nil {
			return nil, err
		}
	}
	chunk = slices.DeleteFunc(chunk, func(s sentWebhook) bool { return s.last == nil || !q.wants(stateOf(s.last)) })
	if len(chunk) == 0 {
		return nil, nil
	}
	if err := h.addEvents(ctx, chunk); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(chunk, func(s sentWebhook) bool {
		return len(q.types) > 0 && (s.event == nil || !slices.Contains(q.types, s.typeName()))
	}), nil
}

// newest gives the webhooks of rows in the order of the log, each with its newest row.
// Rows of other dialects are left out.
func newest(rows []*hermod.Attempt) []sentWebhook {
	var all []sentWebhook
	for _, a := range rows {
		key, ours := keyOf(a.AttemptKey)
		if ours && (len(all) == 0 || all[len(all)-1].key != key) {
			all = append(all, sentWebhook{key: key, last: a})
		}
	}
	return all
}

// last reads the last rows of the webhooks.
func (h *Webhooks) last(ctx context.Context, chunk []sentWebhook) error {
	g, reads := errgroup.WithContext(ctx)
	g.SetLimit(reading)
	for i := range chunk {
		g.Go(func() (err error) {
			chunk[i].last, err = h.Store.LastOf(reads, chunk[i].key.endpointID(), chunk[i].key.event)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("reading the last attempts of webhooks: %w", err)
	}
	return nil
}

// addEvents reads the events of webhooks that have rows.
func (h *Webhooks) addEvents(ctx context.Context, all []sentWebhook) error {
	var keys []hermod.EventKey
	for _, s := range all {
		if key := (hermod.EventKey{Account: s.last.Account, ID: s.key.event}); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	events, err := h.Store.EventsByKey(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading the events of webhooks: %w", err)
	}
	for i := range all {
		all[i].event = events[hermod.EventKey{Account: all[i].last.Account, ID: all[i].key.event}]
	}
	return nil
}

// rateOf is the success rate of an endpoint: of the webhooks in the newest maxRead rows
// of its log, the share of the successful among those that have ended.
func rateOf(ctx context.Context, log logReader, endpoint hermod.Ref) (successRate, error) {
	page, err := log.Attempts(ctx, hermod.LogQuery{Owner: endpoint.Owner, SubscriptionID: endpoint.ID, Limit: maxRead, Examine: maxRead})
	if err != nil {
		return 0, fmt.Errorf("reading the delivery log: %w", err)
	}
	var count tally
	for _, s := range newest(page.Attempts) {
		count.add(stateOf(s.last))
	}
	return count.rate(), nil
}
