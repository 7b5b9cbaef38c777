package replay

import (
	"context"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// A Planner creates, counts and cancels replays by filter.
type Planner struct {
	Store Store
	IDs   *hermod.IDs
	Now   func() time.Time
}

// Counting ends at whichever comes first: a filter over a long log would keep its
// caller waiting.
const (
	countEvents = 10_000
	countTime   = 3 * time.Second
)

// cancelTries is how often a cancel that met the runner's checkpoint is tried again.
const cancelTries = 5

// Count sets what the replay's filter selects now as Expected, after drawing Below
// in to where the log is settled: what still appears in it may appear behind the
// replay's position. A redrive ends with what is dead now. Expected is not complete
// where counting took too long. It fails
// with CodeConflict where the replay is for one subscription that is not in force.
func (p *Planner) Count(ctx context.Context, r *hermod.Replay) error {
	now := p.Now()
	if r.Dead != nil {
		// What dies of a redrive is not for it to redrive.
		if below := hermod.FirstIDAt(now); below.Compare(r.Below) < 0 {
			r.Below = below
		}
	} else if err := p.settle(ctx, r); err != nil {
		return err
	}
	all, reason, err := loadFor(ctx, p.Store, r, now)
	if err != nil {
		return err
	}
	if reason != "" {
		return errNotInForce(reason)
	}
	if r.Dead != nil {
		r.Expected, err = p.countLetters(ctx, r, all, now)
	} else {
		r.Expected, err = p.count(ctx, r, all, now)
	}
	return err
}

// count counts for countTime at most: what it has by then is the answer.
func (p *Planner) count(ctx context.Context, r *hermod.Replay, all audience, now time.Time) (count hermod.ReplayCount, err error) {
	counting, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	seen, above := 0, r.Above
	for !count.Complete && seen < countEvents {
		events, last, err := page(counting, p.Store, r, above)
		if err != nil && counting.Err() != nil && ctx.Err() == nil {
			break
		}
		if err != nil {
			return count, fmt.Errorf("counting the deliveries of a replay: %w", err)
		}
		for _, e := range events {
			above = e.ID
			if selects(r, e) {
				count.Events++
				count.Deliveries += int64(len(all.of(e, now)))
			}
		}
		seen += len(events)
		count.Complete = last
	}
	return count, nil
}

// settle draws Below in to the settled part of the log.
func (p *Planner) settle(ctx context.Context, r *hermod.Replay) error {
	for _, pattern := range patterns(r) {
		settled, err := p.Store.Settled(ctx, hermod.EventQuery{Owner: r.Owner, Pattern: pattern})
		if err != nil {
			return fmt.Errorf("finding the end of the log: %w", err)
		}
		if below := settled.Next(); below.Compare(r.Below) < 0 {
			r.Below = below
		}
	}
	if r.Below.Compare(r.Above) < 0 {
		r.Below = r.Above
	}
	return nil
}

// Create counts as Count does and puts the replay, which a Runner then carries out.
// Besides, it fails with CodeConflict where hermod.MaxRunningReplays of the
// owner run already.
func (p *Planner) Create(ctx context.Context, r *hermod.Replay) error {
	running, err := p.Store.RunningReplays(ctx)
	if err != nil {
		return fmt.Errorf("reading the running replays: %w", err)
	}
	own := 0
	for _, key := range running {
		if key.Owner == r.Owner {
			own++
		}
	}
	if own >= hermod.MaxRunningReplays {
		return hermod.Errorf(hermod.CodeConflict, "%d replays are running; wait for one to end, or cancel one", own)
	}
	if err := p.Count(ctx, r); err != nil {
		return err
	}
	now := p.Now().UTC()
	r.ID, r.State, r.Position, r.CreatedAt, r.UpdatedAt = p.IDs.Next(), hermod.ReplayRunning, r.Above, now, now
	if err := p.Store.CreateReplay(ctx, r); err != nil {
		return fmt.Errorf("creating a replay: %w", err)
	}
	return nil
}

// Cancel ends a replay that runs; one that was cancelled before stays so. It fails
// with CodeNotFound, and with CodeConflict where the replay is done.
func (p *Planner) Cancel(ctx context.Context, key hermod.ReplayKey) error {
	for range cancelTries {
		r, err := p.Store.Replay(ctx, key)
		if err != nil {
			return fmt.Errorf("reading a replay: %w", err)
		}
		switch r.State {
		case hermod.ReplayCancelled:
			return nil
		case hermod.ReplayDone:
			return hermod.Errorf(hermod.CodeConflict, "the replay is done")
		case hermod.ReplayRunning:
		}
		r.UpdatedAt = p.Now().UTC()
		r.End(hermod.ReplayCancelled, r.UpdatedAt)
		err = p.Store.UpdateReplay(ctx, r)
		if err == nil {
			return nil
		}
		if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return fmt.Errorf("cancelling a replay: %w", err)
		}
	}
	return hermod.Errorf(hermod.CodeUnavailable, "the replay is being carried on; try again")
}
