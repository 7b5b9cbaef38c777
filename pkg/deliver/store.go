package deliver

import (
	"context"
	"time"

	"hermod/pkg/hermod"
)

// A Store is what an attempt reads and writes. All reads are consistent.
type Store interface {
	// EventsByKey reads events. Those that do not exist are missing.
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
	// SubscriptionsByRef reads subscriptions with their health, tombstones included.
	// Those that do not exist are missing.
	SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error)
	// LastAttempt reads the row with the highest number of a run; nil where the
	// run has none.
	LastAttempt(ctx context.Context, run hermod.RunKey) (*hermod.Attempt, error)
	// PutAttempt puts a row if absent. It fails with CodeConflict where the row
	// exists. A waiting row carried by CarrierDue enters the due index, a dead one the
	// dead index.
	PutAttempt(ctx context.Context, a *hermod.Attempt) error
	// ClearDead takes rows out of the dead index, those that are out already included.
	// The rows themselves stay.
	ClearDead(ctx context.Context, keys []hermod.AttemptKey) error
	// UpdateSubscription replaces the row whose version is s.Version, and bumps
	// the version of the row, of s and of the row's owner, in one transaction. It
	// fails with CodePreconditionFailed where the row has another version or is
	// gone.
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
	HealthStore
	// Park puts p, in the place of one that is parked after the same row.
	Park(ctx context.Context, p *hermod.Parked) error
	// Admit takes a token for a delivery of the event to the subscription, as a hermod.Pace
	// of the rate has it, and answers false where there is none. A rate may be kept in
	// parts, to one of which the event belongs.
	Admit(ctx context.Context, ref hermod.Ref, event hermod.ID, rate int, at time.Time) (bool, error)
	// ParkedOf is that of SweepStore.
	ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error)
}

// A HealthStore keeps how endpoints do. Only who does not do well has a row.
type HealthStore interface {
	// Fail counts a failure as hermod.Health.Fail does, in one write, and answers the
	// row after it. The row keeps its version.
	Fail(ctx context.Context, ref hermod.Ref, at time.Time, class string) (*hermod.Health, error)
	// PutHealth puts or replaces the row whose version is h.Version, 0 for no row, and
	// bumps it. It fails with CodePreconditionFailed where another version stands.
	PutHealth(ctx context.Context, h *hermod.Health) error
	// DeleteHealth deletes the row whose version is h.Version. It fails with
	// CodePreconditionFailed where another version stands or none does.
	DeleteHealth(ctx context.Context, h *hermod.Health) error
}

// A SweepStore is what a Sweeper reads and writes. All reads are consistent.
type SweepStore interface {
	HealthStore
	// Attended are the subscriptions of all owners whose health is attended.
	Attended(ctx context.Context) ([]hermod.Ref, error)
	// SubscriptionsByRef is that of Store. Secrets may be missing.
	SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error)
	// ParkedOf reads what is parked of a subscription, at most limit, in the order of
	// the delivery log, the oldest event first.
	ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error)
	// Unpark removes what still has the token it has here.
	Unpark(ctx context.Context, parked []*hermod.Parked) error
}

// A DueIndex finds the waiting rows that no message carries.
type DueIndex interface {
	// Due reads rows whose NextAt is not after until, the earliest first, at most
	// limit. A row cleared a moment ago may still be among them.
	Due(ctx context.Context, until time.Time, limit int) ([]*hermod.Attempt, error)
	// ClearDue takes rows out of the index, those that are out already included.
	// The rows themselves stay.
	ClearDue(ctx context.Context, keys []hermod.AttemptKey) error
	// ParkedDue reads what is parked and whose WakeAt is not after until, the earliest
	// first, at most limit. What was removed a moment ago may still be among it.
	ParkedDue(ctx context.Context, until time.Time, limit int) ([]*hermod.Parked, error)
	// Unpark is that of SweepStore.
	Unpark(ctx context.Context, parked []*hermod.Parked) error
}

// A Queue takes the messages that carry runs on.
type Queue interface {
	Send(ctx context.Context, messages []hermod.Message) error
}
