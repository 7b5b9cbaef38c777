package signicat

import (
	"time"

	"hermod/pkg/hermod"
)

// The states of an endpoint that does not do well, as they are shown.
const (
	// stateFailing: the last attempts failed. Deliveries go on.
	stateFailing = "failing"
	// stateOpen: so many have failed that deliveries wait, but for one at a time.
	stateOpen = "open"
	// stateDraining: it is well again, and what waited follows.
	stateDraining = "draining"
	// stateLimited: more comes than the rateLimit lets through, and waits for it.
	stateLimited = "limited"
)

// wireHealth is why a subscription does not receive as it should. That API does not have it:
// it is shown where there is something to say.
type wireHealth struct {
	State string `json:"state"`
	// Failures are the attempts that failed since the last one that did not.
	Failures      int      `json:"failures"`
	FailingSince  wireTime `json:"failingSince"`
	LastFailureAt wireTime `json:"lastFailureAt"`
	ErrorClass    nullable `json:"errorClass"`
	// OpenedAt is when deliveries began to wait, NextAttemptAt when one is tried next.
	OpenedAt      wireTime `json:"openedAt"`
	NextAttemptAt wireTime `json:"nextAttemptAt"`
}

// healthOf shows how the endpoint does; nil for well. What a pause holds up says nothing of it.
func healthOf(h *hermod.Health, now time.Time) *wireHealth {
	if h == nil {
		return nil
	}
	w := &wireHealth{
		Failures: h.Failures, FailingSince: wireTime(h.Since), LastFailureAt: wireTime(h.LastAt), ErrorClass: nullable(h.Class),
	}
	switch {
	case h.Circuit == hermod.Open:
		w.State, w.OpenedAt = stateOpen, wireTime(h.OpenedAt)
		if !h.Paused {
			w.NextAttemptAt = wireTime(h.NextProbeAt)
		}
	case h.Circuit == hermod.Draining && !h.Paused:
		w.State = stateDraining
	case h.Circuit == hermod.Limited && !h.Paused:
		w.State = stateLimited
	case h.Failures > 0 && !h.Forgotten(now):
		w.State = stateFailing
	default:
		return nil
	}
	return w
}

// pausedBy reports whether deliveries are stopped.
func pausedBy(h *hermod.Health) bool { return h != nil && h.Paused }
