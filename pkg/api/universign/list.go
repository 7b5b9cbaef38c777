package universign

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// A listObject is a part of a list (inferred; wire facts, 2.2).
type listObject[T any] struct {
	Object  string `json:"object"`
	Data    []T    `json:"data"`
	HasMore bool   `json:"has_more"`
	// Total counts the whole list, where that is known.
	Total *int `json:"total,omitempty"`
	// Next is what starting_after goes on with, where the last of Data may not be it.
	Next string `json:"next,omitempty"`
}

// The size of a page (inferred).
const (
	usualPage = 20
	maxPage   = 100
)

// The names of the parameters of lists.
const (
	paramLimit         = "limit"
	paramStartingAfter = "starting_after"
)

// writePart answers a part of a list that has so many elements in all.
func writePart[R, T any](w http.ResponseWriter, part []R, more bool, total int, show func(R) T) error {
	o := listObject[T]{Object: "list", Data: make([]T, len(part)), HasMore: more, Total: &total}
	for i, row := range part {
		o.Data[i] = show(row)
	}
	return api.WriteJSON(w, http.StatusOK, o)
}

// manyOf are the values of a parameter that may be given more than once, also as
// name[], and each time as a comma list.
func manyOf(q *input.Query, name string) []string {
	var all []string
	for _, value := range slices.Concat(api.QueryValues(q.Request, name), api.QueryValues(q.Request, name+"[]")) {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// A period is between two moments, neither of which belongs to it; zero is no bound.
type period struct{ after, before time.Time }

// periodOf reads created_gt and created_lt.
func periodOf(q *input.Query) (p period) {
	p.after, _ = q.Time("created_gt")
	p.before, _ = q.Time("created_lt")
	return p
}

// above and below are the period as exclusive bounds on ids; the zero id is none.
func (p period) above() hermod.ID {
	if p.after.IsZero() {
		return hermod.ID{}
	}
	return hermod.LastIDAt(p.after)
}

func (p period) below() hermod.ID {
	if p.before.IsZero() {
		return hermod.ID{}
	}
	if id := hermod.FirstIDAt(p.before); !id.IsZero() {
		return id
	}
	return hermod.ID{}.Next() // before 1970 there is nothing
}
