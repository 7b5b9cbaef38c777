package hermod_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

// zeros and ones are the least and the greatest of random bytes.
func zeros([]byte) {}

func ones(p []byte) {
	for i := range p {
		p[i] = 0xff
	}
}

func TestIDsRiseWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	steps := rapid.Int64Range(int64(-2*time.Hour), int64(2*time.Hour))
	rapid.Check(t, func(t *rapid.T) {
		now := start
		ids := hermod.NewIDs(func() time.Time { return now }, zeros)
		last := hermod.ID{}
		for range rapid.IntRange(2, 50).Draw(t, "ids") {
			id := ids.Next()
			if id.Compare(last) <= 0 {
				t.Fatalf("%s follows %s", id, last)
			}
			last = id
			now = now.Add(time.Duration(steps.Draw(t, "step")))
		}
	})
}

func TestAnIDIsAUUIDOfVersion7AndTellsItsTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	for _, random := range []func([]byte){zeros, ones} {
		id := hermod.NewIDs(func() time.Time { return at }, random).Next()
		text := id.String()
		if len(text) != 32 || text[12] != '7' || !strings.ContainsRune("89ab", rune(text[16])) {
			t.Errorf("%s is no UUIDv7", text)
		}
		if got := id.Time(); !got.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("made at %v, says %v", at, got)
		}
	}
}

func TestIDsMadeAtOnceDiffer(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 500
	ids := hermod.NewIDs(time.Now, zeros)
	made := make([][]hermod.ID, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				made[w] = append(made[w], ids.Next())
			}
		})
	}
	wg.Wait()
	seen := map[hermod.ID]bool{}
	for _, list := range made {
		for _, id := range list {
			if seen[id] {
				t.Fatalf("%s was made twice", id)
			}
			seen[id] = true
		}
	}
}

func TestIDsRisePastOneThatWasObserved(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ahead := hermod.NewIDs(func() time.Time { return now.Add(time.Hour) }, ones).Next()
	ids := hermod.NewIDs(func() time.Time { return now }, zeros)
	ids.Observe(ahead)
	if id := ids.Next(); id.Compare(ahead) <= 0 {
		t.Errorf("%s follows the observed %s", id, ahead)
	}
	ids.Observe(hermod.ID{}) // an older one changes nothing
	if id := ids.Next(); id.Compare(ahead) <= 0 {
		t.Errorf("%s follows the observed %s", id, ahead)
	}
}

func TestFirstIDAtDividesIDsByTheMomentTheyWereMade(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		bound := start.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Millisecond)).Draw(t, "bound")))
		made := start.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Millisecond)).Draw(t, "made")))
		least := hermod.NewIDs(func() time.Time { return made }, zeros).Next()
		greatest := hermod.NewIDs(func() time.Time { return made }, ones).Next()
		first := hermod.FirstIDAt(bound)
		if !made.Before(bound) && least.Compare(first) < 0 {
			t.Fatalf("%s, made %v after the bound, lies below %s", least, made.Sub(bound), first)
		}
		// An id holds 4096ths of a millisecond: within one, nothing can be told.
		if bound.Sub(made) > time.Millisecond/4096+1 && greatest.Compare(first) >= 0 {
			t.Fatalf("%s, made %v before the bound, does not lie below %s", greatest, bound.Sub(made), first)
		}
	})
}

func TestABoundBefore1970IsBelowAllIDs(t *testing.T) {
	t.Parallel()
	if id := hermod.FirstIDAt(time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC)); !id.IsZero() {
		t.Errorf("got %s", id)
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{
		"", "82fa52a9bc7549438b8c6aee71569fa7", "82FA52A9BC7549438B8C6AEE71569FA7", "82fa52a9-bc75-4943-8b8c-6aee71569fa7",
		strings.Repeat("0", 32), strings.Repeat("g", 32), strings.Repeat("0", 31), strings.Repeat("0", 33),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := hermod.ParseID(text)
		if err != nil {
			if hermod.CodeOf(err) != hermod.CodeInvalid || !id.IsZero() {
				t.Fatalf("refusing %q: %v, %s", text, err, id)
			}
			return
		}
		if id.String() != text {
			t.Fatalf("%q became %s", text, id)
		}
		encoded, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		var back hermod.ID
		if err := json.Unmarshal(encoded, &back); err != nil || back != id {
			t.Fatalf("%s came back as %s: %v", encoded, back, err)
		}
	})
}
