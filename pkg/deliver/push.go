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
	ClassClientError   = "http_4xx"       // 4xx but for the next two
	ClassThrottled     = "throttled"      // 429
	ClassGone          = "gone"           // 410; permanent
	ClassServerError   = "http_5xx"       // 5xx
	ClassBlockedTarget = "blocked_target" // the target policy refuses; permanent
	ClassConfiguration = "configuration"  // the subscription's configuration cannot be read
	ClassUnsupported   = "unsupported"    // this build knows no such kind of destination
	ClassInterrupted   = "interrupted"    // the caller's context ended: nothing to hold against the destination
)
