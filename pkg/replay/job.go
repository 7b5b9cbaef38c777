package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// A job is a replay in a runner's hands.
type job struct {
	*Runner
	// replay is as it was last read or written.
	replay hermod.Replay
	progress

	// events are those of the page that are not done, and last says that no page
	// follows. refs are the receivers of the first of them, of which so many have
	// been taken.
	events []*hermod.Event
	last   bool
	// letters are, of a redrive, what events are of a replay.
	letters []entry
	refs    []hermod.Ref
	taken   int

	audience audience
	// gone says why the one subscription that the replay is for no longer receives.
	gone    hermod.Reason
	loadAt  time.Time
	writeAt time.Time

	// burst is what is sent at sendAt, and after how far the replay is then. It overtakes
	// the rows dead.
	burst  []hermod.Message
	after  progress
	dead   []hermod.AttemptKey
	sendAt time.Time
	// cleared are the rows that leave the dead index once the progress that counts them
	// is written: until then a crash would have them found and counted again.
	cleared []hermod.AttemptKey

	sent  int
	began time.Time
}

// progress is how far a replay is: up to the last event whose deliveries have all
// been started.
type progress struct {
	position hermod.ID
	// letter is the position of a redrive, see hermod.DeadFilter.
	letter string
	done   hermod.ReplayCount
}

func progressOf(r *hermod.Replay) progress {
	p := progress{position: r.Position, done: r.Done}
	if r.Dead != nil {
		p.letter = r.Dead.Position
	}
	return p
}

// set writes the progress into the replay.
func (p progress) set(r *hermod.Replay) {
	r.Position, r.Done = p.position, p.done
	if r.Dead != nil {
		r.Dead = &hermod.DeadFilter{Reasons: r.Dead.Reasons, Position: p.letter}
	}
}

// errLost says that another has changed the replay.
var errLost = errors.New("another has changed the replay")

func newJob(r *Runner, replay *hermod.Replay) *job {
	now := r.Now()
	return &job{
		Runner: r, replay: *replay, progress: progressOf(replay),
		began: now, sendAt: now, writeAt: now.Add(lookEvery),
	}
}

// waiting reports whether there is nothing to do but to wait for sendAt.
func (j *job) waiting(now time.Time) bool { return len(j.burst) > 0 && now.Before(j.sendAt) }

// step prepares a burst, which takes reads, or sends the one that is prepared, which
// is due then. It fails with errEnded at the replay's end and with errLost.
func (j *job) step(ctx context.Context) error {
	if len(j.burst) == 0 {
		if err := j.prepare(ctx); err != nil {
			return err
		}
	} else if err := j.send(ctx); err != nil {
		return err
	}
	if j.Now().Before(j.writeAt) {
		return nil
	}
	return j.write(ctx)
}

func (j *job) prepare(ctx context.Context) error {
	now := j.Now()
	if !now.Before(j.loadAt) {
		all, reason, err := loadFor(ctx, j.Store, &j.replay, now)
		if err != nil {
			return err
		}
		j.audience, j.gone, j.loadAt = all, reason, now.Add(lookEvery)
	}
	if j.replay.SubscriptionID != "" && j.gone == "" {
		j.gone = whyNot(j.audience[0], now) // it may have an end
	}
	if j.gone != "" {
		return j.end(ctx, hermod.ReplayCancelled, j.gone)
	}
	if j.replay.Dead != nil {
		return j.prepareLetters(ctx, now)
	}
	if len(j.events) == 0 {
		if j.last {
			return j.end(ctx, hermod.ReplayDone, "")
		}
		var err error
		if j.events, j.last, err = page(ctx, j.Store, &j.replay, j.position); err != nil {
			return err
		}
	}
	deliveries, after := j.take(j.burstSize(), now)
	messages, dead, err := nextRuns(ctx, j.Store, deliveries, j.replay.ID)
	if err != nil {
		return err
	}
	j.ready(messages, dead, after)
	return nil
}

// ready makes the next burst. It may be empty: nobody receives, or all was started
// before a crash.
func (j *job) ready(messages []hermod.Message, dead []hermod.AttemptKey, after progress) {
	j.burst, j.dead, j.after = messages, dead, after
	if len(messages) == 0 {
		j.advance()
	}
}

