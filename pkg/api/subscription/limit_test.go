package subscription_test

import (
	"context"
	"errors"
	"testing"

	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// A fullStore has no room for another subscription.
type fullStore struct {
	subscription.Store
	tries int
}

func (s *fullStore) CreateSubscription(context.Context, *hermod.Subscription) error {
	s.tries++
	return hermod.SubscriptionLimit(3)
}

func TestWhoHasAsManyAsThereMayBeIsToldSoAtOnce(t *testing.T) {
	t.Parallel()
	s := &fullStore{}
	k := keeper(nil)
	k.Store = s
	err := k.Create(t.Context(), k.New("a", "t"), func() string { return "s" })
	if e, ok := errors.AsType[*hermod.Error](err); !ok || e.Code != hermod.CodeConflict || s.tries != 1 {
		t.Errorf("%v after %d tries, want a conflict after one", err, s.tries)
	}
}
