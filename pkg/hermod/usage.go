package hermod

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Unit is what an event used up of a metered service: so many of a kind, at a
// level.
type Unit struct {
	// Kind is one of those below, or any other that ValidTypePart takes.
	Kind string
	// Level is 0 or more; 0 where the kind has none.
	Level int
	// N is 1 or more.
	N int
}

// The kinds of units that a signing service meters.
const (
	UnitSignature = "signature"
	UnitVisa      = "visa"
	UnitReview    = "review"
	UnitSeal      = "seal"
)

// A UsageQuery asks what the events of an account used up.
type UsageQuery struct {
	Account string
	// Above and Below are exclusive bounds on the ids of the events; the zero ID is
	// no bound.
	Above, Below ID
}

// A Usage sums units up. Its keys are units without their N.
type Usage map[Unit]int

// Add adds units to the sum.
func (u Usage) Add(units ...Unit) {
	for _, unit := range units {
		n := unit.N
		unit.N = 0
		u[unit] += n
	}
}

// Units are the sums by kind and level, in this order, those of nothing left out.
func (u Usage) Units() []Unit {
	units := make([]Unit, 0, len(u))
	for unit, n := range u {
		if unit.N = n; n > 0 {
			units = append(units, unit)
		}
	}
	slices.SortFunc(units, func(a, b Unit) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Level, b.Level))
	})
	return units
}

// FormatUnits writes units as stores keep them: kind/level/n, with spaces between
// them. "" is none.
func FormatUnits(units []Unit) string {
	var b strings.Builder
	for i, u := range units {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s/%d/%d", u.Kind, u.Level, u.N)
	}
	return b.String()
}

// ParseUnits is the inverse of FormatUnits.
func ParseUnits(s string) ([]Unit, error) {
	var units []Unit
	for field := range strings.FieldsSeq(s) {
		kind, rest, _ := strings.Cut(field, "/")
		level, n, _ := strings.Cut(rest, "/")
		u := Unit{Kind: kind}
		var errLevel, errN error
		u.Level, errLevel = strconv.Atoi(level)
		u.N, errN = strconv.Atoi(n)
		if errLevel != nil || errN != nil {
			return nil, fmt.Errorf("reading units: %q is not kind/level/n", field)
		}
		units = append(units, u)
	}
	return units, nil
}
