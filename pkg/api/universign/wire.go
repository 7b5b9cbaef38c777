// Package universign is the dialect of Universign: webhook endpoints, the webhooks
// that were sent to them, events, API keys, and the deliveries with their signature.
package universign

import (
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Base is the path under which the dialect is served, and Prefix what a host name of
// its own leaves out of it.
const (
	Prefix = "/universign"
	Base   = Prefix + "/v1"
)

// resource names the function that serves the rows.
const resource = "universign"

// sender is the sender of the dialect's types.
const sender = string(hermod.Universign)

// The prefixes of ids (wire facts, 2.1), but for that of a sent webhook, which no
// source shows: inferred.
const (
	endpointPrefix = "whe_"
	webhookPrefix  = "whk_"
	eventPrefix    = "evt_"
	apiKeyPrefix   = "apk_"
)

// EventID is the id of an event on the wire.
func EventID(id hermod.ID) string { return eventPrefix + id.Base62() }

// ParseEventID is the inverse of EventID. It reports false for any other text.
func ParseEventID(s string) (hermod.ID, bool) { return parseID(eventPrefix, s) }

func parseID(prefix, s string) (hermod.ID, bool) {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return hermod.ID{}, false
	}
	id, err := hermod.ParseBase62(text)
	return id, err == nil
}

// timeLayout has milliseconds, always.
const timeLayout = "2006-01-02T15:04:05.000Z"

// wireTime is a time on the wire; the zero time is null.
type wireTime time.Time

func (t wireTime) MarshalJSON() ([]byte, error) {
	return api.EncodeTime(time.Time(t), timeLayout)
}

// nullable is a string on the wire; the empty one is null.
type nullable = api.Nullable

// typeName is a type as the dialect shows it: without the sender where that is the
// dialect's own.
func typeName(e *hermod.Event) string {
	if e.Sender == sender {
		return e.Name
	}
	return e.Type()
}
