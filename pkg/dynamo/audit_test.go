package dynamo_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// No emulator deletes what is past its time to live, so the row is looked at.
func TestAChangeIsKeptFor400DaysApartFromItsOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		row := transacted(t, func(s storeUnderTest) error {
			return s.Record(t.Context(), hermod.Change{Owner: "a", Action: hermod.DeadLettersPurged})
		})
		if row == nil {
			t.Fatal("no row was put")
		}
		want := strconv.FormatInt(time.Now().Add(400*24*time.Hour).Unix(), 10)
		if pk, ttl := row["PK"].(object)["S"], row["ttl"].(object)["N"]; pk != "audit#a" || ttl != want {
			t.Errorf("PK %v, ttl %v, want audit#a and %s", pk, ttl, want)
		}
	})
}

// A filter that selects little must not read a long log whole.
func TestAFilteredPageOfTheAuditLogReadsABoundedNumberOfPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ids := hermod.NewIDs(time.Now, fillOnes)
		s, calls := storeOn(t, func(int, call) (int, any) {
			id := ids.Next()
			key := object{"PK": object{"S": "audit#a"}, "SK": object{"S": id.String()}}
			item := object{"b": object{"S": fmt.Sprintf(`{"id":%q,"owner":"a","target":"another"}`, id)}}
			for name, value := range key {
				item[name] = value
			}
			return http.StatusOK, object{"Items": []object{item}, "LastEvaluatedKey": key}
		})
		page, err := s.Changes(t.Context(), hermod.ChangeQuery{Owner: "a", Target: "s", Limit: 5})
		wantCode(t, err, "")
		if len(page.Changes) != 0 || page.Next.IsZero() || len(calls.calls) != 10 {
			t.Errorf("%d changes after %d reads, next %s: want none after 10, and a next one", len(page.Changes), len(calls.calls), page.Next)
		}
		if slices.ContainsFunc(calls.calls, func(c call) bool { return c.operation != "Query" }) {
			t.Error("the log is read otherwise than by queries")
		}
	})
}

// transacted is the item of the last put in the one transaction that do makes.
func transacted(t *testing.T, do func(s storeUnderTest) error) (row object) {
	t.Helper()
	s, _ := storeOn(t, func(_ int, c call) (int, any) {
		items, _ := c.in["TransactItems"].([]any)
		row, _ = items[len(items)-1].(object)["Put"].(object)["Item"].(object)
		return http.StatusOK, object{}
	})
	if err := do(s); err != nil {
		t.Fatal(err)
	}
	return row
}
