package sqlite

import (
	"container/list"
	"sync"
)

// An lru keeps the entries used last, up to a total cost. It is exact in the face
// of writers: a value read before a forget is not put after it.
type lru[K comparable, V any] struct {
	limit int
	cost  func(V) int

	mu         sync.Mutex
	total      int
	generation uint64
	entries    map[K]*list.Element
	order      *list.List // of *lruEntry, the last used first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

func newLRU[K comparable, V any](limit int, cost func(V) int) *lru[K, V] {
	return &lru[K, V]{limit: limit, cost: cost, entries: map[K]*list.Element{}, order: list.New()}
}

// get answers the value and, where there is none, the generation to put one with
// that is read from now on.
func (c *lru[K, V]) get(key K) (v V, generation uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return v, c.generation, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*lruEntry[K, V]).value, c.generation, true
}

// put keeps the value unless something was forgotten since the generation.
func (c *lru[K, V]) put(key K, v V, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation == c.generation {
		c.insert(key, v)
	}
}

// set keeps the value, which the writer has just committed.
func (c *lru[K, V]) set(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(key, v)
}

func (c *lru[K, V]) insert(key K, v V) {
	c.drop(key)
	cost := c.cost(v)
	c.entries[key] = c.order.PushFront(&lruEntry[K, V]{key: key, value: v, cost: cost})
	c.total += cost
	for c.total > c.limit {
		c.drop(c.order.Back().Value.(*lruEntry[K, V]).key)
	}
}

// forget drops a value that the writer has changed.
func (c *lru[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.drop(key)
}

func (c *lru[K, V]) drop(key K) {
	el, ok := c.entries[key]
	if !ok {
		return
	}
	delete(c.entries, key)
	c.order.Remove(el)
	c.total -= el.Value.(*lruEntry[K, V]).cost
}
