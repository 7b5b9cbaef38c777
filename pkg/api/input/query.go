package input

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// A Query reads query parameters and gathers what is wrong with them. The case of
// their names does not count.
type Query struct {
	Request *http.Request
	Wrong   []hermod.FieldError
}

// Check notes what is wrong with a parameter unless it is ok.
func (q *Query) Check(name string, ok bool, reason string) {
	if !ok {
		q.Wrong = append(q.Wrong, hermod.FieldError{Name: name, Reason: reason})
	}
}

// Only notes the parameters that are none of these.
func (q *Query) Only(names ...string) {
	for _, given := range slices.Sorted(maps.Keys(q.Request.URL.Query())) {
		known := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, given) })
		q.Check(given, known, ingest.NotKnown)
	}
}

// One is a parameter that may be given once; "" for none.
func (q *Query) One(name string) string {
	values := api.QueryValues(q.Request, name)
	q.Check(name, len(values) <= 1, "must be given once")
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// Time is a moment with its offset from UTC.
func (q *Query) Time(name string) (t time.Time, given bool) {
	text := q.One(name)
	if text == "" {
		return t, false
	}
	t, err := time.Parse(time.RFC3339, text)
	q.Check(name, err == nil, "must be a date and time of RFC 3339, such as 2026-03-01T12:00:00Z, with a + in it written %2B")
	return t, true
}

// Limit is a whole number from 1 to most; usual where the parameter is not given.
func (q *Query) Limit(name string, usual, most int) int {
	text := q.One(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	q.Check(name, err == nil && 1 <= n && n <= most, fmt.Sprintf("must be a whole number from 1 to %d", most))
	return n
}

// Err is CodeInvalid with all that is wrong; nil where nothing is.
func (q *Query) Err() error {
	if len(q.Wrong) == 0 {
		return nil
	}
	return hermod.InvalidFields(q.Wrong...)
}
