package hermod

import "time"

// A Replay delivers again what a filter selects of the event log: at a rate, in the
// order of the log, and from where it stood after a crash. Its JSON is how stores
// keep it.
type Replay struct {
	ID ID `json:"id"`
	// Owner is the account or organization in whose log it reads.
	Owner string `json:"owner"`
	// Owners are those whose subscriptions receive, global ones of others not: the
	// owners that the creator may act for.
	Owners []string `json:"owners"`
	// Patterns select by type, Tags the events that carry any of them; none selects
	// all.
	Patterns []Pattern `json:"patterns,omitempty"`
	Tags     []string  `json:"tags,omitempty"`
	// SubscriptionID narrows to one subscription; "" is all that match.
	SubscriptionID string `json:"subscription,omitempty"`
	// Dead, where it is set, makes this a redrive: instead of the log it reads the dead
	// letters of Owner, and Above, Below and Position stand for the moments at which
	// their last attempts were made.
	Dead *DeadFilter `json:"dead,omitempty"`
	// Above and Below are exclusive bounds on the id of events. Both are set.
	Above ID `json:"above"`
	Below ID `json:"below"`
	// Before is the upper bound that was asked for; Below may lie before it, where
	// the log was not settled up to there.
	Before time.Time `json:"before"`
	// Rate is how many deliveries are started a second, 1 to MaxReplayRate.
	Rate  int         `json:"rate"`
	State ReplayState `json:"state"`
	// Reason says why Hermod itself cancelled the replay; "" where it did not.
	Reason Reason `json:"reason,omitempty"`
	// Position is the id up to which all events are done; Above at first.
	Position ID `json:"position"`
	// Expected is what the filter selected when the replay was created.
	Expected ReplayCount `json:"expected"`
	// Done is what has been replayed up to Position. It is complete when the replay
	// has come to its end.
	Done      ReplayCount `json:"done"`
	CreatedAt time.Time   `json:"createdAt"`
	UpdatedAt time.Time   `json:"updatedAt"`
	// EndedAt is set when State is no longer ReplayRunning.
	EndedAt time.Time `json:"endedAt,omitzero"`
	// RetainUntil is when the row is forgotten; zero while the replay runs.
	RetainUntil time.Time `json:"retainUntil,omitzero"`
	// Version rises by one with every change; 1 when created.
	Version int64 `json:"version"`
}

// A ReplayKey finds a replay.
type ReplayKey struct {
	Owner string
	ID    ID
}

// Key finds the replay.
func (r *Replay) Key() ReplayKey { return ReplayKey{Owner: r.Owner, ID: r.ID} }

// Running reports whether the replay has not ended.
func (r *Replay) Running() bool { return r.State == ReplayRunning }

// End ends the replay at t. What has ended is kept for ReplayRetention.
func (r *Replay) End(state ReplayState, t time.Time) {
	r.State, r.EndedAt, r.RetainUntil = state, t, t.Add(ReplayRetention)
}

// A ReplayQuery asks for a page of an owner's replays, the newest first.
type ReplayQuery struct {
	Owner string
	// Below is an exclusive bound on the id; the zero ID is no bound.
	Below ID
	// Limit bounds the page, 1 or more. A shorter page is the last one.
	Limit int
}

// A ReplayCount counts what a replay concerns.
type ReplayCount struct {
	// Events counts those that the filter selects, whether or not a subscription
	// receives them. A redrive counts dead letters instead.
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

// MaxRunningReplays bounds the replays of an owner that run at a time.
const MaxRunningReplays = 20

// ReplayRetention is how long a replay that has ended can still be read.
const ReplayRetention = 30 * 24 * time.Hour
