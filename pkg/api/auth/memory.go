package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// resolvedFresh is how long a resolved credential is kept: a revoked one works
// that much longer.
const resolvedFresh = 60 * time.Second

// maxResolved bounds the credentials kept.
const maxResolved = 10_000

// A memory keeps the principals of what was presented lately, by a hash of it. The
// zero value is empty.
type memory struct {
	mu       sync.Mutex
	resolved map[[sha256.Size]byte]resolved
}

type resolved struct {
	principal *hermod.Principal
	until     time.Time
}

// principal is whom the presented text stands for, resolved anew where that is too
// long ago. What does not resolve is not remembered: there is no end of it. A resolved
// principal is not kept past its expiry; the zero time is no expiry.
func (m *memory) principal(presented string, now time.Time, resolve func() (p *hermod.Principal, expires time.Time, err error)) (*hermod.Principal, error) {
	key := sha256.Sum256([]byte(presented))
	m.mu.Lock()
	known, ok := m.resolved[key]
	m.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.principal, nil
	}
	p, expires, err := resolve()
	if err != nil {
		return nil, err
	}
	until := now.Add(resolvedFresh)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.resolved == nil || len(m.resolved) >= maxResolved {
		m.resolved = map[[sha256.Size]byte]resolved{}
	}
	m.resolved[key] = resolved{p, until}
	return p, nil
}
