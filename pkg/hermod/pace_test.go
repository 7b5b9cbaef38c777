package hermod_test

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func TestAPaceKeepsToItsRate(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, rate := range []int{1, 2, 3, 7, 10, 250, 999, hermod.MaxRateLimit} {
		pace, full := hermod.PaceOf(rate, 1), time.Time{}
		var taken []time.Time
		for at := start; at.Before(start.Add(5 * time.Second)); at = at.Add(100 * time.Microsecond) {
			next, ok := pace.Take(full, at)
			if full = next; ok {
				taken = append(taken, at)
			}
		}
		if n := len(taken); n > 6*rate || n < 6*rate-rate/20-1 {
			t.Errorf("%d of a rate of %d began in 5 s, want 6 times the rate", n, rate)
		}
		for i, at := range taken {
			if first := i - 2*rate; first >= 0 && at.Sub(taken[first]) < time.Second {
				t.Fatalf("more than %d of a rate of %d began within %s", 2*rate, rate, at.Sub(taken[first]))
			}
			if rate == 1 && i > 0 && at.Sub(taken[i-1]) < time.Second {
				t.Fatalf("two of a rate of 1 are %s apart", at.Sub(taken[i-1]))
			}
		}
	}
}

func TestThePartsOfARateMakeNoMoreThanTheWhole(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ rate, parts int }{{1, 1}, {251, 2}, {999, 4}, {1000, 4}} {
		pace, n := hermod.PaceOf(c.rate, c.parts), 0
		for range c.parts {
			var full time.Time
			for ok := true; ok; {
				if full, ok = pace.Take(full, start); ok {
					n++
				}
			}
		}
		if n > c.rate || n <= c.rate-c.parts {
			t.Errorf("%d tokens at once in %d parts of %d", n, c.parts, c.rate)
		}
	}
}

// A clock that is set back must not hold anything up for as long as it was wrong.
func TestAPaceOutlivesAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pace := hermod.PaceOf(1, 1)
	for wrong, want := range map[time.Duration]bool{time.Second: false, 50 * time.Second: false, 2 * time.Minute: true, 24 * time.Hour: true} {
		full, _ := pace.Take(time.Time{}, now.Add(wrong))
		next, ok := pace.Take(full, now)
		if ok != want {
			t.Errorf("set back by %s: a token is there: %v, want %v", wrong, ok, want)
		}
		if ok && !next.Equal(now.Add(pace.Interval)) {
			t.Errorf("set back by %s: the bucket is full at %s", wrong, next)
		}
	}
}
