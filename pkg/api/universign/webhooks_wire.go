package universign

import (
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// webhooksPath is the path of what was sent.
const webhooksPath = Base + "/webhooks"

// The states of a sent webhook (wire facts, 2.5).
const (
	statePending    = "pending"
	stateSuccessful = "successful"
	stateFailed     = "failed"
)

func states() []string { return []string{statePending, stateSuccessful, stateFailed} }

// stateOf is the state of the webhook whose last row this is.
func stateOf(a *hermod.Attempt) string {
	switch {
	case a.State == hermod.Succeeded:
		return stateSuccessful
	case a.State.Final():
		return stateFailed
	default:
		return statePending
	}
}

// A webhookKey names a sent webhook: an event for an endpoint, whatever its runs.
type webhookKey struct {
	endpoint, event hermod.ID
}

// base62Digits is how long an id is in base62.
const base62Digits = 22

// String is the id of the webhook. It holds the key, so that the webhook is found
// without an index.
func (k webhookKey) String() string {
	return webhookPrefix + k.endpoint.Base62() + k.event.Base62()
}

// parseWebhookKey is the inverse of String. It reports false for any other text.
func parseWebhookKey(s string) (k webhookKey, ok bool) {
	text, ok := strings.CutPrefix(s, webhookPrefix)
	if !ok || len(text) != 2*base62Digits {
		return webhookKey{}, false
	}
	if k.endpoint, ok = parseID("", text[:base62Digits]); !ok {
		return webhookKey{}, false
	}
	if k.event, ok = parseID("", text[base62Digits:]); !ok {
		return webhookKey{}, false
	}
	return k, true
}

// keyOf names the webhook of a row; false for a row of another dialect.
func keyOf(k hermod.AttemptKey) (webhookKey, bool) {
	endpoint, ok := parseID(endpointPrefix, k.SubscriptionID)
	return webhookKey{endpoint, k.EventID}, ok
}

// endpointID is the id of the endpoint.
func (k webhookKey) endpointID() string { return endpointPrefix + k.endpoint.Base62() }

// end is where the log goes on, from the newest to the oldest, after the webhook: its
// rows have greater keys. Without an endpoint it is after the whole event. In the
// order of ids those of endpoints are greater than those of the other dialects'
// subscriptions, whose rows of the event are passed over so.
func (k webhookKey) end() *hermod.AttemptKey {
	end := &hermod.AttemptKey{RunKey: hermod.RunKey{EventID: k.event}}
	if !k.endpoint.IsZero() {
		end.SubscriptionID = k.endpointID()
	}
	return end
}

// webhookObject is a sent webhook on the wire. Of its members only those that the list
// is filtered by are known (wire facts, 2.2): the form is inferred.
type webhookObject struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	CreatedAt wireTime `json:"created_at"`
	Endpoint  string   `json:"endpoint"`
	Event     string   `json:"event"`
	EventType nullable `json:"event_type"`
	State     string   `json:"state"`
	// Attempts counts those since the webhook was sent first, or rescheduled last.
	Attempts       int          `json:"attempts"`
	LastAttemptAt  wireTime     `json:"last_attempt_at"`
	NextAttemptAt  wireTime     `json:"next_attempt_at"`
	ResponseStatus optionalCode `json:"response_status"`
	Error          nullable     `json:"error"`
}

// optionalCode is a status of HTTP on the wire; null for none.
type optionalCode int

func (c optionalCode) MarshalJSON() ([]byte, error) {
	if c == 0 {
		return []byte("null"), nil
	}
	return api.EncodeJSON(int(c))
}

// A sent webhook is its key, its endpoint, its last row and its event. There is no row
// before the first attempt, and no event where the log has forgotten it.
type sentWebhook struct {
	key      webhookKey
	endpoint *hermod.Subscription
	last     *hermod.Attempt
	event    *hermod.Event
}

// typeName is the type of the event as it was delivered: where the endpoint has events of
// the other APIs translated, that of the dialect. An event that its filters do not select
// any more, or never did, has its own.
func (s sentWebhook) typeName() string {
	if typ, ok := s.endpoint.Wants(s.event); ok {
		return strings.TrimPrefix(typ, sender+":")
	}
	return typeName(s.event)
}

func (s sentWebhook) object() webhookObject {
	o := webhookObject{
		Object: "webhook", ID: s.key.String(), CreatedAt: wireTime(s.key.event.Time()),
		Endpoint: s.key.endpointID(), Event: EventID(s.key.event), State: statePending,
	}
	if s.event != nil {
		o.EventType = nullable(s.typeName())
	}
	if a := s.last; a != nil {
		o.State, o.Attempts, o.Error = stateOf(a), a.Number, nullable(a.ErrorMessage)
		o.LastAttemptAt, o.NextAttemptAt = wireTime(a.At), wireTime(a.NextAt)
		o.ResponseStatus = optionalCode(a.StatusCode)
		if a.State.Final() && a.ErrorClass == "" {
			o.Attempts-- // the row says why there was none
		}
	}
	return o
}

// rescheduled is the webhook at the start of a new run.
func (s sentWebhook) rescheduled() webhookObject {
	o := s.object()
	o.State, o.Attempts, o.ResponseStatus, o.Error = statePending, 0, 0, ""
	return o
}

// A tally counts webhooks by their states.
type tally struct{ successful, failed int }

func (t *tally) add(state string) {
	switch state {
	case stateSuccessful:
		t.successful++
	case stateFailed:
		t.failed++
	}
}

// rate is the share of the successful among those that have ended.
func (t tally) rate() successRate {
	if t.successful+t.failed == 0 {
		return unknownRate()
	}
	return successRate(float64(t.successful) / float64(t.successful+t.failed))
}
