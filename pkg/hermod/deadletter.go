package hermod

import (
	"cmp"
	"strings"
	"time"
)

// A dead letter is a delivery whose last run ended dead, until it is delivered again or
// purged. What says so is the last row of the delivery: it is Dead and not Cleared.
// The dead index finds such rows; it may also hold rows that a later run has
// superseded, so what it finds is held against the delivery's last row.

// A DeadKey is where a row stands in the dead index: by when its attempt was made, then
// by its key.
type DeadKey struct {
	At time.Time
	AttemptKey
}

// Compare is the order of the dead index.
func (k DeadKey) Compare(o DeadKey) int {
	return cmp.Or(k.At.Compare(o.At), k.AttemptKey.Compare(o.AttemptKey))
}

// String is the position as cursors and redrives keep it.
func (k DeadKey) String() string {
	return k.At.UTC().Format(time.RFC3339Nano) + "#" + k.AttemptKey.String()
}

// ParseDeadKey is the inverse of DeadKey.String. It fails with CodeNotFound.
func ParseDeadKey(s string) (DeadKey, error) {
	at, key, _ := strings.Cut(s, "#")
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return DeadKey{}, Errorf(CodeNotFound, "no position of dead letters")
	}
	k, err := ParseAttemptKey(key)
	return DeadKey{At: t, AttemptKey: k}, err
}

// A DeadQuery asks for a page of the dead index.
type DeadQuery struct {
	Owner string
	// SubscriptionID narrows to one subscription of the owner; "" is all of them,
	// deleted ones included.
	SubscriptionID string
	// Above and Below are exclusive bounds; nil is no bound. One whose key is zero lies
	// before every row of its moment.
	Above, Below *DeadKey
	// Ascending lists those that died first; the default is the last ones first.
	Ascending bool
	// Limit bounds the page, 1 or more. A shorter page is the last one.
	Limit int
}

// A LetterQuery asks for a page of an owner's dead letters.
type LetterQuery struct {
	DeadQuery
	// Reasons and Patterns select by why the delivery ended and by the event's type;
	// none selects all.
	Reasons  []Reason
	Patterns []Pattern
}

// A LetterPage is a page of dead letters.
type LetterPage struct {
	// Letters are the last rows of deliveries, each Dead.
	Letters []*Attempt
	// Next is where the next page begins; nil after the last one. A page may be short,
	// or empty, and have a next one: how much is read for it is bounded.
	Next *DeadKey
}

// A PurgeCount says how many dead letters were purged. Complete is false where purging
// stopped early: there may be more.
type PurgeCount struct {
	Purged   int64 `json:"purged"`
	Complete bool  `json:"complete"`
}

// DeadReasons are the reasons for which a delivery becomes a dead letter.
func DeadReasons() []Reason {
	return []Reason{
		ReasonExhausted, ReasonEventExpired, ReasonGone, ReasonBlockedTarget, ReasonCredential, ReasonNotFound,
		ReasonTooLarge, ReasonReceiveBudget,
	}
}

// A DeadFilter makes a replay one of dead letters, which is called a redrive.
type DeadFilter struct {
	// Reasons select by why the delivery ended; none selects all.
	Reasons []Reason `json:"reasons,omitempty"`
	// Position is the DeadKey up to which all dead letters are done; "" at first.
	Position string `json:"position,omitempty"`
}
