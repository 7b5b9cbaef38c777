// Package signicat is the native dialect: the Signicat Events Management API and
// the deliveries of its subscriptions.
package signicat

import (
	"encoding/json"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Base is the path under which the dialect is served.
const Base = "/events-management"

// timeLayout prints up to seven fractional digits, as that API does.
const timeLayout = "2006-01-02T15:04:05.9999999Z07:00"

// wireTime is a time on the wire; the zero time is null.
type wireTime time.Time

func (t wireTime) MarshalJSON() ([]byte, error) {
	return api.EncodeTime(time.Time(t), timeLayout)
}

// nullable is a string on the wire; the empty one is null.
type nullable = api.Nullable

// wireEvent is an event of exactly nine members, in answers and in deliveries.
type wireEvent struct {
	ID             string          `json:"id"`
	Timestamp      wireTime        `json:"timestamp"`
	Sender         string          `json:"sender"`
	EventName      string          `json:"eventName"`
	EventData      json.RawMessage `json:"eventData"`
	AccountID      nullable        `json:"accountId"`
	OrganizationID nullable        `json:"organizationId"`
	ExpiresAt      wireTime        `json:"expiresAt"`
	Tags           []string        `json:"tags"`
}

func wireEventOf(e *hermod.Event) *wireEvent {
	tags := e.Tags
	if tags == nil {
		tags = []string{}
	}
	return &wireEvent{
		ID: e.ID.String(), Timestamp: wireTime(e.Timestamp), Sender: e.Sender, EventName: e.Name,
		EventData: e.Data, AccountID: nullable(e.AccountID), OrganizationID: nullable(e.OrganizationID),
		ExpiresAt: wireTime(e.ExpiresAt), Tags: tags,
	}
}

// eventItem is an event in a list or read by its id.
type eventItem struct {
	ID        string     `json:"id"`
	Event     *wireEvent `json:"event"`
	URL       string     `json:"url"`
	ReplayURL string     `json:"replayUrl"`
}

func eventItemOf(e *hermod.Event, base string) eventItem {
	url := eventURL(base, e.ID)
	return eventItem{ID: e.ID.String(), Event: wireEventOf(e), URL: url, ReplayURL: url + "/replay"}
}

func eventURL(base string, id hermod.ID) string {
	return base + Base + "/events/" + id.String()
}

// logItem is one attempt in the delivery log.
type logItem struct {
	ID               string         `json:"id"`
	Timestamp        wireTime       `json:"timestamp"`
	Success          bool           `json:"success"`
	Event            *wireEvent     `json:"event"`
	Attempt          int            `json:"attempt"`
	Properties       map[string]any `json:"properties"`
	ErrorMessage     nullable       `json:"errorMessage"`
	SubscriptionID   string         `json:"subscriptionId"`
	SubscriptionType string         `json:"subscriptionType"`
	SubscriptionName string         `json:"subscriptionName"`
}

// logItemOf shows an attempt. The event is nil where the log has forgotten it.
func logItemOf(a *hermod.Attempt, e *hermod.Event) logItem {
	item := logItem{
		ID: a.String(), Timestamp: wireTime(a.At), Success: a.Success(), Attempt: a.Number,
		ErrorMessage: nullable(a.ErrorMessage), SubscriptionID: a.SubscriptionID,
		SubscriptionType: a.SubscriptionType, SubscriptionName: a.SubscriptionName,
		Properties: map[string]any{
			"url": nullable(a.Target), "statusCode": nil, "reasonPhrase": nil,
			"elapsedMs": a.Duration.Milliseconds(), "responseBody": nullable(a.Response),
			"errorClass": nullable(a.ErrorClass), "nextAttemptAt": wireTime(a.NextAt),
			"state": a.State, "reason": nullable(a.Reason), "trigger": a.Trigger, "run": a.Run,
			"replay": nil,
		},
	}
	if a.StatusCode != 0 {
		item.Properties["statusCode"] = a.StatusCode
		item.Properties["reasonPhrase"] = nullable(http.StatusText(a.StatusCode))
	}
	if !a.Replay.IsZero() {
		item.Properties["replay"] = a.Replay.String()
	}
	if e != nil {
		item.Event = wireEventOf(e)
	}
	return item
}
