package universign

import (
	"fmt"
	"net/http"
	"strconv"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// A reportObject says what was used up in a period. Its members are the seed's. Total
// is the sum of the four kinds, and the signatures that of their levels.
type reportObject struct {
	Object     string `json:"object"`
	Total      int    `json:"total"`
	Visas      int    `json:"visas"`
	Seals      int    `json:"seals"`
	Reviews    int    `json:"reviews"`
	Signatures int    `json:"signatures"`
	// Levels are the signatures of each level_N that occurs.
	Levels map[string]int `json:"signatures_by_required_level"`
}

// report answers what the events accepted in a period used up; without bounds, all
// events that are kept.
func (e *Events) report(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	q := &input.Query{Request: r}
	when := periodOf(q)
	if err := q.Err(); err != nil {
		return err
	}
	units, err := e.Store.Usage(r.Context(), hermod.UsageQuery{Account: p.Account, Above: when.above(), Below: when.below()})
	if err != nil {
		return fmt.Errorf("summing up usage: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, reportObjectOf(units))
}

func reportObjectOf(units []hermod.Unit) reportObject {
	o := reportObject{Object: "events-report", Levels: map[string]int{}}
	for _, u := range units {
		switch u.Kind {
		case hermod.UnitSignature:
			o.Signatures += u.N
			o.Levels["level_"+strconv.Itoa(u.Level)] += u.N
		case hermod.UnitVisa:
			o.Visas += u.N
		case hermod.UnitSeal:
			o.Seals += u.N
		case hermod.UnitReview:
			o.Reviews += u.N
		}
	}
	o.Total = o.Signatures + o.Visas + o.Seals + o.Reviews
	return o
}
