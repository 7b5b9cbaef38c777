package universign

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/sign"
)

// A Signer gives the key that signs deliveries at the moment, and its id.
type Signer interface {
	Signer(ctx context.Context) (id string, key *rsa.PrivateKey, err error)
}

// Use and KeyPrefix are of the set of keys that sign deliveries: see auth.Keys.
const (
	Use       = "universign"
	KeyPrefix = "scd_"
)

// An Encoder makes the deliveries of webhook endpoints: the event object, signed by a
// detached JWS.
type Encoder struct {
	Keys Signer
	// Waits replace the dialect's, for tests; nil keeps them.
	Waits hermod.Schedule
}

// Schedule is the waits of every endpoint (wire facts, 2.5), each counted from the
// failure before it: eight attempts over 80 h 36 min.
func (c Encoder) Schedule() hermod.Schedule {
	if c.Waits != nil {
		return c.Waits
	}
	return hermod.Schedule{
		time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour,
	}
}

// Encode makes the payload of an attempt. The body is the same at every attempt, the
// signature is not.
func (c Encoder) Encode(ctx context.Context, d deliver.Delivery) (deliver.Payload, error) {
	body, err := api.EncodeJSON(eventObjectOf(d.Event))
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("encoding event %s: %w", d.Event.ID, err)
	}
	id, key, err := c.Keys.Signer(ctx)
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("finding the key for event %s: %w", d.Event.ID, err)
	}
	signature, err := sign.DetachedJWS(id, key, body)
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("signing event %s: %w", d.Event.ID, err)
	}
	h := http.Header{}
	h.Set(sign.HeaderJWS, signature)
	return deliver.Payload{Body: body, ContentType: "application/json", Header: h}, nil
}
