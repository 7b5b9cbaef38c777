package signicat

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// Subscriptions are the subscriptions of the native API.
type Subscriptions struct {
	Store   subscription.Store
	Health  HealthStore
	Targets subscription.Targets
	Prober  Prober
	Cursors api.Cursors
	BaseURL api.BaseURL
	Now     func() time.Time
	Random  func([]byte)
}

// maxSubscriptionID bounds an id in bytes, within what every store takes for a key.
const maxSubscriptionID = 256

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
		{Method: http.MethodPost, Path: one + "/pause", Resource: resource, Access: manage(s.pause(true))},
		{Method: http.MethodPost, Path: one + "/resume", Resource: resource, Access: manage(s.pause(false))},
		{Method: http.MethodPost, Path: one + "/secret/rotate", Resource: resource, Access: manage(s.rotate)},
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
	sub := s.keeper().New(owner, "")
	if err := in.create(sub, s.writer(p)); err != nil {
		return err
	}
	if err := s.keeper().Create(r.Context(), sub, func() string { return s.newID(owner) }); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, subscriptionOf(sub, sub.CreatedAt, true))
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

// find reads the subscription that the path names, of those that the request is about.
func (s *Subscriptions) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	owners, err := ownersOf(r, p)
	if err != nil {
		return nil, err
	}
	return findSubscription(r.Context(), s.Store, owners, r.PathValue("subscriptionId"))
}

// findSubscription reads a subscription of one of the owners. One that is another
// dialect's or deleted does not exist.
func findSubscription(ctx context.Context, store subscription.Reader, owners []string, id string) (*hermod.Subscription, error) {
	ref, ok := refOf(id)
	if !ok || !slices.Contains(owners, ref.Owner) {
		return nil, errNoSubscription()
	}
	return subscription.Find(ctx, store, ref, subscription.Live(hermod.Signicat), errNoSubscription())
}

func (s *Subscriptions) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	sub, err := s.find(r, p)
	if err != nil {
		return err
	}
	if err := s.readHealth(r.Context(), sub); err != nil {
		return err
	}
	return s.write(w, sub, false)
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
	if err := s.readHealth(r.Context(), sub); err != nil {
		return err
	}
	return s.write(w, sub, revealed)
}

func (s *Subscriptions) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if _, err := s.change(r, p, s.keeper().Delete); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// change changes the subscription that the path names. This API knows no versions: the
// last writer wins.
func (s *Subscriptions) change(r *http.Request, p *hermod.Principal, apply func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	return s.keeper().Change(r.Context(), func() (*hermod.Subscription, error) { return s.find(r, p) }, apply)
}

func (s *Subscriptions) keeper() subscription.Keeper {
	return subscription.Keeper{
		Dialect: hermod.Signicat, Store: s.Store, Targets: s.Targets, URL: "typeConfiguration.url", Now: s.Now, Busy: "the subscription is being changed by others; try again",
	}
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
	live := subscription.Live(hermod.Signicat)
	all, err := subscription.List(r.Context(), s.Store, owner, func(sub *hermod.Subscription) bool {
		return live(sub) && orderOf(sub) > pages.position
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *hermod.Subscription) int { return strings.Compare(orderOf(a), orderOf(b)) })

	if err := s.readHealths(r.Context(), owner, all); err != nil {
		return err
	}
	base := s.BaseURL.Of(r)
	show := func(sub *hermod.Subscription) subscriptionItem { return subscriptionItemOf(sub, s.Now(), base) }
	return writePage(w, pages, base+Base+"/subscriptions", all, orderOf, show)
}

// orderOf sorts a list by age, the oldest first.
func orderOf(sub *hermod.Subscription) string {
	return fmt.Sprintf("%020d %s", sub.CreatedAt.UnixNano(), sub.ID)
}
