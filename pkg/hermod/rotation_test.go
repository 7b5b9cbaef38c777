package hermod_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

func TestARotatedSecretSignsUntilItsEnd(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	type step struct {
		hour    int
		secret  string
		overlap int
	}
	for name, tt := range map[string]struct {
		steps []step
		hour  int
		valid string
		until int // 0 for none
	}{
		"never rotated":                        {nil, 5, "a", 0},
		"in the overlap":                       {[]step{{0, "b", 24}}, 23, "b a", 24},
		"after it":                             {[]step{{0, "b", 24}}, 24, "b", 0},
		"without an overlap":                   {[]step{{0, "b", 0}}, 0, "b", 0},
		"twice in an overlap":                  {[]step{{0, "b", 24}, {1, "c", 24}}, 23, "c b a", 25},
		"twice, after the first one's end":     {[]step{{0, "b", 24}, {1, "c", 24}}, 24, "c b", 25},
		"a shorter overlap counts for all":     {[]step{{0, "b", 24}, {1, "c", 2}}, 2, "c b a", 3},
		"an end at once counts for all":        {[]step{{0, "b", 24}, {1, "c", 0}}, 1, "c", 0},
		"a longer overlap revives none":        {[]step{{0, "b", 1}, {2, "c", 24}}, 2, "c b", 26},
		"the oldest of four goes":              {[]step{{0, "b", 24}, {1, "c", 24}, {2, "d", 24}}, 3, "d c b", 26},
		"back to the former one":               {[]step{{0, "b", 24}, {1, "a", 24}}, 2, "a b", 25},
		"to the same one, which ends the rest": {[]step{{0, "b", 24}, {1, "b", 0}}, 1, "b", 0},
		"to the same one, ended earlier":       {[]step{{0, "b", 24}, {1, "b", 2}}, 1, "b a", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hermod.Secrets{SigningSecret: "a"}
			for _, step := range tt.steps {
				s.Rotate(step.secret, at(step.hour), at(step.hour+step.overlap))
			}
			if got := strings.Join(s.ValidAt(at(tt.hour)), " "); got != tt.valid {
				t.Errorf("valid are %s, want %s", got, tt.valid)
			}
			var until time.Time
			if tt.until > 0 {
				until = at(tt.until)
			}
			if got := s.FormerUntil(at(tt.hour)); !got.Equal(until) {
				t.Errorf("until %s, want %s", got, until)
			}
		})
	}
}

// Whatever is rotated when: the newest signs first, no other outlasts the overlap of the
// last rotation, and what is dropped had ended.
func TestRotationsKeepTheNewestFirstAndAreBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		s := hermod.Secrets{SigningSecret: "a"}
		for range rapid.IntRange(1, 10).Draw(t, "rotations") {
			now = now.Add(time.Duration(rapid.IntRange(0, 48).Draw(t, "pause")) * time.Hour)
			was, secret := s.ValidAt(now), rapid.StringMatching("[a-f]").Draw(t, "secret")
			overlap := time.Duration(rapid.IntRange(0, 30).Draw(t, "overlap")) * time.Hour
			s.Rotate(secret, now, now.Add(overlap))
			valid := s.ValidAt(now)
			if valid[0] != secret || len(valid) > hermod.MaxSigningSecrets || len(s.ValidAt(now.Add(overlap))) != 1 {
				t.Fatalf("%s after %s: %v", secret, was, valid)
			}
			if overlap > 0 && secret != was[0] && valid[1] != was[0] {
				t.Fatalf("the one that was replaced does not sign: %v, then %v", was, valid)
			}
			distinct := slices.Compact(slices.Sorted(slices.Values(valid)))
			if len(distinct) != len(valid) {
				t.Fatalf("one signs twice: %v", valid)
			}
			kept := s
			kept.DropEnded(now.Add(time.Hour))
			if !slices.Equal(kept.ValidAt(now.Add(time.Hour)), s.ValidAt(now.Add(time.Hour))) || len(kept.Former)+1 != len(kept.ValidAt(now.Add(time.Hour))) {
				t.Fatalf("dropping made %+v of %+v", kept.ValidAt(now), s.ValidAt(now))
			}
		}
	})
}

func TestReadersOfSecretsDoNotSeeEachOthersChanges(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	shared := hermod.Secrets{SigningSecret: "a"}
	shared.Rotate("b", now, now.Add(time.Hour))
	shared.Rotate("c", now, now.Add(2*time.Hour))
	mine, theirs := shared, shared
	mine.DropEnded(now.Add(time.Hour))
	theirs.Rotate("d", now, now.Add(time.Minute))
	if got := fmt.Sprint(shared.ValidAt(now), shared.FormerUntil(now).Sub(now)); got != "[c b a] 2h0m0s" {
		t.Errorf("shared are %s", got)
	}
	raw, err := json.Marshal(shared)
	var back hermod.Secrets
	if err != nil || json.Unmarshal(raw, &back) != nil || !back.SameSigning(shared) || back.SameSigning(mine) || back.SameSigning(theirs) {
		t.Errorf("%s came back as %v: %v", raw, back.ValidAt(now), err)
	}
}
