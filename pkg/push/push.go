// Package push hands deliveries to their destinations, one file a kind.
package push

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// Options is what pushers are made from. The zero value is fit for production.
type Options struct {
	// Policy says which targets may be pushed to; nil is Strict.
	Policy *Policy
	// Timeout bounds a whole push, from the name's resolution to the answer's last
	// byte; 0 is DefaultTimeout.
	Timeout time.Duration
	// Now reads the dates of Retry-After; nil is time.Now.
	Now func() time.Time
	// Resolver resolves host names; nil is the system's.
	Resolver *net.Resolver
	// Roots are the certificate authorities trusted; nil is the system's.
	Roots *x509.CertPool
}

// DefaultTimeout bounds a whole push.
const DefaultTimeout = 10 * time.Second

// A destination is one kind of place to push to.
type destination interface {
	deliver.Pusher
	// check judges a configuration as a subscriber writes it.
	check(configuration json.RawMessage) error
	// closeIdle closes the connections that no push uses.
	closeIdle()
}

// Pushers are the destinations by subscription type.
type Pushers struct {
	kinds map[string]destination
}

var _ deliver.Pusher = (*Pushers)(nil)

// New makes the pushers of all kinds of destination.
func New(o Options) *Pushers {
	if o.Policy == nil {
		o.Policy = Strict()
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Pushers{kinds: map[string]destination{hermod.Webhook: newWebhook(o)}}
}

// Push pushes by the subscription's type. A type that this build does not know is
// a failure to be tried again: after a roll-back the next build knows it.
func (ps *Pushers) Push(ctx context.Context, s *hermod.Subscription, p deliver.Payload) deliver.Result {
	kind, ok := ps.kinds[s.Type]
	if !ok {
		return deliver.Result{
			Class:   deliver.ClassUnsupported,
			Message: "destinations of this type are not supported here",
		}
	}
	return kind.Push(ctx, s, p)
}

// Check judges the configuration of a new subscription. The error is CodeInvalid
// and names each offending member below typeConfiguration, or type.
func (ps *Pushers) Check(kind string, configuration json.RawMessage) error {
	d, ok := ps.kinds[kind]
	if !ok {
		return hermod.InvalidFields(hermod.FieldError{Name: "type", Reason: "is not supported here"})
	}
	return d.check(configuration)
}

// CloseIdle closes the connections that are kept open for the next push. Call it
// last: without it they stay until they time out.
func (ps *Pushers) CloseIdle() {
	for _, d := range ps.kinds {
		d.closeIdle()
	}
}
