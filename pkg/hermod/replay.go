package hermod

import "time"

// A Replay delivers again what a filter selects of the event log: at a rate, in the
// order of the log, and from where it stood after a crash.
type Replay struct {
	ID ID
	// Owner is the account or organization in whose log it reads.
	Owner string
	// Owners are those whose subscriptions receive: the owners that the creator may
	// act for.
	Owners []string
	// Patterns select by type, Tags the events that carry any of them; none selects
	// all.
	Patterns []Pattern
	Tags     []string
	// SubscriptionID narrows to one subscription; "" is all that match now.
	SubscriptionID string
	// Above and Below are exclusive bounds on the id of events.
	Above, Below ID
	// Rate is how many deliveries are started a second, 1 to MaxReplayRate.
	Rate  int
	State ReplayState
	// Position is the id up to which all events are done.
	Position ID
	// Expected is what the filter selected when the replay was created.
	Expected ReplayCount
	// Done is what has been replayed so far.
	Done      ReplayCount
	CreatedAt time.Time
	UpdatedAt time.Time
	// EndedAt is set when State is no longer ReplayRunning.
	EndedAt time.Time
	// RetainUntil is when the row is forgotten.
	RetainUntil time.Time
	// Version rises by one with every change; 1 when created.
	Version int64
}

// A ReplayCount counts what a replay concerns.
type ReplayCount struct {
	Events     int64 `json:"events"`
	Deliveries int64 `json:"deliveries"`
	// Complete is false where counting stopped early: there are more.
	Complete bool `json:"complete"`
}

// A ReplayState is where a replay stands.
type ReplayState string

// The states of a replay.
const (
	ReplayRunning   ReplayState = "running"
	ReplayDone      ReplayState = "done"
	ReplayCancelled ReplayState = "cancelled"
)

// The bounds of a replay's rate, in deliveries a second.
const (
	DefaultReplayRate = 50
	MaxReplayRate     = 1000
)
