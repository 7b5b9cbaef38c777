// Package push hands deliveries to their destinations, one file a kind.
package push

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
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
	// Mint is where flows of Mint are triggered; nil for nowhere.
	Mint *Mint
	// AWS is who Hermod is on AWS; nil for nobody.
	AWS *AWS
	// Assertions say to clouds for whom Hermod comes; nil where it cannot say.
	Assertions Assertions
	// Handshake is how endpoints of webhooks are asked whether they want deliveries.
	Handshake Handshake
	// Endpoints stand in for hosts, for tests; nil for none.
	Endpoints Endpoints
}

// DefaultTimeout bounds a whole push.
const DefaultTimeout = 10 * time.Second

// A kind is one kind of place to push to, such as webhooks. One file holds a kind;
// New lists them. To add one:
//
//   - open judges every member of the configuration and names each offending one
//     (faults.go). A host comes from a list in the code, or goes through
//     Policy.parse: a configuration is a stranger's way to make Hermod connect.
//   - push builds a request, has it made by the exchanger, which is the one way out of
//     this package, and refines the answer where the kind knows better (refuse.go).
//     It makes no goroutine, and its errors are results: nothing in them is secret.
//   - probe reports what a push would meet and sends no event.
//   - the suite of conformance_test.go has a row for each kind.
type kind interface {
	// open judges a configuration as a subscriber writes it and readies the place
	// that it names. It reaches nothing, and what it keeps costs a few KB: places stay
	// for as long as their subscription's version is in use. The error is CodeInvalid
	// and names each offending member below typeConfiguration.
	//
	// The subscription is named for destinations that want to know for whom Hermod
	// comes. It is zero where a configuration is only judged.
	open(ref hermod.Ref, configuration json.RawMessage) (place, error)
}

// A place is where one subscription pushes. Safe for concurrent use.
type place interface {
	// push makes one try, of one exchange or several, all within the time that ctx
	// has. Its result's Permanent stops the run; all else is tried again.
	push(ctx context.Context, p deliver.Payload) deliver.Result
	// probe says what a push would meet, without an event, within the time that ctx
	// has. It leaves out what it cannot tell.
	probe(ctx context.Context) []deliver.Finding
}

// Pushers are the destinations by subscription type.
type Pushers struct {
	kinds     map[string]kind
	places    places
	exchanger *exchanger
	timeout   time.Duration
}

var _ deliver.Pusher = (*Pushers)(nil)

// New makes the pushers of all kinds of destination.
func New(o Options) *Pushers {
	o = o.complete()
	ps := Webhooks(o)
	x := ps.exchanger
	for name, k := range map[string]kind{
		hermod.Mint:            &mintFlows{exchanger: x, policy: o.Policy, trigger: o.Mint},
		hermod.AzureServiceBus: &azureQueues{exchanger: x, now: o.Now, assertions: o.Assertions},
		hermod.GooglePubSub:    &pubsubTopics{exchanger: x, now: o.Now, assertions: o.Assertions},
		hermod.AWSSQS:          &awsKind{exchanger: x, now: o.Now, as: o.AWS, read: readSQS},
		hermod.AWSSNS:          &awsKind{exchanger: x, now: o.Now, as: o.AWS, read: readSNS},
		hermod.AWSEventBridge:  &awsKind{exchanger: x, now: o.Now, as: o.AWS, read: readEventBridge},
		hermod.AWSKinesis:      &awsKind{exchanger: x, now: o.Now, as: o.AWS, read: readKinesis},
	} {
		ps.kinds[name] = k
	}
	return ps
}

// Webhooks makes the pushers of webhooks alone. Who asks for no more links no more.
func Webhooks(o Options) *Pushers {
	o = o.complete()
	x := newExchanger(o)
	return &Pushers{
		exchanger: x, timeout: o.Timeout, places: places{kept: map[hermod.Ref]versioned{}},
		kinds: map[string]kind{hermod.Webhook: &webhooks{exchanger: x, policy: o.Policy, timeout: o.Timeout, handshake: o.Handshake}},
	}
}

// complete is the options with what is not set filled in.
func (o Options) complete() Options {
	if o.Policy == nil {
		o.Policy = Strict()
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Push pushes by the subscription's type. A type that this build does not know is
// a failure to be tried again: after a roll-back the next build knows it.
func (ps *Pushers) Push(ctx context.Context, s *hermod.Subscription, p deliver.Payload) deliver.Result {
	to, err := ps.place(s)
	if err != nil {
		return unusable(err)
	}
	ctx, cancel := within(ctx, ps.timeout)
	defer cancel()
	return to.push(ctx, p)
}

// errUnsupported is a type that this build does not know.
var errUnsupported = errors.New("destinations of this type are not supported here")

// place gives the place of a subscription, opened once a version.
func (ps *Pushers) place(s *hermod.Subscription) (place, error) {
	if to := ps.places.get(s); to != nil {
		return to, nil
	}
	k, ok := ps.kinds[s.Type]
	if !ok {
		return nil, errUnsupported
	}
	to, err := k.open(s.Ref(), s.Secrets.Configuration)
	if err != nil {
		return nil, err
	}
	ps.places.put(s, to)
	return to, nil
}

// errOutOfTime ends what takes longer than a push may. It tells the end of a push's
// time from the end of the caller's patience.
var errOutOfTime = fmt.Errorf("the push took too long: %w", context.DeadlineExceeded)

// within gives a push the time d.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errOutOfTime)
}

// Check judges the configuration of a new subscription. The error is CodeInvalid
// and names each offending member below typeConfiguration, or type.
func (ps *Pushers) Check(kind string, configuration json.RawMessage) error {
	k, ok := ps.kinds[kind]
	if !ok {
		return hermod.InvalidFields(hermod.FieldError{Name: "type", Reason: "is not supported here"})
	}
	_, err := k.open(hermod.Ref{}, configuration)
	return err
}

// CloseIdle closes the connections that are kept open for the next push. Call it
// last: without it they stay until they time out.
func (ps *Pushers) CloseIdle() { ps.exchanger.closeIdle() }
