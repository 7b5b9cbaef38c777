package hermod

import "time"

// MaxRateLimit bounds the deliveries a second to which a subscription may be limited.
const MaxRateLimit = 1000

// A Pace keeps what begins to a rate. It is the virtual scheduling form of the generic cell
// rate algorithm (ITU-T I.371, annex A): a bucket that holds the tokens of one second. What it
// has to know is one time: when the bucket will be full again, if no more is taken.
//
// In t seconds no more than t+1 times the rate begin: after a quiet second there may be as
// many at once as otherwise within one. At a rate of one, there is a second between any two.
type Pace struct {
	// Interval is how long one token takes to come, Tolerance how far ahead the bucket's
	// time may be for one to be left.
	Interval, Tolerance time.Duration
}

// PaceOf is the pace of one of the parts into which a rate is divided, in tokens a second.
// There are at least as many tokens as parts.
func PaceOf(rate, parts int) Pace {
	interval := (time.Second*time.Duration(parts) + time.Duration(rate) - 1) / time.Duration(rate)
	return Pace{Interval: interval, Tolerance: time.Duration(rate/parts-1) * interval}
}

// paceSkew is how far clocks may differ. A bucket that is further ahead than that was
// filled by a clock that has been set back since.
const paceSkew = time.Minute

// Farthest is the latest time that a bucket can have at the moment. One that is later, or
// not after the moment, counts as full.
func (p Pace) Farthest(at time.Time) time.Time { return at.Add(p.Tolerance + p.Interval + paceSkew) }

// Take takes a token out of a bucket that is full again at the given time, zero for one that
// was never used. It answers the bucket's time after that, and false where there is none.
func (p Pace) Take(full, at time.Time) (time.Time, bool) {
	switch {
	case !full.After(at) || full.After(p.Farthest(at)):
		return at.Add(p.Interval), true
	case full.Sub(at) <= p.Tolerance:
		return full.Add(p.Interval), true
	default:
		return full, false
	}
}
