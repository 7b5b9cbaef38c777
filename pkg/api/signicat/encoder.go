package signicat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/sign"
)

// DefaultSignatureHeader is the header receivers look for (wire facts, 1.7: found
// with receivers, not confirmed by the vendor, hence configurable).
const DefaultSignatureHeader = "X-Signicat-Signature"

// An Encoder makes the deliveries of native subscriptions: the event itself, or it as a
// CloudEvent, signed by HMAC-SHA256 over the bytes of the body, with Standard Webhooks
// headers beside it.
type Encoder struct {
	// SignatureHeaders all carry the HMAC; DefaultSignatureHeader alone if empty.
	SignatureHeaders []string
	// Waits are the waits of a subscription that names none; the domain's default
	// if nil.
	Waits hermod.Schedule
}

// Schedule is the waits of a subscription that names none.
func (c Encoder) Schedule() hermod.Schedule {
	if c.Waits != nil {
		return c.Waits
	}
	return hermod.DefaultSchedule()
}

// Encode makes the payload of an attempt. The body is the same at every attempt.
func (c Encoder) Encode(_ context.Context, d deliver.Delivery) (deliver.Payload, error) {
	e, s := d.Event, d.Subscription
	body, mediaType, attributes, err := bodyOf(e, s.Format)
	if err != nil {
		return deliver.Payload{}, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	h := http.Header{}
	h.Set("X-Signicat-Event-Id", e.ID.String())
	h.Set("X-Signicat-Delivery-Attempt-Id", d.Key.String())
	if err := c.sign(h, d, body); err != nil {
		return deliver.Payload{}, fmt.Errorf("signing event %s: %w", e.ID, err)
	}
	return deliver.Payload{
		Body: body, ContentType: mediaType, Header: h, Event: attributesOf(e, d.Key.Run), CloudEvent: attributes,
	}, nil
}

// previousSuffix ends the name of the header that carries the HMACs by former secrets.
const previousSuffix = "-Previous"

// sign signs by the secrets that are valid when the attempt is made. The header of the
// native signature holds that of the newest alone, since receivers compare the whole of
// it; those of former ones stand in a header beside it. The signatures of Standard
// Webhooks are a list by their specification.
func (c Encoder) sign(h http.Header, d deliver.Delivery, body []byte) error {
	id, secrets := d.Event.ID.String(), d.Subscription.Secrets.ValidAt(d.At)
	switch {
	case d.Subscription.Signing == hermod.Unsigned:
		return nil
	case secrets[0] == "" && len(d.Subscription.Secrets.Configuration) == 0: // damaged in the store, which a push says
		return nil
	case secrets[0] == "": // never unsigned
		return errors.New("signing: the subscription has no secret")
	case d.Subscription.Signing == hermod.Ed25519:
		return sign.StandardWebhooksEd25519(h, id, d.At, body, secrets...)
	case d.Subscription.Signing == hermod.HMACSHA256:
		signatures := make([]string, len(secrets))
		for i, secret := range secrets {
			signatures[i] = sign.HMACHex(secret, body)
		}
		for _, name := range c.headers() {
			h.Set(name, signatures[0])
			if former := signatures[1:]; len(former) > 0 {
				h.Set(name+previousSuffix, strings.Join(former, ", "))
			}
		}
	}
	return sign.StandardWebhooks(h, id, d.At, body, secrets...)
}

// attributesOf is what a delivery to a queue or a topic says beside its body.
func attributesOf(e *hermod.Event, run int) deliver.Attributes {
	return deliver.Attributes{
		ID: e.ID.String(), Sender: e.Sender, Name: e.Name, Time: e.Timestamp,
		Account: e.AccountID, Organization: e.OrganizationID, Tags: e.Tags, ExpiresAt: e.ExpiresAt, Run: run,
	}
}

func (c Encoder) headers() []string {
	if len(c.SignatureHeaders) == 0 {
		return []string{DefaultSignatureHeader}
	}
	return c.SignatureHeaders
}
