package hermod

import (
	"encoding/json"
	"strings"
	"time"
)

// Limits on what is accepted.
const (
	// MaxEventBytes bounds one event as it was sent.
	MaxEventBytes = 256 << 10
	// MaxEventsPerRequest bounds one batch.
	MaxEventsPerRequest = 100
	// MaxDepth bounds the nesting of an event's data.
	MaxDepth = 32
	// MaxNesting bounds the nesting of everything else that is read: a schema of data as
	// deep as MaxDepth is deeper than that.
	MaxNesting = 256
	// MaxRequestBytes bounds a request: Lambda's own limit is 6 MB.
	MaxRequestBytes = 4 << 20
	// MaxTypePart bounds the sender and the name of a type, each.
	MaxTypePart = 128
	// MaxTags and MaxTag bound the number and the length of tags.
	MaxTags = 50
	MaxTag  = 128
	// MaxSubject bounds the subject of an event in bytes.
	MaxSubject = 128
)

// An Event is one fact that a platform published.
type Event struct {
	// ID is stamped when the event is accepted; zero before.
	ID ID
	// Timestamp is when the fact happened, by its publisher; the moment of
	// acceptance where the publisher named none.
	Timestamp time.Time
	Sender    string
	Name      string
	// Data is any JSON value, kept byte for byte.
	Data json.RawMessage
	// AccountID is the owner in whose log the event is kept.
	AccountID string
	// OrganizationID is a second owner that sees the event; "" for none.
	OrganizationID string
	// ExpiresAt ends all attempts; zero for never.
	ExpiresAt time.Time
	Tags      []string
	Context   Context
	// Internal says that the type was defined as internal when the event was
	// accepted: only subscriptions that include internal events receive it.
	Internal bool
	// Mock says that the event was made up to try one subscription, the one in
	// Matches. It goes to no other, not even when it is replayed: whoever may mock
	// need not be whom receivers trust to publish.
	Mock bool
	// Matches are the subscriptions the event matched when it was accepted.
	Matches []Ref
	// Subject is what its account finds the event by, beside its type: an EventQuery
	// that names it. "" for none.
	Subject string
	// Units are what the event used up of a metered service; most used nothing. An
	// event that has any has no Subject, so that one index entry serves both.
	Units []Unit
	// RetainUntil is when the log forgets the event.
	RetainUntil time.Time
}

// An EventKey finds an event: the account in whose log it is, and its id.
type EventKey struct {
	Account string
	ID      ID
}

// Key finds the event.
func (e *Event) Key() EventKey { return EventKey{Account: e.AccountID, ID: e.ID} }

// An EventQuery asks for a page of the event log of an owner.
type EventQuery struct {
	// Owner is an account, which sees its own events, or an organization, which
	// sees the events that name it.
	Owner string
	// Pattern selects by type; "" selects every type.
	Pattern Pattern
	// Subject selects an account's own events of the subject; "" selects all events.
	// What names an organization is not found by its subject.
	Subject string
	// Above and Below are exclusive bounds on the id; the zero ID is no bound.
	Above, Below ID
	// Ascending lists the oldest first; the default is the newest first.
	Ascending bool
	// Limit bounds the page, 1 or more.
	Limit int
	// Examine bounds the events that are looked at, those too that the page leaves out; 0
	// is no bound.
	Examine int
}

// An EventPage is a page of the event log. One shorter than its query's Limit is the last
// one, unless it has a Next.
type EventPage struct {
	Events []*Event
	// Next is set where looking at as many events as the query allows has not filled the
	// page: the last of them, where the next page goes on.
	Next ID
}

// A TailQuery asks for what has entered the event log of an owner since a position.
type TailQuery struct {
	// Owner and Pattern are those of an EventQuery.
	Owner   string
	Pattern Pattern
	// After is the position to go on from: a TailPage's, or what Settled answered.
	After ID
	// Limit bounds the page, 1 or more.
	Limit int
}

// A TailPage is what has entered the log. Whoever goes on from Position each time
// sees every event that matches once, however long its writer paused between
// stamping and putting it.
type TailPage struct {
	// Events are in the order of their ids. None does not mean that there are no
	// more: a page also ends where reading it has cost enough.
	Events []*Event
	// Position is the id up to which the page holds all that match. It never
	// lies before the query's After.
	Position ID
}

// Context says who and what caused an event. It is kept beside the event and is
// not part of its native form.
type Context struct {
	UserID   string `json:"userId,omitempty"`
	APIKeyID string `json:"apiKeyId,omitempty"`
	TraceID  string `json:"traceId,omitempty"`
}

// A Ref names a subscription by its owner and its id.
type Ref struct {
	Owner string `json:"owner"`
	ID    string `json:"id"`
}

// ExternalID is what Hermod names when it takes on a role on AWS for the subscription:
// its owner's id. A role's trust policy that asks for it lets no other owner of this
// Hermod use the role, which is why no subscriber chooses it ("The confused deputy
// problem", AWS IAM user guide).
func (r Ref) ExternalID() string { return r.Owner }

// Type is the event's type, `sender:name`.
func (e *Event) Type() string { return e.Sender + ":" + e.Name }

// Owners are the owners whose subscriptions may match the event.
func (e *Event) Owners() []string {
	if e.OrganizationID == "" || e.OrganizationID == e.AccountID {
		return []string{e.AccountID}
	}
	return []string{e.AccountID, e.OrganizationID}
}

// Expired reports whether the event may no longer be attempted at t.
func (e *Event) Expired(t time.Time) bool {
	return !e.ExpiresAt.IsZero() && !t.Before(e.ExpiresAt)
}

// ParseType splits a type into its sender and its name. It reports false unless
// both are 1 to MaxTypePart characters of [A-Za-z0-9_.-].
func ParseType(s string) (sender, name string, ok bool) {
	sender, name, ok = strings.Cut(s, ":")
	return sender, name, ok && ValidTypePart(sender) && ValidTypePart(name)
}

// ValidTypePart reports whether s can be the sender or the name of a type.
func ValidTypePart(s string) bool {
	if s == "" || len(s) > MaxTypePart {
		return false
	}
	for i := range len(s) {
		if !typeChar(s[i]) {
			return false
		}
	}
	return true
}

func typeChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '_' || c == '.' || c == '-'
	}
}

// A Pattern selects types: `sender:name` one, `sender:*` all of a sender, `*`
// every one. Names are compared with regard to case.
type Pattern string

// AnyType is the pattern of every type.
const AnyType Pattern = "*"

// ParsePattern reads a pattern and reports false for any other form.
func ParsePattern(s string) (Pattern, bool) {
	if s == string(AnyType) {
		return AnyType, true
	}
	if sender, ok := strings.CutSuffix(s, ":*"); ok {
		return Pattern(s), ValidTypePart(sender)
	}
	_, _, ok := ParseType(s)
	return Pattern(s), ok
}

// Matches reports whether the pattern selects the type.
func (p Pattern) Matches(sender, name string) bool {
	if p == AnyType || string(p) == sender+":"+name {
		return true
	}
	s, all := p.Sender()
	return all && s == sender
}

// Sender gives the sender whose types the pattern selects, and whether it selects
// all of them; "" and true for AnyType.
func (p Pattern) Sender() (sender string, all bool) {
	if p == AnyType {
		return "", true
	}
	sender, name, _ := strings.Cut(string(p), ":")
	return sender, name == "*"
}
