package deliver

import (
	"context"
	"net/http"
	"time"

	"hermod/pkg/hermod"
)

// A Payload is what one attempt pushes: the event as its dialect encodes it, with
// the headers that identify and sign it.
type Payload struct {
	Body        []byte
	ContentType string
	// Header holds signature and id headers, already made. A pusher only reads it.
	Header http.Header
	// Event is what the payload says of its event, for destinations that keep it
	// beside the body.
	Event Attributes
	// CloudEvent are the attributes of a CloudEvent in binary mode, whose data is Body
	// in the form of ContentType, in the order to show them; nil in any other form.
	CloudEvent []Named
}

// A Named is a value with its name.
type Named struct{ Name, Value string }

// Attributes are what a queue or a topic shows of an event beside its body, for
// consumers that route by it. They are the same at every attempt of a run.
type Attributes struct {
	// ID is the event's in the form that the body has: what duplicates are known by.
	ID string
	// Sender and Name are the parts of the type.
	Sender, Name string
	// Time is when the fact happened.
	Time time.Time
	// Account and Organization are the event's; "" for none.
	Account, Organization string
	Tags                  []string
	// ExpiresAt is when the event is of no more use; zero for never.
	ExpiresAt time.Time
	// Run tells the courses of attempts of one delivery apart: 0 is the first, and a
	// replay starts the next.
	Run int
}

// A Pusher makes one try to hand a payload to a subscription's destination. It
// returns when ctx ends, and otherwise within a timeout of its own. Safe for
// concurrent use.
type Pusher interface {
	Push(ctx context.Context, s *hermod.Subscription, p Payload) Result
}

// A Result is what came of a push. Nothing in it is secret: all of it may be
// shown to the subscription's owner and written to a log.
type Result struct {
	// StatusCode is the destination's; 0 where none was received.
	StatusCode int
	// Class groups failures, such as "timeout"; "" is success.
	Class string
	// Message says what failed, in words for the subscription's owner: no internal
	// text, no secret, URLs without query and userinfo. "" on success.
	Message string
	// Response is the start of what the destination answered: valid UTF-8 of at
	// most hermod.MaxResponseKept bytes on success, and of at most
	// hermod.MaxFailedResponseKept otherwise.
	Response string
	// Target is scheme://host[:port]/path of the destination, without query and
	// userinfo, at most 128 bytes; "" where none is known.
	Target string
	// RetryAfter is how long the destination asked to be left alone; 0 for not.
	RetryAfter time.Duration
	// Permanent says why no further attempt can help; "" to try again.
	Permanent hermod.Reason
}

// Succeeded reports whether the destination took the payload.
func (r *Result) Succeeded() bool { return r.Class == "" }

// The classes of failed pushes. The list is closed: owners filter by them, alarms
// count them.
const (
	ClassTimeout       = "timeout"        // no whole answer in time
	ClassDNS           = "dns"            // the host name was not resolved
	ClassConnect       = "connect"        // no connection, or it broke before the answer
	ClassTLS           = "tls"            // the handshake failed, its certificate included
	ClassProtocol      = "protocol"       // the answer was not HTTP, or not within its bounds
	ClassRedirect      = "redirect"       // 3xx; redirects are not followed
	ClassClientError   = "http_4xx"       // 4xx that no other class names
	ClassThrottled     = "throttled"      // 429; of a queue or topic 503 and its own words for it too
	ClassGone          = "gone"           // 410; permanent
	ClassServerError   = "http_5xx"       // 5xx
	ClassBlockedTarget = "blocked_target" // the target policy refuses; permanent
	ClassCredential    = "bad_credential" //nolint:gosec // a queue or topic refuses the subscription's credential; permanent
	ClassNotFound      = "not_found"      // there is no such queue, topic or flow; permanent
	ClassTooLarge      = "too_large"      // the destination takes no payload of this size; permanent
	ClassConfiguration = "configuration"  // the subscription's configuration cannot be read
	ClassUnsupported   = "unsupported"    // this build knows no such kind of destination
	ClassInterrupted   = "interrupted"    // the caller's context ended: nothing to hold against the destination
)

// A Finding is one thing that a check of a destination found out. Nothing in it is
// secret.
type Finding struct {
	// Name is what was looked at, in a word or two of lower case.
	Name    string
	Verdict Verdict
	// Message says what was found, or why it was not found out.
	Message string
}

// A Verdict is how a Finding stands.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // cannot be told without a delivery
	Passed
	Failed
)
