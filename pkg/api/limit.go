package api

import (
	"context"
	"fmt"
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

// A Limiter bounds the requests of each credential.
type Limiter struct {
	take func(ctx context.Context, credential string) error
}

// Take counts a request of the credential. It fails with CodeTooManyRequests.
func (l *Limiter) Take(ctx context.Context, credential string) error { return l.take(ctx, credential) }

// NewLimiter makes a Limiter of 1 or more requests a second, and as many at once. It
// counts those of one process.
func NewLimiter(perSecond int, now func() time.Time) *Limiter {
	b := &buckets{perSecond: perSecond, now: now, all: map[string]*rate.Limiter{}}
	return &Limiter{take: b.take}
}

type buckets struct {
	perSecond int
	now       func() time.Time

	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func (b *buckets) take(_ context.Context, credential string) error {
	if b.of(credential).AllowN(b.now(), 1) {
		return nil
	}
	return errTooMany(b.perSecond, time.Second)
}

func (b *buckets) of(credential string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.all[credential]
	if l == nil {
		if len(b.all) >= maxLimited {
			clear(b.all)
		}
		l = rate.NewLimiter(rate.Limit(b.perSecond), b.perSecond)
		b.all[credential] = l
	}
	return l
}

func errTooMany(perSecond int, wait time.Duration) error {
	return &hermod.Error{
		Code: hermod.CodeTooManyRequests, Message: fmt.Sprintf("a credential may make %d requests a second", perSecond), RetryAfter: wait,
	}
}
