// Package ingest accepts events, whatever their producer and their transport: it
// reads and validates them, gives them their ids, finds the subscriptions they go
// to, keeps them and enqueues their deliveries.
package ingest

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

// settleTime bounds the time from stamping an id to the end of its put, retries
// included. Two rules stand on it: a reader of the log that stays this far behind
// the present has nothing appear behind it, and a claim older than this whose
// event does not exist never will have it.
const settleTime = 4 * time.Second

// An Acceptor accepts events: it stamps, matches, keeps and enqueues them. All
// producers, whatever their transport, go through it.
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
	// Schemas reads the schemas that accounts have their events checked against.
	// Without it, events of such types are refused, but for mocks.
	Schemas Compiler
}

// New makes an Acceptor.
func New(o Options) *Acceptor {
	return &Acceptor{journal: o.Journal, matcher: newMatcher(o.Config, o.Schemas), ids: o.IDs, now: o.Now, log: o.Log}
}

// Accept accepts the submissions, all or none of them: when it returns without
// an error, each event is kept and the messages that start its deliveries are in
// the queue. It answers the events in the order of the submissions; for a
// submission whose key was accepted before, the event of then. With the completion of a
// signature request of Telia Sign it accepts the event that the request's status has
// changed; a publisher's own one within a minute is answered as that event.
//
// On an engine without transactions a batch that fails may leave claims on the
// keys of its good submissions; they can be accepted again once settleTime has
// passed, and fail with CodeUnavailable until then.
//
// It sets the submissions' Warnings, and whether their events are internal, and writes
// the names of Telia Sign's types in lower case.
//
// Errors: CodeInvalid for an account or organization that does not exist and for
// data that does not fit a schema its account enforces,
// CodeConflict for a key that was used with another body, CodeUnavailable where
// trying again may help.
func (a *Acceptor) Accept(ctx context.Context, submissions []Submission) ([]*hermod.Event, error) {
	b := batch{ids: a.ids, now: a.now, submissions: submissions, given: len(submissions)}
	if err := a.run(ctx, &b); err != nil {
		return nil, err
	}
	return b.events[:b.given], nil
}

// acceptApart accepts what it can of the submissions, in one write where it can. It
// answers, for each, why it was not accepted; nil where it was.
func (a *Acceptor) acceptApart(ctx context.Context, submissions []Submission) (refused []error) {
	b := batch{ids: a.ids, now: a.now, submissions: submissions, given: len(submissions), apart: true}
	err := a.run(ctx, &b)
	switch {
	case err == nil:
		return b.refused[:b.given]
	case hermod.CodeOf(err) != hermod.CodeUnavailable && len(submissions) > 1:
		// Of a fault that is not the moment's nobody knows whose it is. One by one,
		// it stays with the submission that has it.
		return a.acceptOneByOne(ctx, submissions, &b)
	default:
		return slices.Repeat([]error{err}, len(submissions))
	}
}

// acceptOneByOne accepts each submission by itself after a batch of all has failed. On an
// engine without transactions that has claimed their keys, for the ids in its stamps, and they
// are put as those: were they to wait for the claims to age, they would come back with the
// one that fails them, and all end with it. The ids are put in the time that is left of
// settleTime since they were stamped.
func (a *Acceptor) acceptOneByOne(ctx context.Context, submissions []Submission, failed *batch) (refused []error) {
	refused = make([]error, len(submissions))
	if len(failed.stamps) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, settleTime-a.now().Sub(failed.stamps[0].Time()))
		defer cancel()
	}
	for i := range submissions {
		b := batch{ids: a.ids, now: a.now, submissions: submissions[i : i+1], given: 1, left: failed.stampsOf(i)}
		refused[i] = a.run(ctx, &b)
	}
	return refused
}

// run never panics: it is a fault like any other, which in a batch of messages may be that
// of one of them.
func (a *Acceptor) run(ctx context.Context, b *batch) (err error) {
	start := a.now()
	defer func() { a.logBatch(ctx, b, start, err) }()
	defer recovered(&err)
	if err := b.prepare(ctx, a.matcher, start); err != nil {
		return inTime(err)
	}
	if err := a.journal.Write(ctx, b.write); err != nil {
		return inTime(fmt.Errorf("accepting %d events: %w", b.given, err))
	}
	return nil
}

// recovered makes an error of a panic. It is deferred.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// inTime gives a failure for want of time the code that says so.
func inTime(err error) error {
	if hermod.CodeOf(err) != hermod.CodeInternal {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &hermod.Error{Code: hermod.CodeUnavailable, Message: "the events could not be kept in time; try again", Err: err}
	}
	return err
}

func (a *Acceptor) logBatch(ctx context.Context, b *batch, start time.Time, err error) {
	attrs := []slog.Attr{
		slog.Int("events", b.given),
		slog.Int("deliveries", b.sent),
		slog.Int("repeated", b.repeated),
		slog.Int("launched", b.launched),
		slog.Int("refused", b.refusals()),
		slog.Int("warned", b.warned),
		slog.Duration("duration", a.now().Sub(start)),
	}
	level, message := slog.LevelInfo, "accepted batch"
	if err == nil && b.plain() {
		level = slog.LevelDebug // the line of its request says as much, and logs are a tenth of what an event costs
	}
	if err != nil {
		message = "batch not accepted"
		attrs = append(attrs, slog.String("code", string(hermod.CodeOf(err))), slog.String("error", hermod.Detail(err)))
		if hermod.CodeOf(err) == hermod.CodeInternal {
			level = slog.LevelError
		}
	}
	a.log.LogAttrs(ctx, level, message, attrs...)
}
