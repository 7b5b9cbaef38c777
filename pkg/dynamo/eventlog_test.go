package dynamo_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// Each name of a sender that is merged is a request for every page.
func TestEventsOfASenderTakeABoundedNumberOfRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names int
		// indexed says which indexes have events of the sender.
		indexed  map[string]bool
		requests int
	}{
		"none known":           {0, nil, 1},
		"one":                  {1, map[string]bool{"by-type": true}, 3},
		"an account's":         {100, map[string]bool{"by-type": true}, 1 + 2 + 100},
		"an organization's":    {100, map[string]bool{"by-organization-type": true}, 1 + 2 + 100},
		"more than are merged": {101, map[string]bool{"by-type": true}, 1 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, calls := storeOn(t, func(_ int, q call) (int, any) {
				return http.StatusOK, object{"Items": senderRows(q, c.names, c.indexed)}
			})
			_, err := s.Events(t.Context(), hermod.EventQuery{Owner: "o", Pattern: "s:*", Limit: 10})
			wantCode(t, err, "")
			if got := len(calls.calls); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
		})
	}
}

// senderRows answers a query: for the known names of a sender, for whether an index
// has any of its events, and for the events, of which there are none any more.
func senderRows(c call, names int, indexed map[string]bool) (rows []any) {
	switch index, of := c.in["IndexName"].(string); {
	case c.in["TableName"] == "config":
		for i := range min(names, int(c.in["Limit"].(float64))) { //nolint:forcetypeassert // a test's
			rows = append(rows, object{"PK": object{"S": "o"}, "SK": object{"S": fmt.Sprintf("type#s:n%d", i)}})
		}
	case of && indexed[index] && c.in["Limit"].(float64) == 1: //nolint:forcetypeassert // a test's
		rows = append(rows, object{"PK": object{"S": "o#0"}, "typeSK": object{"S": "n0#0"}})
	}
	return rows
}

// Where few rows survive the filter, bodies are still read by the hundred.
func TestAFilteredWalkReadsBodiesInBatches(t *testing.T) {
	t.Parallel()
	ids, batches, rows := hermod.NewIDs(time.Now, fillOnes), 0, []any(nil)
	for range 450 {
		rows = append(rows, object{"PK": object{"S": "a#0"}, "SK": object{"S": ids.Next().String()}})
	}
	s, _ := storeOn(t, func(_ int, c call) (int, any) {
		switch {
		case c.operation == "BatchGetItem":
			batches++
			return http.StatusOK, object{"Responses": object{"events": []any{}}}
		case c.in["IndexName"] == "by-organization":
			return http.StatusOK, object{"Items": rows}
		default:
			return http.StatusOK, object{"Items": senderRows(c, 101, nil)}
		}
	})
	_, err := s.Events(t.Context(), hermod.EventQuery{Owner: "o", Pattern: "s:*", Ascending: true, Limit: 2})
	wantCode(t, err, "")
	// None of them is there: each batch is asked for again, consistently.
	if batches != 2*5 {
		t.Errorf("450 rows were read in %d batches, want 10", batches)
	}
}

// Events never change, so they are read without consistency, at half the price. One that
// was put a moment ago may be missing then.
func TestAnEventThatWasJustPutIsFound(t *testing.T) {
	t.Parallel()
	e, _ := typical()
	old := *e
	old.ID = hermod.NewIDs(time.Now, fillOnes).Next()
	var asked []int
	s, _ := storeOn(t, func(_ int, c call) (int, any) {
		ask := c.in["RequestItems"].(object)["events"].(object) //nolint:forcetypeassert // a test's
		keys := ask["Keys"].([]any)                             //nolint:forcetypeassert // a test's
		asked = append(asked, len(keys))
		var rows []any
		for _, k := range keys {
			row := k.(object) //nolint:forcetypeassert // a test's
			if row["SK"].(object)["S"] == old.ID.String() || ask["ConsistentRead"] == true {
				row["d"] = object{"B": "MQ=="}
				rows = append(rows, row)
			}
		}
		return http.StatusOK, object{"Responses": object{"events": rows}}
	})
	found, err := s.EventsByKey(t.Context(), []hermod.EventKey{e.Key(), old.Key()})
	wantCode(t, err, "")
	if len(found) != 2 || len(asked) != 2 || asked[0] != 2 || asked[1] != 1 {
		t.Errorf("found %d events, having asked for %v; want both, the second time for the one that was missing", len(found), asked)
	}
}
