package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A Runner carries replays on. It runs each minute on AWS, for most of the minute,
// and all the time in one process. Two at once do no harm: of two that carry on the
// same replay, the one that writes its progress second stops.
type Runner struct {
	Store Store
	Queue Queue
	Now   func() time.Time
	Log   *slog.Logger
}

const (
	// burst is the time whose share of a replay's rate is sent at once.
	burst = 100 * time.Millisecond
	// lookEvery is how often progress is written, and how often the runner looks for
	// replays that have begun, were cancelled, or have lost their subscription.
	lookEvery = 2 * time.Second
	// stopMargin is what must be left of the time given for another step to begin.
	stopMargin = 10 * time.Second
	// stepTime bounds a step: whatever it waits for, the other replays wait for it.
	stepTime = 10 * time.Second
	// writeTime bounds the writing of progress when the time given is over.
	writeTime = 5 * time.Second
)

// Run carries on all replays that run, owner by owner, until none is left, ctx ends,
// or it is about to. All replays of an owner share its turns. A replay that fails is left to the next Run; the others go on.
func (r *Runner) Run(ctx context.Context) error {
	w := &round{Runner: r, left: map[hermod.ReplayKey]bool{}}
	err := w.run(ctx)
	for _, j := range slices.Clone(w.jobs) {
		w.part(ctx, j, nil)
	}
	return err
}

// A round is one Run.
type round struct {
	*Runner
	// jobs are in the order of their last turns.
	jobs []*job
	// left are the replays that this round does not touch any more.
	left   map[hermod.ReplayKey]bool
	lookAt time.Time
}

func (w *round) run(ctx context.Context) error {
	for w.timeLeft(ctx) {
		if now := w.Now(); !now.Before(w.lookAt) {
			if err := w.look(ctx); err != nil {
				return err
			}
			w.lookAt = now.Add(lookEvery)
		}
		if len(w.jobs) == 0 {
			return nil
		}
		pause(ctx, w.pass(ctx).Sub(w.Now()))
	}
	return nil
}

// pass gives each owner a turn: a step of that of its replays which has waited
// longest for one. It answers when there is more to do.
func (w *round) pass(ctx context.Context) (next time.Time) {
	next = w.lookAt
	served := map[string]bool{}
	for _, j := range slices.Clone(w.jobs) {
		owner := j.replay.Owner
		switch {
		case !w.timeLeft(ctx):
			return time.Time{}
		case j.waiting(w.Now()):
			next = earlier(next, j.sendAt)
		case served[owner]:
			next = time.Time{}
		default:
			next, served[owner] = time.Time{}, true
			w.drop(j)
			w.jobs = append(w.jobs, j)
			w.turn(ctx, j)
		}
	}
	return next
}

func (w *round) drop(j *job) {
	w.jobs = slices.DeleteFunc(w.jobs, func(other *job) bool { return other == j })
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (w *round) timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || deadline.Sub(w.Now()) > stopMargin)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// look takes up the replays that have begun and parts from those that have ended.
func (w *round) look(ctx context.Context) error {
	running, err := w.Store.RunningReplays(ctx)
	if err != nil {
		return fmt.Errorf("reading the running replays: %w", err)
	}
	for _, j := range slices.Clone(w.jobs) {
		if !slices.Contains(running, j.replay.Key()) {
			w.part(ctx, j, nil)
		}
	}
	for _, key := range running {
		if w.left[key] || slices.ContainsFunc(w.jobs, func(j *job) bool { return j.replay.Key() == key }) {
			continue
		}
		replay, err := w.Store.Replay(ctx, key)
		switch {
		case err != nil:
			w.left[key] = true
			w.log(ctx, key, slog.LevelError, "replay not carried on", hermod.LogError(err))
		case replay.Running():
			w.jobs = append(w.jobs, newJob(w.Runner, replay))
		}
	}
	return nil
}

// turn carries a replay on by one step. What fails, panics or takes too long is that
// replay's alone.
func (w *round) turn(ctx context.Context, j *job) {
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		step, cancel := context.WithTimeout(ctx, stepTime)
		defer cancel()
		return j.step(step)
	}()
	if err != nil && ctx.Err() == nil {
		w.part(ctx, j, err)
	}
}

// errEnded ends the work on a replay that needs no more of it.
var errEnded = errors.New("the replay has come to its end")

// part writes down how far the replay is and leaves it.
func (w *round) part(ctx context.Context, j *job, cause error) {
	w.left[j.replay.Key()] = true
	w.drop(j)
	if !errors.Is(cause, errEnded) && !errors.Is(cause, errLost) {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
		defer cancel()
		if err := j.write(ending); err != nil && !errors.Is(err, errLost) {
			cause = errors.Join(cause, err)
		}
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("state", string(j.replay.State)), slog.Int("sent", j.sent), slog.Int64("events", j.done.Events),
		slog.Int64("deliveries", j.done.Deliveries), slog.Duration("duration", w.Now().Sub(j.began)),
	}
	if cause != nil && !errors.Is(cause, errEnded) {
		if !errors.Is(cause, errLost) {
			level = slog.LevelError
		}
		attrs = append(attrs, hermod.LogError(cause))
	}
	w.log(ctx, j.replay.Key(), level, "carried a replay on", attrs...)
}

func (w *round) log(ctx context.Context, key hermod.ReplayKey, level slog.Level, message string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("replay", key.ID.String()), slog.String("owner", key.Owner)}, attrs...)
	w.Log.LogAttrs(ctx, level, message, attrs...)
}
