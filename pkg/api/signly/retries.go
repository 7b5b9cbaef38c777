package signly

import (
	"time"

	"hermod/pkg/hermod"
)

// The retry policies of a webhook. Of backoff, the vendor's page has exponential
// alone, and of maxAttempts no bounds: the rest is inferred.
const (
	exponential = "exponential" // 1 s, 2 s, 4 s, ...
	linear      = "linear"      // 1 s, 2 s, 3 s, ...
	fixed       = "fixed"       // 1 s each

	defaultBackoff  = exponential
	defaultAttempts = 3
	maxAttempts     = 10
	baseWait        = time.Second
)

// retries are a webhook's retry policy on the wire.
type retries struct {
	MaxAttempts int    `json:"maxAttempts"`
	Backoff     string `json:"backoff"`
}

func defaultRetries() retries { return retries{defaultAttempts, defaultBackoff} }

// retriesOf is the policy that a subscription was made by.
func retriesOf(s *hermod.Subscription) retries {
	return retries{len(s.Schedule) + 1, s.Backoff}
}

// schedule is the waits of the policy: one fewer than it has attempts.
func (p retries) schedule() hermod.Schedule {
	waits := make(hermod.Schedule, p.MaxAttempts-1)
	for i := range waits {
		switch p.Backoff {
		case linear:
			waits[i] = time.Duration(i+1) * baseWait
		case fixed:
			waits[i] = baseWait
		default:
			waits[i] = baseWait << i
		}
	}
	return waits
}
