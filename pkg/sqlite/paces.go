package sqlite

import (
	"context"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// paces are the buckets of the subscriptions with a limit, by when each is full again. They
// are in memory alone: there is one process, and one that has just started finds them full.
type paces struct {
	mu   sync.Mutex
	full map[hermod.Ref]time.Time
}

// Admit takes a token for a delivery to the subscription, and answers false where there is
// none.
func (db *DB) Admit(ctx context.Context, ref hermod.Ref, _ hermod.ID, rate int, at time.Time) (bool, error) {
	p := &db.paces
	p.mu.Lock()
	defer p.mu.Unlock()
	full, ok := hermod.PaceOf(rate, 1).Take(p.full[ref], at)
	if ok && p.full == nil {
		p.full = map[hermod.Ref]time.Time{}
	}
	if ok {
		p.full[ref] = full
	}
	return ok, ctx.Err()
}

// forget drops the buckets that are full.
func (p *paces) forget(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ref, full := range p.full {
		if !full.After(at) {
			delete(p.full, ref)
		}
	}
}