// advance says that the burst has been sent.
func (j *job) advance() {
	j.progress, j.burst = j.after, nil
	j.cleared, j.dead = append(j.cleared, j.dead...), nil
}

// burstSize is how many messages a burst has.
func (j *job) burstSize() int { return max(1, int(j.rate()*burst/time.Second)) }

func (j *job) rate() time.Duration { return time.Duration(max(1, j.replay.Rate)) }

// take takes at most so many deliveries of the events that are next, and says how
// far the replay is once they have been started.
func (j *job) take(n int, now time.Time) (deliveries []delivery, after progress) {
	after = j.progress
	for len(j.events) > 0 && len(deliveries) < n {
		e := j.events[0]
		selected := selects(&j.replay, e)
		if j.taken == 0 && selected {
			j.refs = j.audience.of(e, now)
		}
		for ; j.taken < len(j.refs) && len(deliveries) < n; j.taken++ {
			deliveries = append(deliveries, delivery{e, j.refs[j.taken]})
		}
		if j.taken < len(j.refs) {
			break
		}
		after.position = e.ID
		if selected {
			after.done.Events++
			after.done.Deliveries += int64(len(j.refs))
		}
		j.events, j.refs, j.taken = j.events[1:], nil, 0
	}
	return deliveries, after
}

// send sends the burst. The next one is as much later as the rate asks, counted from
// here: time lost to anything else is not made up for.
func (j *job) send(ctx context.Context) error {
	now := j.Now()
	if err := j.Queue.Send(ctx, j.burst); err != nil {
		return fmt.Errorf("sending %d messages of a replay: %w", len(j.burst), err)
	}
	j.sendAt = now.Add((time.Duration(len(j.burst))*time.Second + j.rate() - 1) / j.rate()) // rounded up
	j.sent += len(j.burst)
	j.advance()
	return nil
}

// write writes the progress down, where there is any.
func (j *job) write(ctx context.Context) error {
	j.writeAt = j.Now().Add(lookEvery)
	if j.progress == progressOf(&j.replay) {
		return j.clear(ctx)
	}
	return j.update(ctx, func(*hermod.Replay) {})
}

func (j *job) end(ctx context.Context, state hermod.ReplayState, reason hermod.Reason) error {
	err := j.update(ctx, func(r *hermod.Replay) {
		r.Reason = reason
		r.Done.Complete = state == hermod.ReplayDone
		r.End(state, r.UpdatedAt)
	})
	if err != nil {
		return err
	}
	return errEnded
}

func (j *job) update(ctx context.Context, change func(*hermod.Replay)) error {
	updated := j.replay
	j.set(&updated)
	updated.UpdatedAt = j.Now().UTC()
	change(&updated)
	err := j.Store.UpdateReplay(ctx, &updated)
	switch {
	case err == nil:
		j.replay = updated
		return j.clear(ctx)
	case hermod.CodeOf(err) == hermod.CodePreconditionFailed:
		return errors.Join(errLost, j.leave(ctx))
	default:
		return fmt.Errorf("writing the progress of a replay: %w", err)
	}
}

// leave adds what was started since the last write to a replay that was cancelled
// meanwhile, so that its counts are right. Where another runner has carried the
// replay on, that one counts.
func (j *job) leave(ctx context.Context) error {
	standing, err := j.Store.Replay(ctx, j.replay.Key())
	if err != nil {
		return fmt.Errorf("reading a replay that has changed: %w", err)
	}
	if standing.Running() || progressOf(standing) != progressOf(&j.replay) {
		return j.clear(ctx)
	}
	j.set(standing)
	err = j.Store.UpdateReplay(ctx, standing)
	if err != nil && hermod.CodeOf(err) != hermod.CodePreconditionFailed {
		return fmt.Errorf("writing the counts of a cancelled replay: %w", err)
	}
	j.replay = *standing
	return j.clear(ctx)
}

// clear takes what the replay has overtaken out of the dead index.
func (j *job) clear(ctx context.Context) error {
	if len(j.cleared) == 0 {
		return nil
	}
	if err := j.Store.ClearDead(ctx, j.cleared); err != nil {
		return fmt.Errorf("clearing %d dead rows: %w", len(j.cleared), err)
	}
	j.cleared = nil
	return nil
}
