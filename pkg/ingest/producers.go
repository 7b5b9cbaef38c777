package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// Handle accepts a batch of messages of the ingest queue. A message is a Hermod
// event, a CloudEvent or an EventBridge envelope, and names its account. A bad
// message is logged and given up, so that redrive puts it into the dead letters;
// the good ones of the same batch are accepted.
func (a *Acceptor) Handle(ctx context.Context, messages []hermod.Received) []hermod.Outcome {
	outcomes := make([]hermod.Outcome, len(messages))
	var submissions []Submission
	var of []int // the message of each submission
	for i, m := range messages {
		s, err := decodeMessage(m, a.now())
		if err != nil {
			outcomes[i] = a.refuse(ctx, m, err)
			continue
		}
		submissions = append(submissions, s)
		of = append(of, i)
	}
	if len(submissions) == 0 {
		return outcomes
	}
	reasons := a.acceptApart(ctx, submissions)
	for n, reason := range reasons {
		if reason != nil {
			outcomes[of[n]] = a.refuse(ctx, messages[of[n]], reason)
		}
	}
	return outcomes
}

func (a *Acceptor) refuse(ctx context.Context, m hermod.Received, err error) hermod.Outcome {
	attrs := []slog.Attr{
		slog.String("message", m.ID), slog.Int("receives", m.Receives),
		slog.String("code", string(hermod.CodeOf(err))), slog.String("reason", reasonOf(err)),
	}
	code := hermod.CodeOf(err)
	switch code {
	case hermod.CodeInvalid, hermod.CodeTooLarge, hermod.CodeConflict, hermod.CodeForbidden:
		a.log.LogAttrs(ctx, slog.LevelWarn, "refused message", attrs...)
		return hermod.Outcome{Action: hermod.GiveUp}
	default:
		level := slog.LevelWarn
		if code == hermod.CodeInternal {
			level = slog.LevelError
		}
		a.log.LogAttrs(ctx, level, "message not accepted", attrs...)
		return hermod.Outcome{Action: hermod.Again, At: a.now().Add(hermod.FaultPause(m.Receives))}
	}
}

// reasonOf is every member at fault and why: members' names and rules, never
// their values.
func reasonOf(err error) string {
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || len(e.Fields) == 0 {
		return hermod.Detail(err)
	}
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Name + " " + f.Reason)
	}
	return b.String()
}

// WhyRefused says what is wrong with a message of the ingest queue, members and rules and
// never their values; "" where nothing is by what the message alone shows. Its account
// may not exist, or a schema may have refused its data: the log tells that.
func WhyRefused(m hermod.Received, now time.Time) string {
	if _, err := decodeMessage(m, now); err != nil {
		return reasonOf(err)
	}
	return ""
}

// decodeMessage never panics: the messages beside it are none of its business.
func decodeMessage(m hermod.Received, now time.Time) (s Submission, err error) {
	defer recovered(&err)
	s, err = decodeForm(m.Body, now)
	if err != nil {
		return Submission{}, err
	}
	if s.Event.AccountID == "" {
		return Submission{}, hermod.InvalidFields(hermod.FieldError{Name: s.accountField, Reason: "is required of a queue's message"})
	}
	if s.Key == "" {
		s.Key = "message:" + m.ID
	}
	return s, nil
}

// decodeForm tells the three forms apart by a member that only one of them has.
func decodeForm(body []byte, now time.Time) (Submission, error) {
	const cloud, bridge = "specversion", "detail-type"
	members, err := Members(body, cloud, bridge, events)
	if err != nil {
		return Submission{}, err
	}
	has := func(name string) bool { _, ok := members[name]; return ok }
	read := Native
	switch {
	case has(cloud):
		read = CloudEvent
	case has(bridge):
		read = EventBridge
	case has(events):
		return Submission{}, hermod.InvalidFields(hermod.FieldError{Name: events, Reason: "is not possible here: a message is one event"})
	}
	submissions, err := read(body, now)
	if err != nil {
		return Submission{}, err
	}
	return submissions[0], nil
}
