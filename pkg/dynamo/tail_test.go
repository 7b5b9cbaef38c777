package dynamo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// A log answers the queries of a tail: rows of the table, and of the index of
// organizations, by age.
type agedLog struct {
	table, index []time.Duration
	// pageRows is how many rows a page has at most; 0 is no bound but the request's.
	pageRows int
	typ      func(i int) string
}

func agedID(age time.Duration) string { return hermod.FirstIDAt(time.Now().Add(-age)).String() }

func (l agedLog) answer(_ int, c call) (int, any) {
	if c.operation == "BatchGetItem" {
		keys := c.in["RequestItems"].(object)["events"].(object)["Keys"].([]any) //nolint:forcetypeassert // a test's
		var rows []any
		for _, k := range keys {
			row := object{"s": object{"S": "s"}, "n": object{"S": "n"}}
			for name, value := range k.(object) { //nolint:forcetypeassert // a test's
				row[name] = value
			}
			rows = append(rows, row)
		}
		return http.StatusOK, object{"Responses": object{"events": rows}}
	}
	values := c.in["ExpressionAttributeValues"].(object) //nolint:forcetypeassert // a test's
	bound := func(name string) string { return values[name].(object)["S"].(string) }
	ages, indexed := l.table, c.in["IndexName"] != nil
	if indexed {
		ages = l.index
	}
	most := int(c.in["Limit"].(float64)) //nolint:forcetypeassert // a test's
	if l.pageRows > 0 {
		most = min(most, l.pageRows)
	}
	start := ""
	if key, ok := c.in["ExclusiveStartKey"].(object); ok {
		start = key["SK"].(object)["S"].(string) //nolint:forcetypeassert // a test's
	}
	items, out := []any{}, object{}
	for i, age := range ages {
		id := agedID(age)
		if id < bound(":lo") || id > bound(":hi") || id <= start {
			continue
		}
		if len(items) == most {
			out["LastEvaluatedKey"] = items[len(items)-1]
			break
		}
		item := object{"PK": object{"S": "a#0"}, "SK": object{"S": id}}
		if !indexed {
			item["s"], item["n"] = object{"S": "s"}, object{"S": "n"}
			if l.typ != nil {
				item["n"] = object{"S": l.typ(i)}
			}
		}
		items = append(items, item)
	}
	out["Items"] = items
	return http.StatusOK, out
}

func TestTailKeepsTheHorizonOfWhatItReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		log  agedLog
		seen []time.Duration
		// position is the age of the position.
		position time.Duration
	}{
		"an account": {
			agedLog{table: []time.Duration{20 * time.Second, 10 * time.Second, 5 * time.Second, 4 * time.Second}},
			[]time.Duration{20 * time.Second, 10 * time.Second, 5 * time.Second}, 5 * time.Second,
		},
		"an organization": {
			agedLog{index: []time.Duration{20 * time.Second, 15 * time.Second, 14 * time.Second, 5 * time.Second}},
			[]time.Duration{20 * time.Second, 15 * time.Second}, 15 * time.Second,
		},
		"one that is both": {
			agedLog{
				table: []time.Duration{21 * time.Second, 14 * time.Second, 4 * time.Second},
				index: []time.Duration{20 * time.Second, 13 * time.Second},
			},
			[]time.Duration{21 * time.Second, 20 * time.Second}, 15 * time.Second,
		},
		// Its first event may be on its way to the index.
		"one that has nothing":               {agedLog{}, nil, 15 * time.Second},
		"one whose first event is too young": {agedLog{table: []time.Duration{4 * time.Second}}, nil, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _ := storeOn(t, c.log.answer)
				page, err := s.Tail(t.Context(), hermod.TailQuery{Owner: "a", After: hermod.FirstIDAt(time.Now().Add(-time.Hour)), Limit: 10})
				wantCode(t, err, "")
				var seen []string
				for _, e := range page.Events {
					seen = append(seen, e.ID.String())
				}
				var want []string
				for _, age := range c.seen {
					want = append(want, agedID(age))
				}
				if strings.Join(seen, " ") != strings.Join(want, " ") {
					t.Errorf("saw %v, want %v", seen, want)
				}
				if page.Position != hermod.LastIDAt(time.Now().Add(-c.position)) {
					t.Errorf("the position is %s old, want %s", time.Since(page.Position.Time()), c.position)
				}
			})
		})
	}
}

func TestSettledKeepsTheHorizonOfWhatEventsReads(t *testing.T) {
	t.Parallel()
	table, index := agedLog{table: []time.Duration{time.Hour}}, agedLog{index: []time.Duration{time.Hour}}
	for name, c := range map[string]struct {
		log     agedLog
		pattern hermod.Pattern
		want    time.Duration
	}{
		"an account":            {table, "", 5 * time.Second},
		"an account, any type":  {table, "*", 5 * time.Second},
		"an account, by type":   {table, "s:n", 15 * time.Second},
		"an account, by sender": {table, "s:*", 15 * time.Second},
		"an organization":       {index, "", 15 * time.Second},
		"one that has nothing":  {agedLog{}, "", 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _ := storeOn(t, c.log.answer)
				settled, err := s.Settled(t.Context(), hermod.EventQuery{Owner: "a", Pattern: c.pattern, Limit: 10})
				wantCode(t, err, "")
				if settled != hermod.LastIDAt(time.Now().Add(-c.want)) {
					t.Errorf("settled is %s old, want %s", time.Since(settled.Time()), c.want)
				}
			})
		})
	}
}

// A page of a tail that finds little ends where reading it has cost enough, and the
// next one goes on from there.
func TestTailEndsWhereReadingHasCostEnough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := agedLog{pageRows: 10, typ: func(i int) string { return fmt.Sprint("n", i) }}
		for i := range 100 {
			log.table = append(log.table, time.Hour-time.Duration(i)*time.Second)
		}
		s, calls := storeOn(t, log.answer)
		q := hermod.TailQuery{Owner: "a", Pattern: "s:n95", Limit: 10}
		found := 0
		for pages := 1; q.After.Compare(hermod.LastIDAt(time.Now().Add(-5*time.Second))) < 0; pages++ {
			before := len(calls.calls)
			page, err := s.Tail(t.Context(), q)
			wantCode(t, err, "")
			if n := len(calls.calls) - before; n > 5 || page.Position.Compare(q.After) <= 0 || pages > 3 {
				t.Fatalf("page %d took %d requests and went from %s to %s", pages, n, q.After, page.Position)
			}
			found += len(page.Events)
			q.After = page.Position
		}
		if found != 1 {
			t.Errorf("found %d events, want 1", found)
		}
	})
}
