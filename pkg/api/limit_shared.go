package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// A Counter counts for all processes together.
type Counter interface {
	// Count adds n to the count of the name and answers the sum. The count is forgotten
	// some time after until.
	Count(ctx context.Context, name string, n int64, until time.Time) (int64, error)
}

const (
	// limitWindow is the span in which requests are counted.
	limitWindow = 10 * time.Second
	// sampleMost is of how many requests one is counted, for as many as that.
	sampleMost = 50
	// sampleShare is by how many samples a process wants to come to the limit: the nearer
	// the sum is to it, the more requests are counted.
	sampleShare = 100
	// countTimeout bounds how long a request waits for the count.
	countTimeout = 300 * time.Millisecond
)

// SharedLimit is what a Limiter needs that counts over many processes, each of which
// may serve one request at a time.
type SharedLimit struct {
	// PerSecond is how many requests a second a credential may make, on average over
	// limitWindow; 1 or more.
	PerSecond int
	Counter   Counter
	Now       func() time.Time
	// Random gives numbers of [0, 1).
	Random func() float64
	Log    *slog.Logger
}

// NewSharedLimiter makes a Limiter that counts a sample: a request is counted with the
// probability of 1 in N, and then for N, so that no process has to make many requests
// before they count, and one that makes few costs next to nothing. N is sampleMost far
// from the limit and 1 close to it. Who has come to the limit is refused, without any
// count, to the end of the window. Where counting fails, nobody is refused, and the
// process does not count again in that window.
func NewSharedLimiter(o SharedLimit) *Limiter {
	s := &sharedLimit{SharedLimit: o, windows: map[string]*limitedWindow{}}
	return &Limiter{take: s.take}
}

type sharedLimit struct {
	SharedLimit

	mu      sync.Mutex
	windows map[string]*limitedWindow
}

// A limitedWindow is what a process knows of a credential in the current window.
type limitedWindow struct {
	start time.Time
	// sum is the count over all processes, as this one learned it last.
	sum int64
	// deaf says that counting has failed.
	deaf bool
}

func (s *sharedLimit) take(ctx context.Context, credential string) error {
	now := s.Now()
	start := now.Truncate(limitWindow)
	end, most := start.Add(limitWindow), int64(s.PerSecond)*int64(limitWindow/time.Second)
	w := s.window(credential, start)
	if w.sum >= most {
		return errTooMany(s.PerSecond, end.Sub(now))
	}
	n := min(max((most-w.sum)/sampleShare, 1), sampleMost)
	if w.deaf || s.Random() >= 1/float64(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	sum, err := s.Counter.Count(ctx, "requests#"+credential+"#"+start.UTC().Format(time.RFC3339), n, end)
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "requests not counted", slog.String("credential", credential), hermod.LogError(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.windows[credential]; kept != nil && kept.start.Equal(start) {
		kept.sum, kept.deaf = max(kept.sum, sum), err != nil
	}
	if sum-n >= most {
		return errTooMany(s.PerSecond, end.Sub(now))
	}
	return nil
}

// window is what is known of a credential in the window that begins at start.
func (s *sharedLimit) window(credential string, start time.Time) limitedWindow {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[credential]
	if w == nil || !w.start.Equal(start) {
		if w == nil && len(s.windows) >= maxLimited {
			clear(s.windows)
		}
		w = &limitedWindow{start: start}
		s.windows[credential] = w
	}
	return *w
}
