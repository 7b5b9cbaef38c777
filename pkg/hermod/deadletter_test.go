package hermod_test

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// What is read as a position comes back as it was, and stands where it stood.
func FuzzDeadKey(f *testing.F) {
	key := hermod.DeadKey{At: time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC), AttemptKey: hermod.AttemptKey{
		RunKey: hermod.RunKey{SubscriptionID: "s-a-b", EventID: hermod.FirstIDAt(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), Run: 2}, Number: 3,
	}}
	for _, seed := range []string{key.String(), "", "#", "2026-03-01T12:00:00Z#", "2026-03-01T12:00:00+01:00#" + key.AttemptKey.String()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := hermod.ParseDeadKey(text)
		if err != nil {
			if hermod.CodeOf(err) != hermod.CodeNotFound {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := hermod.ParseDeadKey(k.String())
		if err != nil || again.Compare(k) != 0 || again.String() != k.String() {
			t.Fatalf("%q is read as %s, and that as %s: %v", text, k, again, err)
		}
	})
}
