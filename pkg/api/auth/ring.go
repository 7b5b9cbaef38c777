package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// keysFresh is how long keys are kept before they are read again.
	keysFresh = 5 * time.Minute
	// keysRetry is the least time between two reads forced by an unknown key id, and
	// between two tries where the last one failed and older keys will do.
	keysRetry = 10 * time.Second
)

// A ring keeps the keys of one issuer. Those who find what they need in it wait for
// nobody; of those who don't, one reads and the others share what it gets.
type ring[K any] struct {
	mu       sync.Mutex
	keys     []K
	readAt   time.Time // of the last read that succeeded; zero for none
	forcedAt time.Time // of the last read for an unknown key
	failedAt time.Time // of the last read, where it failed
	fault    error     // with which it failed; nil where it did not
	reading  *reading[K]
}

// A reading is one read of the keys. done is closed when it has ended.
type reading[K any] struct {
	done chan struct{}
	keys []K
	err  error
	// left says that it ended because its caller did.
	left bool
}

// A source is where a ring's keys come from and what is wanted of them.
type source[K any] struct {
	read func(context.Context) ([]K, error)
	now  func() time.Time
	// wanted tells the key that is looked for; nil where any keys do.
	wanted func(K) bool
	// keep is how old the keys may become while they cannot be read.
	keep time.Duration
	// rest is the least time between two reads that fail where nothing is at hand:
	// whoever sends tokens must not decide how often somebody else is asked.
	rest time.Duration
}

func (s source[K]) among(keys []K) bool {
	return s.wanted == nil || slices.ContainsFunc(keys, s.wanted)
}

// get gives the keys: those at hand where they are fresh and hold the wanted one,
// and freshly read ones otherwise. A wanted key that is not among them may be asked
// for again, but is looked for in the source once in keysRetry alone.
func (r *ring[K]) get(ctx context.Context, s source[K]) ([]K, error) {
	for {
		r.mu.Lock()
		keys, settled, err := r.atHand(s)
		if settled {
			r.mu.Unlock()
			return keys, err
		}
		in, leads := r.reading, r.reading == nil
		if leads {
			in = &reading[K]{done: make(chan struct{})}
			r.reading = in
		}
		r.mu.Unlock()
		if leads {
			r.lead(ctx, s, in)
		} else {
			select {
			case <-in.done:
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting for keys: %w", ctx.Err())
			}
		}
		switch {
		case in.err == nil:
			return in.keys, nil
		case !leads && in.left:
			continue // somebody else's haste
		}
		return r.fallBack(s, in.err)
	}
}

// atHand looks at what is there and says whether that settles it.
func (r *ring[K]) atHand(s source[K]) (keys []K, settled bool, err error) {
	now := s.now()
	if len(r.keys) == 0 || r.readAt.IsZero() {
		resting := r.fault != nil && now.Sub(r.failedAt) < s.rest
		return nil, resting, r.fault
	}
	if age := now.Sub(r.readAt); age >= keysFresh {
		// While the source is away the old keys do, and it is not asked by everyone.
		settled = r.fault != nil && age < s.keep && now.Sub(r.failedAt) < keysRetry && s.among(r.keys)
		return r.keys, settled, nil
	}
	if s.among(r.keys) {
		return r.keys, true, nil
	}
	if r.reading != nil {
		return nil, false, nil // which may bring it
	}
	if now.Sub(r.forcedAt) < keysRetry {
		return r.keys, true, r.fault
	}
	r.forcedAt = now
	return nil, false, nil
}

func (r *ring[K]) lead(ctx context.Context, s source[K], in *reading[K]) {
	now := s.now()
	in.err = errors.New("reading keys did not end") // unless the read says otherwise
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		defer close(in.done)
		in.left = in.err != nil && ctx.Err() != nil
		if r.reading != in {
			return // forgotten meanwhile: its keys may lack the newest
		}
		r.reading = nil
		switch {
		case in.err == nil:
			r.keys, r.readAt, r.fault = in.keys, now, nil
		case !in.left:
			r.fault, r.failedAt = in.err, now
		}
	}()
	in.keys, in.err = s.read(ctx)
}

// fallBack gives the old keys where they will do for now.
func (r *ring[K]) fallBack(s source[K], err error) ([]K, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.readAt.IsZero() && s.now().Sub(r.readAt) < s.keep && s.among(r.keys) {
		return r.keys, nil
	}
	return nil, err
}

// forget has the next one read: what is at hand lacks a key.
func (r *ring[K]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readAt, r.reading = time.Time{}, nil
}
