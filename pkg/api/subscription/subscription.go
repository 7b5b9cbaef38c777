// Package subscription is what the dialects share in keeping subscriptions, which each
// of them calls by a name of its own: how one is found, made, changed and deleted.
package subscription

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A Reader reads one subscription at a time.
type Reader interface {
	// Subscription reads one with its secrets, tombstones included. It fails with
	// CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
}

// A Store keeps subscriptions, with their secrets.
type Store interface {
	Reader
	// Subscriptions reads all of an owner's, tombstones included, secrets sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// OpenSecrets sets the secrets of one that was read sealed.
	OpenSecrets(ctx context.Context, s *hermod.Subscription) error
	// CreateSubscription puts s as version 1. It fails with CodeConflict where the
	// id is taken, and where hermod.IsSubscriptionLimit.
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	// UpdateSubscription replaces the row whose version is s.Version, and raises the
	// version by one. It fails with CodePreconditionFailed where the row has another
	// version.
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
}

// A Filter selects subscriptions of an owner: those that a caller is shown.
type Filter func(*hermod.Subscription) bool

// Live selects those of a dialect that are not deleted.
func Live(dialect hermod.Dialect) Filter {
	return func(s *hermod.Subscription) bool { return !s.Deleted() && s.Dialect == dialect }
}

// LiveOf selects, of those, a tenant's.
func LiveOf(dialect hermod.Dialect, tenant string) Filter {
	live := Live(dialect)
	return func(s *hermod.Subscription) bool { return live(s) && s.Tenant == tenant }
}

// Find reads the subscription where the filter selects it. Where it does not, or there
// is none, the error is none: whoever asks cannot tell the one from the other.
func Find(ctx context.Context, store Reader, ref hermod.Ref, shown Filter, none error) (*hermod.Subscription, error) {
	s, err := store.Subscription(ctx, ref)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && !shown(s)) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("reading a subscription: %w", err)
	}
	return s, nil
}

// List reads those of an owner's that the filter selects, secrets sealed.
func List(ctx context.Context, store Store, owner string, shown Filter) ([]*hermod.Subscription, error) {
	all, err := store.Subscriptions(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("listing subscriptions: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(s *hermod.Subscription) bool { return !shown(s) }), nil
}

// Open copies one of a list and opens its secrets: the one that was listed is the
// store's own.
func Open(ctx context.Context, store Store, s *hermod.Subscription) (*hermod.Subscription, error) {
	opened := *s
	if err := store.OpenSecrets(ctx, &opened); err != nil {
		return nil, fmt.Errorf("listing subscriptions: %w", err)
	}
	return &opened, nil
}

const (
	// createTries is how many ids a create tries: the shortest have 380 million values,
	// of which the first is all but always free.
	createTries = 5
	// changeTries is how often a change that lost a race is tried again.
	changeTries = 5
)

// A Keeper makes and changes the subscriptions of a dialect.
type Keeper struct {
	Dialect hermod.Dialect
	Store   Store
	Targets Targets
	// URL is what the dialect calls the URL of a webhook.
	URL string
	Now func() time.Time
	// Busy is what a caller hears whose change lost every race: others change the same
	// subscription without a pause.
	Busy string
}

// New is a subscription of the owner's tenant that is in force, as yet without an id, a
// type and all that its owner says of it.
func (k Keeper) New(owner, tenant string) *hermod.Subscription {
	now := k.Now().UTC()
	return &hermod.Subscription{
		Owner: owner, Tenant: tenant, Dialect: k.Dialect, Active: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
}

// Create puts the subscription under a fresh id, another one where an id is taken, once
// its endpoint has agreed. It fails with CodeUnavailable where they all are taken, and
// with CodeConflict where the owner has as many subscriptions as it may.
func (k Keeper) Create(ctx context.Context, s *hermod.Subscription, newID func() string) error {
	if err := k.agree(ctx, s, nil); err != nil {
		return err
	}
	for range createTries {
		s.ID = newID()
		err := k.Store.CreateSubscription(ctx, s)
		if err == nil {
			return nil
		}
		if hermod.CodeOf(err) != hermod.CodeConflict || hermod.IsSubscriptionLimit(err) {
			return fmt.Errorf("creating a subscription: %w", err)
		}
	}
	return hermod.Errorf(hermod.CodeUnavailable, "no free id was found; try again")
}

// Change finds a subscription, changes a copy of it and writes that, again from the
// start where another writer came between. An endpoint that is new must agree. It fails
// with CodeConflict where others do not let it write.
func (k Keeper) Change(ctx context.Context, find func() (*hermod.Subscription, error), change func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	var agreed json.RawMessage // asked once, however often the change is made anew
	for range changeTries {
		found, err := find()
		if err != nil {
			return nil, err
		}
		s := *found
		if err := change(&s); err != nil {
			return nil, err
		}
		if configuration := s.Secrets.Configuration; !bytes.Equal(configuration, agreed) {
			if err := k.agree(ctx, &s, found.Secrets.Configuration); err != nil {
				return nil, err
			}
			agreed = configuration
		}
		s.UpdatedAt = k.Now().UTC()
		s.Secrets.DropEnded(s.UpdatedAt)
		err = k.Store.UpdateSubscription(ctx, &s)
		if err == nil {
			return &s, nil
		}
		if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return nil, fmt.Errorf("updating a subscription: %w", err)
		}
	}
	return nil, hermod.Errorf(hermod.CodeConflict, "%s", k.Busy)
}

// agree has the endpoint of the subscription agree to deliveries, where it must. before
// is the configuration that it replaces.
func (k Keeper) agree(ctx context.Context, s *hermod.Subscription, before json.RawMessage) error {
	if s.Deleted() || bytes.Equal(s.Secrets.Configuration, before) {
		return nil
	}
	err := k.Targets.Agree(ctx, s.Type, s.Secrets.Configuration, before)
	if hermod.CodeOf(err) == hermod.CodeInvalid {
		return hermod.InvalidFields(Refusals(err, k.URL, k.URL)...)
	}
	return err
}

// Delete is the change to a tombstone, by which the log tells whose its rows are. What was
// secret is no longer kept, nor what may be long: matching reads tombstones with the rest.
func (k Keeper) Delete(s *hermod.Subscription) error {
	s.Active, s.DeletedAt = false, k.Now().UTC()
	s.Secrets, s.Sealed = hermod.Secrets{}, nil
	s.Description, s.Filters, s.Tags, s.Schedule, s.Backoff = "", nil, nil, nil, ""
	return nil
}
