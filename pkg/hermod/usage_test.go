package hermod_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

func TestUsageSumsUnitsByKindAndLevel(t *testing.T) {
	t.Parallel()
	sum := hermod.Usage{}
	sum.Add(hermod.Unit{Kind: "b", Level: 1, N: 2}, hermod.Unit{Kind: "a", N: 1}, hermod.Unit{Kind: "b", N: 4})
	sum.Add(hermod.Unit{Kind: "b", Level: 1, N: 3}, hermod.Unit{Kind: "c", N: 0})
	want := []hermod.Unit{{Kind: "a", N: 1}, {Kind: "b", N: 4}, {Kind: "b", Level: 1, N: 5}}
	if got := sum.Units(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUnitsAreReadBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	unit := rapid.Custom(func(t *rapid.T) hermod.Unit {
		return hermod.Unit{
			Kind:  rapid.StringMatching(`[A-Za-z0-9_.-]{1,8}`).Draw(t, "kind"),
			Level: rapid.IntRange(0, 1000).Draw(t, "level"), N: rapid.IntMin(1).Draw(t, "n"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOf(unit).Draw(t, "units")
		got, err := hermod.ParseUnits(hermod.FormatUnits(units))
		if err != nil || !slices.Equal(got, units) {
			t.Fatalf("got %v, %v; want %v", got, err, units)
		}
	})
	for _, text := range []string{"a", "a/1", "a//1", "a/1/x", "a/x/1", "a/1/1 b"} {
		if units, err := hermod.ParseUnits(text); err == nil {
			t.Errorf("%q was read as %v", text, units)
		}
	}
}
