package deliver

import (
	"context"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// A Notifier tells owners of their subscriptions. It tells the same notice once,
// however often it is asked to within a day.
type Notifier interface {
	Notify(ctx context.Context, n *hermod.Notice) error
}

// tell tells the owner what has become of a subscription since the last time, and reports
// whether there is nothing left to tell. It cannot go round in circles: of each change of a
// circuit there is one notice, of what was exhausted one in each hour, and whether a notice is
// delivered, or to whom, opens no circuit and exhausts nothing that is told of. A notice that
// the owner cannot get is not tried again.
func (s *Sweeper) tell(ctx context.Context, sub *hermod.Subscription) (told bool, err error) {
	h := *sub.Health
	if name, at := s.untold(sub); name != "" {
		if !s.notify(ctx, sub, name, at) {
			return false, nil // the next round tells it
		}
		h.Told = name
	}
	if !h.Exhausted.IsZero() {
		at := h.Exhausted.UTC().Truncate(hermod.NoticeEvery)
		if !sub.Deleted() && !s.notify(ctx, sub, hermod.NoticeExhausted, at) {
			return false, nil
		}
		h.Exhausted = time.Time{}
	}
	if h == *sub.Health {
		return true, nil
	}
	if err := keepHealth(ctx, s.Store, &h); err != nil {
		return false, err
	}
	sub.Health = &h
	return true, nil
}

// notify reports whether the notice has been sent, or cannot be.
func (s *Sweeper) notify(ctx context.Context, sub *hermod.Subscription, name string, at time.Time) bool {
	if s.Notifier == nil {
		return true
	}
	h := sub.Health
	err := s.Notifier.Notify(ctx, &hermod.Notice{
		Name: name, Owner: sub.Owner, SubscriptionID: sub.ID, SubscriptionName: sub.Name,
		At: at, Reason: hermod.Reason(sub.DisabledReason), Failures: h.Failures, Since: h.Since, Class: h.Class,
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "owner not told",
			slog.String("subscription", sub.ID), slog.String("notice", name), hermod.LogError(err))
	}
	code := hermod.CodeOf(err)
	return code != hermod.CodeUnavailable && code != hermod.CodeInternal
}

// untold is what the owner has to be told of the circuit, and of which moment; "" for nothing.
// That it is well again is told when nothing is parked any more: what fails in between would be
// told of over and over.
func (s *Sweeper) untold(sub *hermod.Subscription) (name string, at time.Time) {
	h := sub.Health
	switch {
	case !sub.Active && sub.DisabledReason != "":
		name, at = hermod.NoticeDisabled, sub.UpdatedAt
	case !sub.InForce(s.Now()):
	case h.Circuit == hermod.Open:
		name, at = hermod.NoticeFailing, h.OpenedAt
	}
	if name == h.Told {
		return "", time.Time{}
	}
	return name, at
}
