package deliver_test

import (
	"cmp"
	"context"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

var errStale = hermod.Errorf(hermod.CodePreconditionFailed, "another version stands")

func (s *fakeStore) Fail(_ context.Context, ref hermod.Ref, at time.Time, class string) (h *hermod.Health, err error) {
	err = s.call("Fail", func() error {
		standing, ok := s.health[ref]
		if !ok {
			standing = &hermod.Health{Owner: ref.Owner, SubscriptionID: ref.ID, Version: 1}
		}
		standing.Fail(at, class)
		s.health[ref], h = standing, new(*standing)
		return nil
	})
	return h, err
}

func (s *fakeStore) version(ref hermod.Ref) int64 {
	if h, ok := s.health[ref]; ok {
		return h.Version
	}
	return 0
}

func (s *fakeStore) PutHealth(_ context.Context, h *hermod.Health) error {
	return s.call("PutHealth", func() error {
		if s.version(h.Ref()) != h.Version {
			return errStale
		}
		h.Version++
		s.health[h.Ref()] = new(*h)
		return nil
	})
}

func (s *fakeStore) DeleteHealth(_ context.Context, h *hermod.Health) error {
	return s.call("DeleteHealth", func() error {
		if s.version(h.Ref()) != h.Version {
			return errStale
		}
		delete(s.health, h.Ref())
		return nil
	})
}

func (s *fakeStore) Admit(_ context.Context, ref hermod.Ref, _ hermod.ID, rate int, at time.Time) (ok bool, err error) {
	err = s.call("Admit", func() error {
		s.full[ref], ok = hermod.PaceOf(rate, 1).Take(s.full[ref], at)
		return nil
	})
	return ok && err == nil, err
}

func (s *fakeStore) Attended(context.Context) (refs []hermod.Ref, err error) {
	err = s.call("Attended", func() error {
		for ref, h := range s.health {
			if h.Attended() {
				refs = append(refs, ref)
			}
		}
		return nil
	})
	return refs, err
}

func (s *fakeStore) Park(_ context.Context, p *hermod.Parked) error {
	return s.call("Park", func() error {
		s.parked[p.Key()] = new(*p)
		return nil
	})
}

// parkedBy is what is parked and selected, in an order.
func (s *fakeStore) parkedBy(limit int, keep func(*hermod.Parked) bool, compare func(a, b *hermod.Parked) int) []*hermod.Parked {
	var all []*hermod.Parked
	for _, p := range s.parked {
		if keep(p) {
			all = append(all, new(*p))
		}
	}
	slices.SortFunc(all, func(a, b *hermod.Parked) int { return cmp.Or(compare(a, b), a.Key().Compare(b.Key())) })
	return all[:min(limit, len(all))]
}

func (s *fakeStore) ParkedOf(_ context.Context, id string, limit int) (parked []*hermod.Parked, err error) {
	err = s.call("ParkedOf", func() error {
		parked = s.parkedBy(limit, func(p *hermod.Parked) bool { return p.SubscriptionID == id },
			func(_, _ *hermod.Parked) int { return 0 })
		return nil
	})
	return parked, err
}

func (s *fakeStore) ParkedDue(_ context.Context, until time.Time, limit int) (parked []*hermod.Parked, err error) {
	err = s.call("ParkedDue", func() error {
		parked = s.parkedBy(limit, func(p *hermod.Parked) bool { return !p.WakeAt.After(until) },
			func(a, b *hermod.Parked) int { return a.WakeAt.Compare(b.WakeAt) })
		return nil
	})
	return parked, err
}

func (s *fakeStore) Unpark(_ context.Context, parked []*hermod.Parked) error {
	return s.call("Unpark", func() error {
		for _, p := range parked {
			if standing, ok := s.parked[p.Key()]; ok && standing.Token == p.Token {
				delete(s.parked, p.Key())
			}
		}
		return nil
	})
}
