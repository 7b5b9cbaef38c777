package seal

import (
	"context"
	"sync"
	"time"
)

// A cache keeps loaded values for a time, and at most max of them. Callers that
// miss the same key at the same time load it once.
type cache[K comparable, V any] struct {
	now  func() time.Time
	keep time.Duration
	max  int

	mu    sync.Mutex
	slots map[K]*slot[V]
}

// A slot is one key's place. Its fields but turn are guarded by the cache's mutex.
type slot[V any] struct {
	// turn holds one token while somebody loads.
	turn  chan struct{}
	value V
	until time.Time
}

func newCache[K comparable, V any](now func() time.Time, keep time.Duration, maximum int) *cache[K, V] {
	return &cache[K, V]{now: now, keep: keep, max: maximum, slots: map[K]*slot[V]{}}
}

// get gives the kept value that usable accepts, or the one that load gives.
// usable is called under the cache's lock and must be quick.
func (c *cache[K, V]) get(ctx context.Context, key K, usable func(V) bool, load func() (V, error)) (V, error) {
	s, value, ok := c.look(key, usable)
	if ok {
		return value, nil
	}
	var none V
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-s.turn }()
	// Whoever had the turn before may have loaded it.
	if value, ok = c.read(s, usable); ok {
		return value, nil
	}
	value, err := load()
	if err != nil {
		return none, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.value, s.until = value, c.now().Add(c.keep)
	return value, nil
}

// look finds the slot of a key, making one where there is none.
func (c *cache[K, V]) look(key K, usable func(V) bool) (s *slot[V], value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = c.slots[key]
	if s == nil {
		if len(c.slots) >= c.max {
			c.evict()
		}
		s = &slot[V]{turn: make(chan struct{}, 1)}
		c.slots[key] = s
		return s, value, false
	}
	ok = c.fresh(s) && usable(s.value)
	return s, s.value, ok
}

func (c *cache[K, V]) read(s *slot[V], usable func(V) bool) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.value, c.fresh(s) && usable(s.value)
}

func (c *cache[K, V]) fresh(s *slot[V]) bool { return c.now().Before(s.until) }

// evict takes one slot out, whichever the map gives first: one in use comes back
// at the price of one load.
func (c *cache[K, V]) evict() {
	for key := range c.slots {
		delete(c.slots, key)
		return
	}
}
