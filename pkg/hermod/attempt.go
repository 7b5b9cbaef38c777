package hermod

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// A State is what an attempt row says of its run.
type State string

// The states of an attempt row. Succeeded, Dead and Dropped end their run.
const (
	Succeeded State = "succeeded"
	// Waiting: the next attempt is made at NextAt.
	Waiting State = "waiting"
	// Dead: no attempt is left; the delivery is among the dead letters.
	Dead State = "dead"
	// Dropped: the subscription no longer wants the event; nothing to redrive.
	Dropped State = "dropped"
)

// Final reports whether the state ends the run without success.
func (s State) Final() bool { return s == Dead || s == Dropped }

// A Reason says why a run ended without success.
type Reason string

// The reasons of dead and dropped rows.
const (
	ReasonExhausted     Reason = "exhausted"      // the schedule has no wait left
	ReasonEventExpired  Reason = "event_expired"  // the event's expiresAt, or the run's own end
	ReasonGone          Reason = "gone"           // 410; the subscription was disabled
	ReasonBlockedTarget Reason = "blocked_target" // the target policy refuses the address
	ReasonCredential    Reason = "bad_credential" //nolint:gosec // no credential: the destination refuses the subscription's
	ReasonNotFound      Reason = "not_found"      // the destination does not exist
	ReasonTooLarge      Reason = "too_large"      // the destination takes no payload of this size
	ReasonReceiveBudget Reason = "receive_budget" // the queue's receives were used up: Hermod's fault
	ReasonFailing       Reason = "failing"        // nothing but failures for days; of a subscription, never of a row
	ReasonSubDeleted    Reason = "subscription_deleted"
	ReasonSubDisabled   Reason = "subscription_disabled"
	ReasonSubExpired    Reason = "subscription_expired"
	ReasonInternalEvent Reason = "internal_event" // the subscription no longer includes those
	ReasonNoEquivalent  Reason = "no_equivalent"  // the event lacks what the type that was asked for needs
)

// A Trigger is what started a run.
type Trigger string

// What can start a run.
const (
	TriggerMatch   Trigger = "match"
	TriggerReplay  Trigger = "replay"
	TriggerMock    Trigger = "mock"
	TriggerRedrive Trigger = "redrive"
	TriggerRetry   Trigger = "retry"
)

// MaxNumber bounds the attempts of one run: rows are numbered with three digits.
const MaxNumber = 999

// A RunKey names one course of attempts of a delivery. Run 0 is the match's;
// a replay, mock, redrive or manual retry starts the next.
type RunKey struct {
	SubscriptionID string
	EventID        ID
	Run            int
}

// An AttemptKey names one attempt row. Number starts at 1.
type AttemptKey struct {
	RunKey
	Number int
}

// Compare is the order of the delivery log: by event, then subscription, run and
// number.
func (k AttemptKey) Compare(o AttemptKey) int {
	return cmp.Or(
		k.EventID.Compare(o.EventID),
		cmp.Compare(k.SubscriptionID, o.SubscriptionID),
		cmp.Compare(k.Run, o.Run),
		cmp.Compare(k.Number, o.Number),
	)
}

// String is the public id of the attempt. It holds the whole key, so an id can be
// told before its attempt is made and is found without an index.
func (k AttemptKey) String() string {
	return k.SubscriptionID + "-" + k.EventID.String() + "-" + strconv.Itoa(k.Run) + "-" + strconv.Itoa(k.Number)
}

// maxAttemptKey bounds the id of an attempt: far more than any subscription's id
// needs, and within what every store takes for a key.
const maxAttemptKey = 512

// ParseAttemptKey is the inverse of AttemptKey.String. It fails with CodeNotFound.
func ParseAttemptKey(s string) (AttemptKey, error) {
	notFound := Errorf(CodeNotFound, "no attempt has this id")
	rest, number, ok := cutLast(s)
	if !ok || len(s) > maxAttemptKey {
		return AttemptKey{}, notFound
	}
	rest, run, ok := cutLast(rest)
	if !ok {
		return AttemptKey{}, notFound
	}
	rest, event, ok := cutLast(rest)
	if !ok || rest == "" {
		return AttemptKey{}, notFound
	}
	k := AttemptKey{RunKey: RunKey{SubscriptionID: rest}}
	var err error
	if k.EventID, err = ParseID(event); err != nil {
		return AttemptKey{}, notFound
	}
	if k.Run, err = strconv.Atoi(run); err != nil {
		return AttemptKey{}, notFound
	}
	if k.Number, err = strconv.Atoi(number); err != nil || k.Number < 1 || k.Number > MaxNumber || k.String() != s {
		return AttemptKey{}, notFound
	}
	return k, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// An Attempt is one row of the delivery log. Rows are put if absent and never
// changed: they are the only state of a delivery. What can change is in which index a
// row is.
type Attempt struct {
	AttemptKey
	// Owner owns the subscription, Account the event.
	Owner   string
	Account string
	Trigger Trigger
	// Replay is the replay that started the run; zero for none.
	Replay ID
	// Until ends the run's attempts; zero: run 0 ends with its event, and a later
	// run with its schedule.
	Until time.Time

	At       time.Time
	Duration time.Duration
	State    State
	Reason   Reason
	// StatusCode is the destination's; 0 where none was received.
	StatusCode int
	// ErrorClass groups failures, such as "timeout"; "" on success.
	ErrorClass string
	// ErrorMessage is for the subscription's owner.
	ErrorMessage string
	// Response is the start of what the destination answered.
	Response string
	// Target is the destination as far as it is no secret: no query, no userinfo.
	Target string

	// NextAt and Carrier are set on waiting rows. Carrier is the id of the queue
	// message that carries the run on, or CarrierDue.
	NextAt  time.Time
	Carrier string

	// Cleared says of a dead row that it was taken out of the dead index: the delivery
	// was started again, or purged from the dead letters.
	Cleared bool

	SubscriptionType string
	SubscriptionName string
	RetainUntil      time.Time
}

// CarrierDue is the carrier of a waiting row that the due index wakes.
const CarrierDue = "due"

// Success reports whether the destination took the event.
func (a *Attempt) Success() bool { return a.State == Succeeded }

// How much of a response a row keeps. A first-try success stays within one
// DynamoDB write unit (1 KB).
const (
	MaxResponseKept       = 512
	MaxFailedResponseKept = 1024
)

// A LogQuery asks for a page of the delivery log of an owner.
type LogQuery struct {
	Owner string
	// SubscriptionID narrows to one subscription; "" is all of the owner's,
	// deleted ones included.
	SubscriptionID string
	// Success narrows to one outcome; nil is both.
	Success *bool
	// Above and Below are exclusive bounds; nil is no bound.
	Above, Below *AttemptKey
	// Ascending lists the oldest event first; the default is the newest first.
	Ascending bool
	// Limit bounds the page, 1 or more.
	Limit int
	// Examine bounds the rows that are looked at, those too that the page leaves out; 0
	// is no bound.
	Examine int
}

// A LogPage is a page of the delivery log. One shorter than its query's Limit is the last
// one, unless it has a Next.
type LogPage struct {
	Attempts []*Attempt
	// Next is set where looking at as many rows as the query allows has not filled the
	// page: the last of them, where the next page goes on.
	Next *AttemptKey
}
