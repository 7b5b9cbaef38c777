package deliver

import (
	"context"
	"log/slog"

	"hermod/pkg/hermod"
)

// A Notifier tells owners of their subscriptions. It tells the same notice once,
// however often it is asked to within a day.
type Notifier interface {
	Notify(ctx context.Context, n *hermod.Notice) error
}

// tell tells the owner what has become of a subscription since the last time. It cannot go
// round in circles: of each change there is one notice, and whether that is delivered, or
// to whom, is no further change. A notice that the owner cannot get is not tried again.
func (s *Sweeper) tell(ctx context.Context, sub *hermod.Subscription) error {
	name := s.untold(sub)
	if name == "" || s.Notifier == nil {
		return nil
	}
	h := *sub.Health
	err := s.Notifier.Notify(ctx, &hermod.Notice{
		Name: name, Owner: sub.Owner, SubscriptionID: sub.ID, SubscriptionName: sub.Name,
		OpenedAt: h.OpenedAt, Failures: h.Failures, Since: h.Since, Class: h.Class,
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "owner not told",
			slog.String("subscription", sub.ID), slog.String("notice", name), hermod.LogError(err))
	}
	switch hermod.CodeOf(err) {
	case hermod.CodeUnavailable, hermod.CodeInternal:
		return nil // the next round tells it
	}
	h.Told = name
	if err := s.Store.PutHealth(ctx, &h); err != nil {
		return err
	}
	sub.Health = &h
	return nil
}

// untold is what the owner has to be told; "" for nothing.
func (s *Sweeper) untold(sub *hermod.Subscription) string {
	h, name := sub.Health, ""
	switch {
	case !sub.Active && sub.DisabledReason == string(hermod.ReasonFailing):
		name = hermod.NoticeDisabled
	case !sub.InForce(s.Now()):
	case h.Circuit == hermod.Open:
		name = hermod.NoticeFailing
	case h.Circuit == hermod.Draining && h.Told == hermod.NoticeFailing:
		name = hermod.NoticeRecovered
	}
	if name == h.Told {
		return ""
	}
	return name
}
