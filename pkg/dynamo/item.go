package dynamo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An item is a row as DynamoDB takes it. The setters leave out zero values: an
// absent attribute costs nothing, and every kilobyte of a row costs a write unit.
type item map[string]types.AttributeValue

func (it item) text(name, value string) {
	if value != "" {
		it[name] = &types.AttributeValueMemberS{Value: value}
	}
}

func (it item) number(name string, value int64) {
	if value != 0 {
		it[name] = &types.AttributeValueMemberN{Value: strconv.FormatInt(value, 10)}
	}
}

func (it item) binary(name string, value []byte) {
	if len(value) > 0 {
		it[name] = &types.AttributeValueMemberB{Value: value}
	}
}

func (it item) flag(name string, value bool) {
	if value {
		it[name] = &types.AttributeValueMemberBOOL{Value: true}
	}
}

func (it item) time(name string, value time.Time) {
	if !value.IsZero() {
		it[name] = &types.AttributeValueMemberN{Value: formatTime(value)}
	}
}

// list sets a list of texts, one for each of n.
func (it item) list(name string, n int, at func(i int) string) {
	if n == 0 {
		return
	}
	values := make([]types.AttributeValue, n)
	for i := range values {
		values[i] = &types.AttributeValueMemberS{Value: at(i)}
	}
	it[name] = &types.AttributeValueMemberL{Value: values}
}

// str reads a text, "" where there is none.
func (it item) str(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// textUnless sets a text, "" too, unless it is the usual one. textOr reads it.
func (it item) textUnless(usual, name, value string) {
	if value != usual {
		it[name] = &types.AttributeValueMemberS{Value: value}
	}
}

func (it item) textOr(usual, name string) string {
	if _, ok := it[name]; ok {
		return it.str(name)
	}
	return usual
}

func (it item) bytes(name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func (it item) isSet(name string) bool {
	v, ok := it[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func (it item) strs(name string) []string {
	v, ok := it[name].(*types.AttributeValueMemberL)
	if !ok || len(v.Value) == 0 {
		return nil
	}
	out := make([]string, 0, len(v.Value))
	for _, element := range v.Value {
		if s, ok := element.(*types.AttributeValueMemberS); ok {
			out = append(out, s.Value)
		}
	}
	return out
}

// strList is strs as texts of another type, such as scopes or patterns.
func strList[T ~string](it item, name string) []T {
	var out []T
	for _, s := range it.strs(name) {
		out = append(out, T(s))
	}
	return out
}

// A reader reads what may be malformed and keeps the first error.
type reader struct {
	item
	err error
}

func (r *reader) int(name string) int64 {
	v, ok := r.item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	r.fail(name, err)
	return n
}

func (r *reader) at(name string) time.Time {
	v, ok := r.item[name].(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	t, err := parseTime(v.Value)
	r.fail(name, err)
	return t
}

func (r *reader) fail(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("reading attribute %s of row %s %s: %w", name, r.str("PK"), r.str("SK"), err)
	}
}

const nanoDigits = 9

// formatTime writes a time as seconds since 1970 with as many decimals as it
// needs. It loses nothing, reaches any year, and takes about 10 bytes.
func formatTime(t time.Time) string {
	seconds, nanos := t.Unix(), int64(t.Nanosecond())
	sign := ""
	if seconds < 0 {
		sign = "-"
		if nanos > 0 { // -1 s + 0.25 s is written -0.75
			seconds++
			nanos = int64(time.Second) - nanos
		}
		seconds = -seconds
	}
	if nanos == 0 {
		return sign + strconv.FormatInt(seconds, 10)
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%09d", sign, seconds, nanos), "0")
}

func parseTime(s string) (time.Time, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	nanos := int64(0)
	if fraction != "" {
		if nanos, err = strconv.ParseInt((fraction + "000000000")[:nanoDigits], 10, 64); err != nil {
			return time.Time{}, err
		}
	}
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	return time.Unix(seconds, nanos).UTC(), nil
}

// The time to live. DynamoDB deletes by whole seconds in ttl, some time after
// they have come; ttlNanos is the rest of the second.
const (
	ttl      = "ttl"
	ttlNanos = "tn"
)

// retain sets until when the row is kept. Rounding down is right: reads go by the
// exact time, and DynamoDB deletes late.
func (it item) retain(until time.Time) {
	if !until.IsZero() {
		it.number(ttl, until.Unix())
		it.number(ttlNanos, int64(until.Nanosecond()))
	}
}

// retainUntil reads what retain set.
func (r *reader) retainUntil() time.Time {
	seconds, nanos := r.int(ttl), r.int(ttlNanos)
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}
