package signicat

import (
	"context"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A HealthStore keeps how endpoints do, and whether subscriptions are paused.
type HealthStore interface {
	// Health reads how the endpoint of a subscription does; nil for well.
	Health(ctx context.Context, ref hermod.Ref) (*hermod.Health, error)
	// Unwell reads those of an owner's subscriptions that do not receive, or receive what
	// waited.
	Unwell(ctx context.Context, owner string) ([]*hermod.Health, error)
	// PauseHealth puts or replaces the health whose version is h.Version. It fails with
	// CodePreconditionFailed where another version stands.
	PauseHealth(ctx context.Context, h *hermod.Health) error
}

// pauseTries is how often a change is made anew that meets another one: deliveries write
// how the endpoint does as well.
const pauseTries = 5

// pause stops the deliveries of the subscription that the path names, or has them go on.
// What comes meanwhile is kept. It is no change of the subscription, which keeps its
// version.
func (s *Subscriptions) pause(paused bool) api.ScopedHandler {
	return func(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
		sub, err := s.find(r, p)
		if err != nil {
			return err
		}
		if !sub.Active {
			return errSwitchedOff(sub)
		}
		for range pauseTries {
			if err := s.readHealth(r.Context(), sub); err != nil {
				return err
			}
			h := hermod.Health{Owner: sub.Owner, SubscriptionID: sub.ID}
			if sub.Health != nil {
				h = *sub.Health
			}
			if !h.Pause(paused) {
				return s.write(w, sub, false)
			}
			err := s.Health.PauseHealth(r.Context(), &h)
			if err == nil {
				sub.Health = &h
				return s.write(w, sub, false)
			}
			if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
				return err
			}
		}
		return hermod.Errorf(hermod.CodeConflict, "the state of the endpoint is changing; try again")
	}
}

// errSwitchedOff says how a subscription is switched on: to pause it or to have it go on
// would change nothing of what it receives, which is nothing.
func errSwitchedOff(sub *hermod.Subscription) error {
	by := "the subscription is switched off"
	if sub.DisabledReason != "" {
		by = "Hermod has switched the subscription off (" + sub.DisabledReason + ")"
	}
	return hermod.Errorf(hermod.CodeConflict, "%s; update it with active: true to switch it on", by)
}

// readHealth fills in how the endpoint does.
func (s *Subscriptions) readHealth(ctx context.Context, sub *hermod.Subscription) (err error) {
	sub.Health, err = s.Health.Health(ctx, sub.Ref())
	return err
}

// readHealths fills in how the endpoints of an owner's subscriptions do, of those that wait
// for something, in one request.
func (s *Subscriptions) readHealths(ctx context.Context, owner string, subs []*hermod.Subscription) error {
	unwell, err := s.Health.Unwell(ctx, owner)
	if err != nil || len(unwell) == 0 {
		return err
	}
	byRef := make(map[hermod.Ref]*hermod.Health, len(unwell))
	for _, h := range unwell {
		byRef[h.Ref()] = h
	}
	for _, sub := range subs {
		sub.Health = byRef[sub.Ref()]
	}
	return nil
}

// write answers a subscription whose health was read.
func (s *Subscriptions) write(w http.ResponseWriter, sub *hermod.Subscription, reveal bool) error {
	return api.WriteJSON(w, http.StatusOK, subscriptionOf(sub, s.Now(), reveal))
}
