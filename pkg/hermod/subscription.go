package hermod

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A Dialect is one of the public APIs, and the body and signature format of the
// deliveries of the subscriptions made through it.
type Dialect string

// The dialects. Signicat is the native one; the types of each other one have a sender
// of the dialect's name.
const (
	Signicat   Dialect = "signicat"
	Signly     Dialect = "signly"
	TeliaSign  Dialect = "telia-sign"
	Universign Dialect = "universign"
)

// The destination types of the native dialect.
const (
	Webhook         = "Webhook"
	AzureServiceBus = "AzureServiceBus"
	GooglePubSub    = "GooglePubSub"
	Mint            = "Mint"
	AWSSQS          = "AwsSqs"
	AWSSNS          = "AwsSns"
	AWSEventBridge  = "AwsEventBridge"
	AWSKinesis      = "AwsKinesis"
)

// A Subscription says which events its owner wants pushed where.
type Subscription struct {
	ID      string
	Owner   string
	Dialect Dialect
	// Tenant is what the dialect calls the owner, for its deliveries; "" for the
	// native one, which has no other name for it.
	Tenant string
	Name   string
	// Description is for people; "" for none.
	Description string
	Active      bool
	// DisabledReason says why Hermod itself switched the subscription off; ""
	// where it did not.
	DisabledReason string
	// Filters select by type; none selects every type.
	Filters []Pattern
	// Tags select events that carry any of them; none selects all.
	Tags []string
	// IncludeInternal lets events of internal types through.
	IncludeInternal bool
	// Global receives the events of every owner.
	Global bool
	// Translate lets events of other dialects through that mean what a filter asks
	// for. They are delivered in the form of the type that was asked for.
	Translate bool
	// Type is the kind of destination, such as Webhook.
	Type string
	// Format is what deliveries look like.
	Format OutputFormat
	// Signing is the kind of signature; "" for unsigned.
	Signing SigningType
	// Schedule replaces the dialect's waits between attempts; nil keeps them.
	Schedule Schedule
	// RateLimit is how many deliveries may begin a second, 1 to MaxRateLimit, as Pace has
	// it; 0 for any number.
	RateLimit int
	// Backoff is the rule that Schedule was made by, in the dialect's words; "" for
	// none.
	Backoff   string
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	// DeletedAt marks a tombstone, kept so that the log stays readable.
	DeletedAt time.Time
	// Version rises by one with every change; 1 when created.
	Version int64
	// Secrets is in memory only: stores keep Sealed.
	Secrets Secrets
	// Sealed is Secrets encrypted, bound to owner and id.
	Sealed []byte
	// SecretsChanged names the members of Secrets that a write changes, for the audit
	// log. It is in memory only, from what seals them to the store behind it. A writer
	// names those in it that it has written, also with the value that they had.
	SecretsChanged []string
	// Health is how the endpoint does, nil for well. Where it is filled in says the
	// store; nothing of it is written with the subscription.
	Health *Health
}

// An OutputFormat is what deliveries look like.
type OutputFormat string

// The formats of deliveries. CloudEvents are those of version 1.0: in structured mode
// the body holds the whole event, in binary mode its data alone, and what else there is
// to say stands beside it.
const (
	NativeFormat          OutputFormat = "" // the dialect's own
	CloudEventsStructured OutputFormat = "CloudEventsStructured"
	CloudEventsBinary     OutputFormat = "CloudEventsBinary"
)

// A SigningType is how deliveries are signed.
type SigningType string

// The kinds of signature a native subscription can ask for.
const (
	Unsigned         SigningType = ""
	HMACSHA256       SigningType = "HmacSha256"
	StandardWebhooks SigningType = "StandardWebhooks"
	// Ed25519 is StandardWebhooks by key pairs, whose private keys stand as the
	// secrets.
	Ed25519 SigningType = "StandardWebhooksEd25519"
)

// Secrets are the parts of a subscription that must never be stored or logged in
// the clear. The configuration is one of them whole: a URL may hold a token, a
// connection string is one.
type Secrets struct {
	Configuration json.RawMessage `json:"configuration,omitempty"`
	SigningSecret string          `json:"signingSecret,omitempty"`
	// Former are what SigningSecret has replaced and some of which still sign, the
	// newest first.
	Former []FormerSecret `json:"former,omitempty"`
}

// LogValue keeps secrets out of logs.
func (Secrets) LogValue() slog.Value { return slog.StringValue("(secret)") }

// String keeps secrets out of formatted text.
func (Secrets) String() string { return "(secret)" }

// GoString keeps secrets out of %#v.
func (Secrets) GoString() string { return "(secret)" }

// Ref names the subscription.
func (s *Subscription) Ref() Ref { return Ref{Owner: s.Owner, ID: s.ID} }

// Expired reports whether the subscription has ended at t.
func (s *Subscription) Expired(t time.Time) bool {
	return !s.ExpiresAt.IsZero() && !t.Before(s.ExpiresAt)
}

// Deleted reports whether only the tombstone is left.
func (s *Subscription) Deleted() bool { return !s.DeletedAt.IsZero() }

// MaxSubscriptions is how many subscriptions an owner may have, those of all dialects
// together and tombstones apart, where the deployment says nothing else. Matching reads
// them all, and each event is held against them.
const MaxSubscriptions = 1000

// errSubscriptionLimit is the cause of the CodeConflict of a create beyond the limit.
var errSubscriptionLimit = errors.New("the owner has as many subscriptions as it may")

// IsSubscriptionLimit tells that conflict from that of an id that is taken.
func IsSubscriptionLimit(err error) bool { return errors.Is(err, errSubscriptionLimit) }

// SubscriptionLimit refuses a create beyond the limit; CodeConflict.
func SubscriptionLimit(limit int) error {
	return &Error{
		Code: CodeConflict, Err: errSubscriptionLimit,
		Message: fmt.Sprintf("there are %d subscriptions, which is as many as there may be: delete one first", limit),
	}
}

// tombstoneMargin is how much longer a tombstone is kept than what its log may hold.
const tombstoneMargin = 30 * 24 * time.Hour

// RetainUntil is when the tombstone is forgotten, given its owner's retention, 0 for the
// usual one; the zero time for a subscription that is not deleted.
func (s *Subscription) RetainUntil(retention time.Duration) time.Time {
	if !s.Deleted() {
		return time.Time{}
	}
	return s.DeletedAt.Add(cmp.Or(retention, DefaultRetention) + tombstoneMargin)
}

// InForce reports whether the subscription receives anything at t.
func (s *Subscription) InForce(t time.Time) bool {
	return s.Active && !s.Deleted() && !s.Expired(t)
}

// Matches reports whether the event goes to the subscription at t: it is in
// force, its owner is the event's account or organization unless it is global, it
// includes internal events if the event is one, a filter selects the type or one that
// it is translated to, as Wants says, and a tag is shared where tags are asked for.
func (s *Subscription) Matches(e *Event, t time.Time) bool {
	if !s.InForce(t) || (!s.Global && s.Owner != e.AccountID && s.Owner != e.OrganizationID) {
		return false
	}
	if e.Internal && !s.IncludeInternal {
		return false
	}
	if !s.wants(e) {
		return false
	}
	shared := func(tag string) bool { return slices.Contains(e.Tags, tag) }
	return len(s.Tags) == 0 || slices.ContainsFunc(s.Tags, shared)
}
