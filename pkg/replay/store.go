package replay

import (
	"context"

	"hermod/pkg/hermod"
)

// Deliveries are what starting a delivery again reads. All reads are consistent.
type Deliveries interface {
	// Subscriptions reads all subscriptions of an owner, tombstones included; all
	// global ones for hermod.EveryOwner. Their secrets stay sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// LastOf reads the row of a delivery with the highest run, and of those the one
	// with the highest number; nil where the delivery has none. A row past its
	// RetainUntil that still stands counts.
	LastOf(ctx context.Context, subscriptionID string, event hermod.ID) (*hermod.Attempt, error)
	// ClearDead takes rows out of the dead index, see DeadIndex.
	ClearDead(ctx context.Context, keys []hermod.AttemptKey) error
}

// A DeadIndex finds the rows with which runs ended dead.
type DeadIndex interface {
	// Dead is a page of the index: dead rows of the owner's subscriptions that were not
	// cleared, whether or not a later run has superseded them. It is read from an index
	// that may lag behind; the rows themselves are read by LastOf.
	Dead(ctx context.Context, q hermod.DeadQuery) ([]hermod.DeadKey, error)
	// ClearDead takes rows out of the index, those that are out already included. The
	// rows themselves stay.
	ClearDead(ctx context.Context, keys []hermod.AttemptKey) error
}

// A Store is what replays by filter read and write.
type Store interface {
	Deliveries
	LetterStore
	// Events is a page of the event log.
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
	// Settled is an id up to which nothing can appear any more in the log that the
	// owner and the pattern of the query select.
	Settled(ctx context.Context, q hermod.EventQuery) (hermod.ID, error)

	// CreateReplay puts r as version 1. It fails with CodeConflict where the id is
	// taken.
	CreateReplay(ctx context.Context, r *hermod.Replay) error
	// Replay reads one, consistently. It fails with CodeNotFound.
	Replay(ctx context.Context, key hermod.ReplayKey) (*hermod.Replay, error)
	// Replays is a page of an owner's replays.
	Replays(ctx context.Context, q hermod.ReplayQuery) ([]*hermod.Replay, error)
	// RunningReplays finds the replays of all owners that have not ended.
	RunningReplays(ctx context.Context) ([]hermod.ReplayKey, error)
	// UpdateReplay replaces the row whose version is r.Version and bumps the version
	// of the row and of r. It fails with CodePreconditionFailed where the row has
	// another version or is gone.
	UpdateReplay(ctx context.Context, r *hermod.Replay) error
}

// A Queue takes the messages that start runs.
type Queue interface {
	Send(ctx context.Context, messages []hermod.Message) error
}
