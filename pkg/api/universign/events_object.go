package universign

import (
	"encoding/json"
	"strconv"
	"time"

	"hermod/pkg/hermod"
)

// eventObject is an event, in answers and in deliveries: the envelope, and in payload
// what the API returned. The time stands in it twice, as clients look for either
// (inferred; wire facts, 2.3).
type eventObject struct {
	Object    string       `json:"object"`
	ID        string       `json:"id"`
	Type      string       `json:"type"`
	Seconds   unixSeconds  `json:"createdAt"`
	CreatedAt wireTime     `json:"created_at"`
	UserID    nullable     `json:"user_id"`
	APIKeyID  nullable     `json:"apikey_id"`
	Trace     nullable     `json:"trace"`
	Payload   eventPayload `json:"payload"`
}

type eventPayload struct {
	Object json.RawMessage `json:"object"`
}

func eventObjectOf(e *hermod.Event) eventObject {
	return eventObject{
		Object: "event", ID: EventID(e.ID), Type: typeName(e),
		Seconds: unixSeconds(e.Timestamp), CreatedAt: wireTime(e.Timestamp),
		UserID: nullable(e.Context.UserID), APIKeyID: nullable(e.Context.APIKeyID), Trace: nullable(e.Context.TraceID),
		Payload: eventPayload{e.Data},
	}
}

// unixSeconds is a time on the wire as the number of seconds since 1970, with a
// fraction of milliseconds where there is one.
type unixSeconds time.Time

func (t unixSeconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', -1, 64), nil
}
