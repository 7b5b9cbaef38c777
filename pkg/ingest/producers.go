package ingest

import (
	"context"
	"encoding/json"
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
	if _, err := a.Accept(ctx, submissions); err == nil {
		return outcomes
	}
	// Accept is all or nothing. One by one, what is wrong with one message stays
	// with that message.
	for n, i := range of {
		if _, err := a.Accept(ctx, submissions[n:n+1]); err != nil {
			outcomes[i] = a.refuse(ctx, messages[i], err)
		}
	}
	return outcomes
}

// retryPause is how long a message waits that could not be accepted for no fault
// of its own.
const retryPause = 10 * time.Second

func (a *Acceptor) refuse(ctx context.Context, m hermod.Received, err error) hermod.Outcome {
	attrs := []slog.Attr{
		slog.String("message", m.ID), slog.Int("receives", m.Receives),
		slog.String("code", string(hermod.CodeOf(err))), slog.String("reason", reasonOf(err)),
	}
	switch hermod.CodeOf(err) {
	case hermod.CodeInvalid, hermod.CodeTooLarge, hermod.CodeConflict, hermod.CodeForbidden:
		a.log.LogAttrs(ctx, slog.LevelWarn, "refused message", attrs...)
		return hermod.Outcome{Action: hermod.GiveUp}
	default:
		a.log.LogAttrs(ctx, slog.LevelError, "message not accepted", attrs...)
		return hermod.Outcome{Action: hermod.Again, At: a.now().Add(retryPause)}
	}
}

// reasonOf is every member at fault and why: members' names and rules, never
// their values.
func reasonOf(err error) string {
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err.Error()
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

func decodeMessage(m hermod.Received, now time.Time) (Submission, error) {
	s, err := decodeForm(m.Body, now)
	if err != nil {
		return Submission{}, err
	}
	if s.Event.AccountID == "" {
		return Submission{}, hermod.InvalidFields(hermod.FieldError{Name: "accountId", Reason: "is required of a queue's message"})
	}
	if s.Key == "" {
		s.Key = "message:" + m.ID
	}
	return s, nil
}

// decodeForm tells the three forms apart by a member that only one of them has.
func decodeForm(body []byte, now time.Time) (Submission, error) {
	var probe struct {
		SpecVersion json.RawMessage `json:"specversion"`
		DetailType  json.RawMessage `json:"detail-type"`
		Events      json.RawMessage `json:"events"`
	}
	if err := decodeObject(body, &probe); err != nil {
		return Submission{}, err
	}
	read := Native
	switch {
	case probe.SpecVersion != nil:
		read = CloudEvent
	case probe.DetailType != nil:
		read = EventBridge
	case probe.Events != nil:
		return Submission{}, hermod.InvalidFields(hermod.FieldError{Name: "events", Reason: "is not possible here: a message is one event"})
	}
	submissions, err := read(body, now)
	if err != nil {
		return Submission{}, err
	}
	return submissions[0], nil
}
