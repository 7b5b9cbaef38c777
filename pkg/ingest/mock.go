package ingest

import (
	"context"
	"time"

	"hermod/pkg/hermod"
)

// What makes a mocked event known as one, and how long it is tried.
const (
	MockTag  = "mock"
	MockLife = 30 * time.Second
)

// Mock accepts an event of now that goes to one subscription alone, whatever its
// filters and also while it is not active. The event says that it is a mock, and
// the tag MockTag comes before its own. The event is kept and its type registered as any other's, so that it is found
// in the log; its data is a sample, and no schema is held against it.
//
// Errors are those of Accept.
func (a *Acceptor) Mock(ctx context.Context, e hermod.Event, to hermod.Ref) (*hermod.Event, error) {
	e.Timestamp = a.now().UTC()
	e.ExpiresAt = e.Timestamp.Add(MockLife)
	e.Mock = true
	e.Tags = append([]string{MockTag}, e.Tags...)
	accepted, err := a.Accept(ctx, []Submission{{Event: e, to: to}})
	if err != nil {
		return nil, err
	}
	return accepted[0], nil
}

// mocked reports whether the submission names its one recipient.
func (s *Submission) mocked() bool { return s.to != hermod.Ref{} }

// recipients are the subscriptions that the event goes to.
func (s *Submission) recipients(o *owned, now time.Time) []hermod.Ref {
	if s.mocked() {
		return []hermod.Ref{s.to}
	}
	return o.match(&s.Event, now)
}

// trigger is what starts the event's deliveries.
func (s *Submission) trigger() hermod.Trigger {
	if s.mocked() {
		return hermod.TriggerMock
	}
	return hermod.TriggerMatch
}
