package push

import (
	"sync"

	"hermod/pkg/hermod"
)

// places keeps the place of each subscription's last version seen, so that a
// configuration is parsed once and not at every push.
type places struct {
	mu   sync.RWMutex
	kept map[hermod.Ref]versioned
}

type versioned struct {
	version int64
	place   place
}

// maxPlaces bounds how many places are kept, at some 2 KB each.
const maxPlaces = 4096

func (ps *places) get(s *hermod.Subscription) place {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	if v := ps.kept[s.Ref()]; v.version == s.Version {
		return v.place
	}
	return nil
}

// put keeps p unless s was never stored: without a version it may change unseen.
func (ps *places) put(s *hermod.Subscription, p place) {
	if s.Version == 0 {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if _, there := ps.kept[s.Ref()]; !there && len(ps.kept) >= maxPlaces {
		for ref := range ps.kept { // any one: those in use come back at once
			delete(ps.kept, ref)
			break
		}
	}
	ps.kept[s.Ref()] = versioned{version: s.Version, place: p}
}
