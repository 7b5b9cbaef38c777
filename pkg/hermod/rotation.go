package hermod

import (
	"log/slog"
	"slices"
	"time"
)

// MaxSigningSecrets is how many secrets of a subscription sign at once. It bounds the
// signatures of a delivery and what is sealed.
const MaxSigningSecrets = 3

// A FormerSecret is a signing secret that another one has replaced. It signs beside
// that one until its end, so that a receiver can change over in its own time.
type FormerSecret struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

// LogValue keeps the secret out of logs.
func (FormerSecret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// String keeps the secret out of formatted text.
func (FormerSecret) String() string { return "(secret)" }

// GoString keeps the secret out of %#v.
func (FormerSecret) GoString() string { return "(secret)" }

// Rotate makes secret the signing secret. All others end at until, or at their own end
// where that is earlier: from until on, secret signs alone. Where until is now, they end
// at once. A secret that signs already moves to the front. Beyond MaxSigningSecrets the
// oldest goes.
func (s *Secrets) Rotate(secret string, now, until time.Time) {
	var former []FormerSecret
	for _, f := range slices.Concat([]FormerSecret{{Secret: s.SigningSecret, Until: until}}, s.Former) {
		if until.Before(f.Until) {
			f.Until = until
		}
		if f.Secret != secret && now.Before(f.Until) && len(former) < MaxSigningSecrets-1 {
			former = append(former, f)
		}
	}
	s.SigningSecret, s.Former = secret, former
}

// ValidAt are the secrets that sign at t, the newest first. The first is SigningSecret.
func (s Secrets) ValidAt(t time.Time) []string {
	valid := make([]string, 1, 1+len(s.Former))
	valid[0] = s.SigningSecret
	for _, f := range s.Former {
		if t.Before(f.Until) {
			valid = append(valid, f.Secret)
		}
	}
	return valid
}

// FormerUntil is when the last former secret ends that signs at t; zero where none does.
func (s Secrets) FormerUntil(t time.Time) (until time.Time) {
	for _, f := range s.Former {
		if t.Before(f.Until) && until.Before(f.Until) {
			until = f.Until
		}
	}
	return until
}

// DropEnded forgets the former secrets that have ended at t.
func (s *Secrets) DropEnded(t time.Time) {
	ended := func(f FormerSecret) bool { return !t.Before(f.Until) }
	if slices.ContainsFunc(s.Former, ended) {
		s.Former = slices.DeleteFunc(slices.Clone(s.Former), ended) // what was read is shared
	}
}

// SameSigning reports whether both sign with the same secrets until the same times.
func (s Secrets) SameSigning(o Secrets) bool {
	return s.SigningSecret == o.SigningSecret && slices.EqualFunc(s.Former, o.Former, func(a, b FormerSecret) bool {
		return a.Secret == b.Secret && a.Until.Equal(b.Until)
	})
}
