package hermod_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

func TestAnAttemptIsFoundByItsPublicID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := hermod.AttemptKey{
			RunKey: hermod.RunKey{
				SubscriptionID: rapid.StringMatching(`[A-Za-z0-9-]{1,60}`).Draw(t, "subscription"),
				EventID:        hermod.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "event")),
				Run:            rapid.IntRange(0, 1<<30).Draw(t, "run"),
			},
			Number: rapid.IntRange(1, hermod.MaxNumber).Draw(t, "number"),
		}
		back, err := hermod.ParseAttemptKey(key.String())
		if err != nil || back != key {
			t.Fatalf("%q became %+v: %v", key.String(), back, err)
		}
	})
}

const event = "82fa52a9bc7549438b8c6aee71569fa7"

func TestWhatIsNoIDOfAnAttemptIsNotFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", "---", "s", "s-" + event, "s-" + event + "-0", "-" + event + "-0-1", "s-" + event + "--1", "s-" + event + "-0-0",
		"s-" + event + "-0-1000", "s-" + event + "-00-1", "s-" + event + "-0-01", "s-" + event + "-+0-1", "s-" + event + "-0-1 ",
		"s-" + strings.ToUpper(event) + "-0-1", "s-" + event + "-99999999999999999999-1", strings.Repeat("s", 600) + "-" + event + "-0-1",
	} {
		if key, err := hermod.ParseAttemptKey(text); hermod.CodeOf(err) != hermod.CodeNotFound {
			t.Errorf("%q became %+v: %v", text, key, err)
		}
	}
}

func FuzzParseAttemptKey(f *testing.F) {
	for _, seed := range []string{"", "s-a-spge-X-abcde-" + event + "-0-1", "s-" + event + "-1-999", "s-" + event + "-0-0", "-----"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := hermod.ParseAttemptKey(text)
		switch {
		case err != nil:
			if hermod.CodeOf(err) != hermod.CodeNotFound {
				t.Fatalf("refusing %q: %v", text, err)
			}
		case key.String() != text, key.SubscriptionID == "", key.Run < 0, key.Number < 1, key.Number > hermod.MaxNumber:
			t.Fatalf("%q became %+v", text, key)
		}
	})
}

func TestTheLogIsOrderedByEventThenSubscriptionRunAndNumber(t *testing.T) {
	t.Parallel()
	key := func(event byte, subscription string, run, number int) hermod.AttemptKey {
		return hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: subscription, EventID: hermod.ID{event}, Run: run}, Number: number}
	}
	ordered := []hermod.AttemptKey{
		key(1, "b", 0, 1), key(2, "a", 0, 1), key(2, "a", 0, 2), key(2, "a", 0, 10), key(2, "a", 1, 1), key(2, "b", 0, 1),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
}
