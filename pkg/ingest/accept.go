package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// settleTime bounds the time from stamping an id to the end of its put, retries
// included. Two rules stand on it: a reader of the log that stays this far behind
// the present has nothing appear behind it, and a claim older than this whose
// event does not exist never will have it.
const settleTime = 4 * time.Second

// An Acceptor accepts events: it stamps, matches, keeps and enqueues them. All
// producers, whatever their transport, go through Accept.
type Acceptor struct {
	journal Journal
	matcher *matcher
	ids     *hermod.IDs
	now     func() time.Time
	log     *slog.Logger
}

// Options are what an Acceptor needs.
type Options struct {
	Config  Config
	Journal Journal
	IDs     *hermod.IDs
	Now     func() time.Time
	Log     *slog.Logger
}

// New makes an Acceptor.
func New(o Options) *Acceptor {
	return &Acceptor{journal: o.Journal, matcher: newMatcher(o.Config), ids: o.IDs, now: o.Now, log: o.Log}
}

// Accept accepts the submissions, all or none of them: when it returns without
// an error, each event is kept and the messages that start its deliveries are in
// the queue. It answers the events in the order of the submissions; for a
// submission whose key was accepted before, the event of then.
//
// Errors: CodeInvalid for an account or organization that does not exist,
// CodeConflict for a key that was used with another body, CodeUnavailable where
// trying again may help.
func (a *Acceptor) Accept(ctx context.Context, submissions []Submission) (events []*hermod.Event, err error) {
	start := a.now()
	b := batch{ids: a.ids, now: a.now, submissions: submissions}
	defer func() { a.logBatch(ctx, &b, start, err) }()

	if err := b.prepare(ctx, a.matcher, start); err != nil {
		return nil, err
	}
	if err := a.journal.Write(ctx, b.write); err != nil {
		return nil, fmt.Errorf("accepting %d events: %w", len(submissions), err)
	}
	return b.events, nil
}

func (a *Acceptor) logBatch(ctx context.Context, b *batch, start time.Time, err error) {
	attrs := []slog.Attr{
		slog.Int("events", len(b.submissions)),
		slog.Int("deliveries", b.sent),
		slog.Int("repeated", b.repeated),
		slog.Duration("duration", a.now().Sub(start)),
	}
	level := slog.LevelInfo
	if err != nil {
		attrs = append(attrs, slog.String("code", string(hermod.CodeOf(err))), slog.Any("error", err))
		if hermod.CodeOf(err) == hermod.CodeInternal {
			level = slog.LevelError
		}
	}
	a.log.LogAttrs(ctx, level, "accepted batch", attrs...)
}
