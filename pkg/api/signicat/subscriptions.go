package signicat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A SubscriptionStore keeps subscriptions, with their secrets.
type SubscriptionStore interface {
	// Subscriptions reads all of an owner's, tombstones included, secrets sealed.
	Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error)
	// Subscription reads one, tombstones included. It fails with CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
	// CreateSubscription puts s as version 1. It fails with CodeConflict where the
	// id is taken.
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	// UpdateSubscription replaces the row whose version is s.Version. It fails with
	// CodePreconditionFailed where the row has another version.
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
}

// Targets judges the configuration of destinations.
type Targets interface {
	// Check fails with CodeInvalid, naming the member at fault.
	Check(kind string, configuration json.RawMessage) error
}

// Subscriptions are the subscriptions of the native API.
type Subscriptions struct {
	Store   SubscriptionStore
	Targets Targets
	Prober  Prober
	Cursors api.Cursors
	BaseURL api.BaseURL
	Now     func() time.Time
	Random  func([]byte)
}

const (
	// updateTries is how often an update that lost a race is tried again: this API
	// knows no versions, so the last writer wins.
	updateTries = 5
	// createTries is how many ids a create tries: of 380 million, the first is all
	// but always free.
	createTries = 5
	// maxSubscriptionID bounds an id in bytes, within what every store takes for a
	// key.
	maxSubscriptionID = 256
)

// Routes are the rows of the subscriptions.
func (s *Subscriptions) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "subscriptions", Base + "/subscriptions", Base + "/subscriptions/{subscriptionId}"
	return []api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(s.list)},
		{Method: http.MethodPost, Path: list, Resource: resource, Access: manage(s.create)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(s.read)},
		{Method: http.MethodPut, Path: one, Resource: resource, Access: manage(s.update)},
		{Method: http.MethodPatch, Path: one, Resource: resource, Access: manage(s.update)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(s.remove)},
		{Method: http.MethodPost, Path: one + "/check", Resource: resource, Access: manage(s.check)},
	}
}

func (s *Subscriptions) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	in, err := readSubscription(r)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	sub := &hermod.Subscription{
		Owner: owner, Dialect: hermod.Signicat, Active: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := in.create(sub, s.writer(p)); err != nil {
		return err
	}
	for range createTries {
		sub.ID = s.newID(owner)
		err := s.Store.CreateSubscription(r.Context(), sub)
		if err == nil {
			return api.WriteJSON(w, http.StatusOK, subscriptionOf(sub, now, true))
		}
		if hermod.CodeOf(err) != hermod.CodeConflict {
			return fmt.Errorf("creating a subscription: %w", err)
		}
	}
	return hermod.Errorf(hermod.CodeUnavailable, "no free id was found; try again")
}

func (s *Subscriptions) writer(p *hermod.Principal) writer {
	return writer{principal: p, targets: s.Targets, random: s.Random}
}

// newID makes an id of that API's form: s-{owner}-{5 letters}.
func (s *Subscriptions) newID(owner string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var random [8]byte
	s.Random(random[:])
	var n uint64
	for _, b := range random {
		n = n<<8 | uint64(b)
	}
	suffix := make([]byte, 5)
	for i := range suffix {
		suffix[i] = letters[n%uint64(len(letters))]
		n /= uint64(len(letters))
	}
	return "s-" + owner + "-" + string(suffix)
}

// refOf reads the owner out of a subscription's id.
func refOf(id string) (hermod.Ref, bool) {
	rest, ok := strings.CutPrefix(id, "s-")
	i := strings.LastIndexByte(rest, '-')
	if !ok || i <= 0 || len(id) > maxSubscriptionID {
		return hermod.Ref{}, false
	}
	return hermod.Ref{Owner: rest[:i], ID: id}, true
}

func errNoSubscription() error {
	return hermod.Errorf(hermod.CodeNotFound, "no subscription has this id")
}

// find reads the subscription that the path names. One that is another owner's,
// another dialect's or deleted does not exist.
func (s *Subscriptions) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	owners, err := ownersOf(r, p)
	if err != nil {
		return nil, err
	}
	ref, ok := refOf(r.PathValue("subscriptionId"))
	if !ok || !slices.Contains(owners, ref.Owner) {
		return nil, errNoSubscription()
	}
	sub, err := s.Store.Subscription(r.Context(), ref)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && (sub.Deleted() || sub.Dialect != hermod.Signicat)) {
		return nil, errNoSubscription()
	}
	if err != nil {
		return nil, fmt.Errorf("reading a subscription: %w", err)
	}
	return sub, nil
}

func (s *Subscriptions) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	sub, err := s.find(r, p)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, subscriptionOf(sub, s.Now(), false))
}

func (s *Subscriptions) update(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	in, err := readSubscription(r)
	if err != nil {
		return err
	}
	var revealed bool
	sub, err := s.change(r, p, func(sub *hermod.Subscription) (err error) {
		revealed, err = in.update(sub, s.writer(p))
		return err
	})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, subscriptionOf(sub, s.Now(), revealed))
}

func (s *Subscriptions) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	_, err := s.change(r, p, func(sub *hermod.Subscription) error {
		sub.Active, sub.DeletedAt = false, s.Now().UTC()
		sub.Secrets, sub.Sealed = hermod.Secrets{}, nil // the log needs neither
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// change reads, changes and writes the subscription that the path names, again
// where another writer came between.
func (s *Subscriptions) change(r *http.Request, p *hermod.Principal, apply func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	for range updateTries {
		found, err := s.find(r, p)
		if err != nil {
			return nil, err
		}
		sub := *found
		if err := apply(&sub); err != nil {
			return nil, err
		}
		sub.UpdatedAt = s.Now().UTC()
		err = s.Store.UpdateSubscription(r.Context(), &sub)
		if err == nil {
			return &sub, nil
		}
		if hermod.CodeOf(err) != hermod.CodePreconditionFailed {
			return nil, fmt.Errorf("updating a subscription: %w", err)
		}
	}
	return nil, hermod.Errorf(hermod.CodeConflict, "the subscription is being changed by others; try again")
}

func (s *Subscriptions) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	pages, err := readPager(r, s.Cursors, "subscriptions", owner)
	if err != nil {
		return err
	}
	all, err := s.Store.Subscriptions(r.Context(), owner)
	if err != nil {
		return fmt.Errorf("listing subscriptions: %w", err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(sub *hermod.Subscription) bool {
		return sub.Deleted() || sub.Dialect != hermod.Signicat || orderOf(sub) <= pages.position
	})
	slices.SortFunc(all, func(a, b *hermod.Subscription) int { return strings.Compare(orderOf(a), orderOf(b)) })

	base := s.BaseURL.Of(r)
	show := func(sub *hermod.Subscription) subscriptionItem { return subscriptionItemOf(sub, s.Now(), base) }
	return writePage(w, pages, base+Base+"/subscriptions", all, orderOf, show)
}

// orderOf sorts a list by age, the oldest first.
func orderOf(sub *hermod.Subscription) string {
	return fmt.Sprintf("%020d %s", sub.CreatedAt.UnixNano(), sub.ID)
}
