package hermod_test

import (
	"reflect"
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

// FuzzDecodeMessage: a body of the delivery queue is read or refused, and what is read
// says the same when it is written again.
func FuzzDecodeMessage(f *testing.F) {
	whole := hermod.Message{EventID: hermod.ID{15: 1}, Owner: "a-1", SubscriptionID: "s-1", Run: 2}
	for _, seed := range []string{string(whole.Encode()), "", "{}", "null", "[]", `{"run":-1}`, `{"run":1e9}`, `{"eventId":"x"}`, "\xff", `{"owner":"a","Owner":"b"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := hermod.DecodeMessage(body)
		if err != nil {
			if hermod.CodeOf(err) != hermod.CodeInvalid {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		again, err := hermod.DecodeMessage(m.Encode())
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%q: read as %+v, and then %+v, %v", body, m, again, err)
		}
	})
}
