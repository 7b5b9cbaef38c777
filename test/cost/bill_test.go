package cost_test

import (
	"strings"
	"testing"

	"hermod/test/cost"
)

// TestAMillionEventsCostWhatIsAllowed prints the bill: go test -v -run Million ./test/cost.
func TestAMillionEventsCostWhatIsAllowed(t *testing.T) {
	t.Parallel()
	d, err := template(t).Deployment()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := cost.Print(&table, d); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s\nWithout any event: %.2f USD a month.", table.String(), cost.Idle(d).Total())
	for way, limit := range map[cost.Stage]float64{cost.HTTPS: 6.00, cost.SQS: 5.00} {
		if total := cost.Price1M(way, d).Total(); total >= limit || total < limit/2 {
			t.Errorf("%s: %.2f USD a million events, want less than %.2f, and no line forgotten", way, total, limit)
		}
	}
}
