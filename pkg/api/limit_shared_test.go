package api_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A tally is a Counter in memory.
type tally struct {
	mu     sync.Mutex
	counts map[string]int64
	writes int
	fault  error
}

func (c *tally) Count(_ context.Context, name string, n int64, _ time.Time) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.fault != nil {
		return 0, c.fault
	}
	if c.counts == nil {
		c.counts = map[string]int64{}
	}
	c.counts[name] += n
	return c.counts[name], nil
}

// A fleet is many processes that serve the requests of one credential, each one at a time.
type fleet struct {
	now       time.Time
	counter   tally
	random    *rand.Rand
	processes []*api.Limiter
}

func newFleet(processes, perSecond int) *fleet {
	f := &fleet{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), random: rand.New(rand.NewPCG(1, 2))}
	for range processes {
		f.processes = append(f.processes, api.NewSharedLimiter(api.SharedLimit{
			PerSecond: perSecond, Counter: &f.counter, Now: func() time.Time { return f.now }, Random: f.random.Float64,
			Log: slog.New(slog.DiscardHandler),
		}))
	}
	return f
}

// offer makes so many requests a second for as long, each to any of the processes, and
// counts those that are admitted.
func (f *fleet) offer(t *testing.T, perSecond int, span time.Duration) (admitted int) {
	t.Helper()
	for range int(span.Seconds() * float64(perSecond)) {
		f.now = f.now.Add(time.Second / time.Duration(perSecond))
		err := f.processes[f.random.IntN(len(f.processes))].Take(t.Context(), "oauth:c")
		switch e, _ := errors.AsType[*hermod.Error](err); {
		case err == nil:
			admitted++
		case hermod.CodeOf(err) != hermod.CodeTooManyRequests || e.RetryAfter <= 0 || e.RetryAfter > 10*time.Second:
			t.Fatalf("refused with %v, to come back after %s", err, e.RetryAfter)
		}
	}
	return admitted
}

func TestALimitHoldsOverManyProcessesAndCostsFewWrites(t *testing.T) {
	t.Parallel()
	const limit, processes, minute = 1000, 40, 60
	for _, tt := range []struct {
		offered   float64 // times the limit
		mostWrite float64 // for 1,000 requests that were offered
	}{{0.01, 25}, {0.5, 25}, {1.5, 60}, {2, 50}, {10, 15}} {
		f := newFleet(processes, limit)
		offered := int(tt.offered * limit)
		admitted := f.offer(t, offered, minute*time.Second)
		writes := 1000 * float64(f.counter.writes) / float64(offered*minute)
		t.Logf("%5.2f times the limit: %6d of %6d admitted, %4.1f writes for 1,000 requests", tt.offered, admitted, offered*minute, writes)
		switch {
		case tt.offered < 1 && admitted != offered*minute:
			t.Errorf("%v times the limit: %d of %d refused, want none", tt.offered, offered*minute-admitted, offered*minute)
		case tt.offered > 1 && math.Abs(float64(admitted)/(limit*minute)-1) > 0.2:
			t.Errorf("%v times the limit: %d admitted in a minute, want %d within 20 %%", tt.offered, admitted, limit*minute)
		}
		if writes > tt.mostWrite {
			t.Errorf("%v times the limit: %.1f writes for 1,000 requests, want %v at most", tt.offered, writes, tt.mostWrite)
		}
	}
}

func TestASmallLimitHoldsToo(t *testing.T) {
	t.Parallel()
	f := newFleet(40, 5)
	if admitted := f.offer(t, 50, time.Minute); admitted < 240 || admitted > 360 {
		t.Errorf("%d admitted in a minute, want 300 within 20 %%", admitted)
	}
}

func TestWhereCountingFailsNobodyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(4, 100)
	f.counter.fault = errors.New("no table")
	if admitted := f.offer(t, 1000, time.Minute); admitted != 60_000 {
		t.Errorf("%d of 60000 admitted, want all", admitted)
	}
	if most := 4 * 7; f.counter.writes > most { // windows that a minute touches
		t.Errorf("%d tries to count, want one a process and window: %d at most", f.counter.writes, most)
	}
}

func TestOneCredentialDoesNotUseUpTheLimitOfAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(1, 5)
	f.offer(t, 100, time.Second)
	if err := f.processes[0].Take(t.Context(), "oauth:another"); err != nil {
		t.Error(err)
	}
}
