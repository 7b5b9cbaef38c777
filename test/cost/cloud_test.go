//go:build cloud

package cost_test

import (
	"encoding/json"
	"maps"
	"os"
	"testing"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/test/cost"
)

// tables are those of the deployed stack.
func tables(t *testing.T) dynamo.Tables {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("HERMOD_STACK_OUTPUTS"))
	if err != nil {
		t.Fatalf("HERMOD_STACK_OUTPUTS names no file; run test/cloud/run.sh: %v", err)
	}
	var out struct{ ConfigTable, EventsTable, DeliveriesTable string }
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return dynamo.Tables{Config: out.ConfigTable, Events: out.EventsTable, Deliveries: out.DeliveriesTable}
}

// TestTheEmulatorCountsWhatTheTableSays holds the one table of counts against the emulator:
// each request, and the write units that it says they cost. Its read units are not
// DynamoDB's: they are logged.
func TestTheEmulatorCountsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	for _, stage := range cost.Stages() {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
			if err != nil {
				t.Fatal(err)
			}
			cfg.HTTPClient = awscfg.HTTPClient(time.Minute)
			got, want := newPipeline(t, cfg, tables(t)).count(stage), cost.Counted[stage]
			t.Logf("%.1f write and %.1f read units an event", got.WriteUnits/batch, got.ReadUnits/batch)
			if !maps.Equal(got.Requests, want.Requests) || got.WriteUnits != want.WriteUnits {
				t.Errorf("counted %v and %.1f write units, the table has %v and %.1f",
					got.Requests, got.WriteUnits, want.Requests, want.WriteUnits)
			}
		})
	}
}
