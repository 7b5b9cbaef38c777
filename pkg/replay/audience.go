package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// An audience is the subscriptions that a replay may go to, in the order of their
// owners and ids.
type audience []*hermod.Subscription

// load reads the subscriptions of the owners; hermod.EveryOwner has the global ones
// of all.
func load(ctx context.Context, d Deliveries, owners []string) (audience, error) {
	var all audience
	for _, owner := range owners {
		subs, err := d.Subscriptions(ctx, owner)
		if err != nil {
			return nil, fmt.Errorf("reading the subscriptions of %s: %w", owner, err)
		}
		all = append(all, subs...)
	}
	slices.SortFunc(all, func(a, b *hermod.Subscription) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(all, func(a, b *hermod.Subscription) bool { return a.Ref() == b.Ref() }), nil
}

// loadFor reads the audience of a replay by filter: the subscriptions of its owners,
// their own global ones among them. Those of others are left out, whom a tenant could
// otherwise flood with its log, and count. Where the replay is for one
// subscription that no longer receives, reason says why.
func loadFor(ctx context.Context, d Deliveries, r *hermod.Replay, now time.Time) (all audience, reason hermod.Reason, err error) {
	if all, err = load(ctx, d, r.Owners); err != nil || r.SubscriptionID == "" {
		return all, "", err
	}
	i := slices.IndexFunc(all, func(s *hermod.Subscription) bool {
		return s.ID == r.SubscriptionID && slices.Contains(r.Owners, s.Owner)
	})
	if i < 0 {
		return nil, hermod.ReasonSubDeleted, nil
	}
	return all[i : i+1], whyNot(all[i], now), nil
}

// of are the subscriptions that the event matches; of a mock, those that it was made
// for.
func (a audience) of(e *hermod.Event, now time.Time) []hermod.Ref {
	var refs []hermod.Ref
	for _, s := range a {
		if s.Matches(e, now) && (!e.Mock || slices.Contains(e.Matches, s.Ref())) {
			refs = append(refs, s.Ref())
		}
	}
	return refs
}

// whyNot says why a subscription is not in force; "" where it is.
func whyNot(s *hermod.Subscription, now time.Time) hermod.Reason {
	switch {
	case s.Deleted():
		return hermod.ReasonSubDeleted
	case !s.Active:
		return hermod.ReasonSubDisabled
	case s.Expired(now):
		return hermod.ReasonSubExpired
	default:
		return ""
	}
}

func errNotInForce(reason hermod.Reason) error {
	switch reason {
	case hermod.ReasonSubDisabled:
		return hermod.Errorf(hermod.CodeConflict, "the subscription is not active")
	case hermod.ReasonSubExpired:
		return hermod.Errorf(hermod.CodeConflict, "the subscription has expired")
	default:
		return hermod.Errorf(hermod.CodeConflict, "the subscription has been deleted")
	}
}
