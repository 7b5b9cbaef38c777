package dynamo_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// endless answers queries of a partition that goes on for ever with rows that no page
// shows: failed attempts, and events of another sender.
func endless() func(n int, c call) (int, any) {
	ids := hermod.NewIDs(time.Now, fillOnes)
	return func(_ int, c call) (int, any) {
		values, _ := c.in["ExpressionAttributeValues"].(object)
		limit, _ := c.in["Limit"].(float64)
		var rows []any
		switch {
		case c.operation == "BatchGetItem":
			return http.StatusOK, object{"Responses": object{}}
		case c.in["TableName"] == "config":
			return http.StatusOK, object{"Items": senderRows(c, 101, nil)}
		case c.in["IndexName"] == "by-organization":
			return http.StatusOK, object{"Items": []any{}}
		}
		for range int(limit) {
			row := object{"PK": values[":pk"], "SK": object{"S": ids.Next().String()}}
			if c.in["TableName"] == "events" {
				row["s"], row["n"] = object{"S": "other"}, object{"S": "n"}
			} else {
				row["SK"] = object{"S": fmt.Sprintf("%s#000000#001", ids.Next())}
				row["o"], row["at"], row["st"] = object{"S": "o"}, object{"N": "1"}, object{"S": string(hermod.Waiting)}
			}
			rows = append(rows, row)
		}
		last, _ := rows[len(rows)-1].(object)
		return http.StatusOK, object{"Items": rows, "LastEvaluatedKey": object{"PK": last["PK"], "SK": last["SK"]}}
	}
}

func TestAPageThatFindsNothingLooksAtSoManyRows(t *testing.T) {
	t.Parallel()
	const examine = 1000
	t.Run("attempts", func(t *testing.T) {
		t.Parallel()
		s, calls := storeOn(t, endless())
		success := true
		page, err := s.Attempts(t.Context(), hermod.LogQuery{
			Owner: "o", SubscriptionID: "s", Success: &success, Ascending: true, Limit: 100, Examine: examine,
		})
		wantCode(t, err, "")
		if n := len(calls.calls); len(page.Attempts) != 0 || page.Next == nil || n != 10 {
			t.Errorf("%d rows and Next %v in %d requests, want none, a next page, and 10", len(page.Attempts), page.Next, n)
		}
	})
	t.Run("events of a sender of very many names", func(t *testing.T) {
		t.Parallel()
		s, calls := storeOn(t, endless())
		page, err := s.Events(t.Context(), hermod.EventQuery{Owner: "o", Pattern: "s:*", Ascending: true, Limit: 100, Examine: examine})
		wantCode(t, err, "")
		// The names, the organization's index, and a page of the table.
		if n := len(calls.calls); len(page.Events) != 0 || page.Next.IsZero() || n != 3 {
			t.Errorf("%d events and Next %v in %d requests, want none, a next page, and 3", len(page.Events), page.Next, n)
		}
	})
}
