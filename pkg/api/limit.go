package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hermod/pkg/hermod"
)

// DefaultRate is how many requests a second a credential may make.
const DefaultRate = 1000

// maxLimited bounds the credentials whose requests are counted; past it counting
// starts afresh.
const maxLimited = 10_000

// A Limiter bounds the requests of each credential, to so many a second and as many
// at once. It counts those of one process.
type Limiter struct {
	perSecond int
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewLimiter makes a Limiter of 1 or more requests a second.
func NewLimiter(perSecond int, now func() time.Time) *Limiter {
	return &Limiter{perSecond: perSecond, now: now, buckets: map[string]*rate.Limiter{}}
}

// Take counts a request of the credential. It fails with CodeTooManyRequests.
func (l *Limiter) Take(credential string) error {
	if l.bucket(credential).AllowN(l.now(), 1) {
		return nil
	}
	return hermod.Errorf(hermod.CodeTooManyRequests, "a credential may make %d requests a second", l.perSecond)
}

func (l *Limiter) bucket(credential string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[credential]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			clear(l.buckets)
		}
		b = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
		l.buckets[credential] = b
	}
	return b
}
