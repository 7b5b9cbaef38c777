package hermod

import "time"

// Health is how the endpoint of a subscription does, as far as it does not do well: a
// subscription whose endpoint takes what it is sent has none. It is no part of the
// subscription: it changes without a new version.
type Health struct {
	Owner          string
	SubscriptionID string
	// Version rises by one with every change but the count of another failure.
	Version int64

	Circuit Circuit
	// Paused says that the owner has stopped the deliveries. What comes is parked.
	Paused bool

	// Failures counts the attempts that failed since the last one that did not, Since
	// and LastAt are when the first and the last of them were made, Class is that of
	// the last.
	Failures      int
	Since, LastAt time.Time
	Class         string

	// OpenedAt is when the circuit was opened, Probes how many probes have failed
	// since, NextProbeAt when the next one is due.
	OpenedAt    time.Time
	Probes      int
	NextProbeAt time.Time
	// ProbeEvent and ProbeRun name the delivery that probes; the event is zero for none.
	ProbeEvent ID
	ProbeRun   int

	// Told is the name of the notice of the circuit that the owner was sent last; "" for
	// none.
	Told string
	// Exhausted is when the schedule of a delivery was used up, where the owner has not
	// been told of one; zero for none.
	Exhausted time.Time
}

// A Circuit says whether deliveries go to an endpoint.
type Circuit string

// The circuits.
const (
	// Closed: deliveries go to it, though the last ones have failed.
	Closed Circuit = ""
	// Open: deliveries are parked, but for one that probes.
	Open Circuit = "open"
	// Draining: deliveries go to it, and what was parked does too, piece by piece.
	Draining Circuit = "draining"
	// Limited: more deliveries come than the subscription's rate lets through. All are
	// parked, behind those that are, and go to it from there, piece by piece.
	Limited Circuit = "limited"
)

// FailuresForgotten is how long after the last failure those before it no longer
// count. It is longer than any wait between two attempts.
const FailuresForgotten = 48 * time.Hour

// Ref names the subscription.
func (h *Health) Ref() Ref { return Ref{Owner: h.Owner, ID: h.SubscriptionID} }

// Attended reports whether somebody has to look after the subscription: what is
// parked may have to be probed with or drained, or the owner has to be told.
func (h *Health) Attended() bool { return h.Circuit != Closed || h.Paused || !h.Exhausted.IsZero() }

// Well reports whether there is nothing to say of the endpoint any more.
func (h *Health) Well() bool { return h.Failures == 0 && !h.Attended() }

// Holds reports whether the delivery shall be parked rather than attempted. A nil
// Health holds nothing.
func (h *Health) Holds(run RunKey) bool {
	return h != nil && (h.Paused || h.Circuit == Open && !h.ProbedBy(run))
}

// ProbedBy reports whether the run is the one that probes.
func (h *Health) ProbedBy(run RunKey) bool {
	return h != nil && h.Circuit == Open && !h.ProbeEvent.IsZero() && h.ProbeEvent == run.EventID && h.ProbeRun == run.Run
}

// Fail counts a failure.
func (h *Health) Fail(at time.Time, class string) {
	if h.Failures == 0 || h.Forgotten(at) {
		h.Failures, h.Since = 0, at
	}
	h.Failures++
	h.LastAt, h.Class = at, class
}

// Forgotten reports whether at the time the last failure is too long ago to count
// together with another one.
func (h *Health) Forgotten(at time.Time) bool {
	return h.Circuit == Closed && at.Sub(h.LastAt) > FailuresForgotten
}

// Forget forgets the failures.
func (h *Health) Forget() {
	h.Failures, h.Since, h.LastAt, h.Class = 0, time.Time{}, time.Time{}, ""
}

// Probe has the run probe. Another one may be sent after the lease.
func (h *Health) Probe(run RunKey, lease time.Time) {
	h.ProbeEvent, h.ProbeRun, h.NextProbeAt = run.EventID, run.Run, lease
}

// Release ends what there is of a probe: the next one may be sent from then on.
func (h *Health) Release(next time.Time) {
	h.ProbeEvent, h.ProbeRun, h.NextProbeAt = ID{}, 0, next
}

// Pause has the deliveries stop, or go on, as the owner asks, and reports whether that is
// any change. Whoever has them go on says that the endpoint is well, too: what is parked
// is drained, and the failures are forgotten.
func (h *Health) Pause(paused bool) bool {
	if h.Paused == paused && (paused || h.Circuit != Open) {
		return false
	}
	h.Paused = paused
	if !paused {
		h.Drain()
	}
	return true
}

// Drain closes the circuit: the failures are forgotten, and what is parked follows.
func (h *Health) Drain() {
	h.Forget()
	h.Circuit = Draining
	h.Release(time.Time{})
}

// A Parked is a delivery that waits for its subscription to receive again, without
// an attempt and without a message. It is known by the last row of its run: After is
// that row's number, 0 where the run has none. One that stands for a run that has gone
// on does no harm: its message is acknowledged.
type Parked struct {
	Message
	// Token tells one parking from the next, of the same delivery too.
	Token string
	// WakeAt is when its message is sent whatever has become of the subscription.
	WakeAt time.Time
}

// Key is the key of the row that the delivery waits after. Its number may be 0.
func (p *Parked) Key() AttemptKey { return AttemptKey{RunKey: p.RunKey(), Number: p.After} }
