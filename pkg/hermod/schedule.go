package hermod

import "time"

// A Schedule is the waits after the first, second, ... failed attempt. A delivery
// has one attempt more than its schedule has waits.
type Schedule []time.Duration

// DefaultSchedule is the example of the Standard Webhooks specification
// ("Deliverability and reliability"): ten attempts over 75 h 35 min 5 s.
func DefaultSchedule() Schedule {
	return Schedule{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// MaxRetryAfter bounds how long a destination's Retry-After is honoured.
const MaxRetryAfter = 24 * time.Hour

// Wait is how long to wait after failed attempt n (from 1), and false where the
// schedule has no wait left. The wait is the schedule's with a jitter of ±10 %,
// drawn from u in [0, 1); or retryAfter where that is longer, up to MaxRetryAfter.
func (s Schedule) Wait(n int, retryAfter time.Duration, u float64) (time.Duration, bool) {
	if n < 1 || n > len(s) {
		return 0, false
	}
	wait := time.Duration(float64(s[n-1]) * (0.9 + 0.2*u))
	return max(wait, min(retryAfter, MaxRetryAfter)), true
}
