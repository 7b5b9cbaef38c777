package hermod_test

import (
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func TestFaultPauseDoublesUpToAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for n, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 900, 900} {
		got := hermod.FaultPause(n + 1)
		if got != want*time.Second {
			t.Errorf("after receive %d: %s, want %s", n+1, got, want*time.Second)
		}
		total += got
	}
	if total < 45*time.Minute {
		t.Errorf("ten receives outlast %s, want 45m at least", total)
	}
	for _, unknown := range []int{0, -1} {
		if got := hermod.FaultPause(unknown); got != 5*time.Second {
			t.Errorf("after receive %d: %s, want 5s", unknown, got)
		}
	}
}
