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
	// SubscriptionsByRef reads subscriptions, tombstones included. Those that do
	// not exist are missing.
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
}

// A DueIndex finds the waiting rows that no message carries.
type DueIndex interface {
	// Due reads rows whose NextAt is not after until, the earliest first, at most
	// limit. A row cleared a moment ago may still be among them.
	Due(ctx context.Context, until time.Time, limit int) ([]*hermod.Attempt, error)
	// ClearDue takes rows out of the index, those that are out already included.
	// The rows themselves stay.
	ClearDue(ctx context.Context, keys []hermod.AttemptKey) error
}

// A Queue takes the messages that carry runs on.
type Queue interface {
	Send(ctx context.Context, messages []hermod.Message) error
}
