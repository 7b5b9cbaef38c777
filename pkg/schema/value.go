package schema

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// maxDigits bounds the numbers that are compared exactly, in digits and in their
// exponent: 1e999999999 is short, but not in decimals.
const maxDigits = 100

// A number is a JSON number. rat is nil where it is too long to be exact; near is
// then as close as a float64 gets.
type number struct {
	text string
	rat  *big.Rat
	near float64
}

func parseNumber(n json.Number) number {
	read := number{text: string(n)}
	digits, exponent, scaled := strings.Cut(strings.ToLower(read.text), "e")
	e := 0
	if scaled {
		var err error
		if e, err = strconv.Atoi(exponent); err != nil {
			e = math.MaxInt32 // it has too many digits itself
		}
	}
	if len(digits) <= maxDigits && e <= maxDigits && e >= -maxDigits {
		read.rat, _ = new(big.Rat).SetString(read.text)
	}
	if read.rat == nil {
		read.near, _ = strconv.ParseFloat(read.text, 64) // out of range is ±Inf or 0, which is near enough
	}
	return read
}

// compare orders two numbers.
func (n number) compare(o number) int {
	if n.rat != nil && o.rat != nil {
		return n.rat.Cmp(o.rat)
	}
	a, b := n.float(), o.float()
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func (n number) float() float64 {
	if n.rat == nil {
		return n.near
	}
	f, _ := n.rat.Float64()
	return f
}

// whole reports whether the number is an integer; 1.0 is one.
func (n number) whole() bool {
	if n.rat != nil {
		return n.rat.IsInt()
	}
	return !strings.ContainsAny(n.text, ".eE") || math.IsInf(n.near, 0)
}

// multipleOf reports whether the number is a whole multiple of one that is not 0.
func (n number) multipleOf(o number) bool {
	return n.rat != nil && new(big.Rat).Quo(n.rat, o.rat).IsInt()
}

// clamped is a whole number as an int, the largest where it is larger.
func (n number) clamped() int {
	if n.rat == nil || !n.rat.Num().IsInt64() || n.rat.Num().Int64() > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(n.rat.Num().Int64())
}

// kindOf is the kind of a value, kindInteger and kindNumber together for an
// integer.
func kindOf(value any) kinds {
	switch v := value.(type) {
	case nil:
		return kindNull
	case bool:
		return kindBoolean
	case string:
		return kindString
	case []any:
		return kindArray
	case map[string]any:
		return kindObject
	case json.Number:
		if isDigits(string(v)) || parseNumber(v).whole() {
			return kindInteger | kindNumber
		}
	}
	return kindNumber
}

// isDigits is the common case of an integer.
func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// canonical is a text that two values have in common if, and only if, they are
// equal: members in the order of their names, numbers by their value. spend is
// asked for the steps it takes; where it answers false the text breaks off.
func canonical(value any, spend func(steps int) bool) string {
	return string(appendCanonical(nil, value, spend))
}

func appendCanonical(b []byte, value any, spend func(int) bool) []byte {
	switch v := value.(type) {
	case nil:
		b = append(b, "null"...)
	case bool:
		b = strconv.AppendBool(b, v)
	case string:
		if spend(1 + len(v)/stepsPerByte) {
			b = strconv.AppendQuote(b, v)
		}
	case json.Number:
		b = appendNumber(b, v, spend)
	case []any:
		b = append(b, '[')
		for _, item := range v {
			if !spend(1) {
				return b
			}
			b = append(appendCanonical(b, item, spend), ',')
		}
		b = append(b, ']')
	case map[string]any:
		b = append(b, '{')
		if !spend(sortSteps * len(v)) {
			return b
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !spend(1 + len(name)/stepsPerByte) {
				return b
			}
			b = append(strconv.AppendQuote(b, name), ':')
			b = append(appendCanonical(b, v[name], spend), ',')
		}
		b = append(b, '}')
	}
	return b
}

func appendNumber(b []byte, v json.Number, spend func(int) bool) []byte {
	if isDigits(string(v)) {
		return append(b, v...)
	}
	if !spend(maxDigits / 10) {
		return b
	}
	if n := parseNumber(v); n.rat != nil {
		return append(b, n.rat.RatString()...)
	}
	return append(b, strings.ToLower(string(v))...)
}
