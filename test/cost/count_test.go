package cost_test

import (
	"maps"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/test/cost"
)

// onFake is a pipeline over stand-ins.
func onFake(t *testing.T) (*pipeline, *fakeAWS) {
	t.Helper()
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}[name]
	}, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	cfg.BaseEndpoint, cfg.HTTPClient = aws.String("http://aws.test"), f
	return newPipeline(t, cfg, dynamo.Tables{Config: "ConfigTable", Events: "EventsTable", Deliveries: "DeliveriesTable"}), f
}

// near allows for ids and times that are a few digits longer or shorter.
func near(a, b int) bool { return math.Abs(float64(a-b)) <= 0.03*float64(max(a, b)) }

// TestTheTableIsWhatIsCounted holds the one table of counts against what the code asks of
// AWS.
func TestTheTableIsWhatIsCounted(t *testing.T) {
	t.Parallel()
	for _, stage := range cost.Stages() {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			p, f := onFake(t)
			if delivers(stage) { // what was published is not counted here
				p.publish(cost.SQS, batch)
				before := f.stored(t)
				p.run(stage)
				kept := f.stored(t).less(before)
				holds(t, stage, p.count(stage), kept)
				return
			}
			before := f.stored(t)
			got := p.count(stage)
			holds(t, stage, got, f.stored(t).less(before))
		})
	}
}

func holds(t *testing.T, stage cost.Stage, got cost.Counts, kept footprint) {
	t.Helper()
	want := cost.Counted[stage]
	got.RowBytes, got.IndexBytes, got.ClaimBytes = kept.rows, kept.entries, kept.claims
	if !maps.Equal(got.Requests, want.Requests) || got.WriteUnits != want.WriteUnits || got.ReadUnits != want.ReadUnits ||
		got.LogLines != want.LogLines {
		t.Errorf("counted %+v, the table has %+v", got, want)
	}
	for name, bytes := range map[string][2]int{
		"logged": {got.LogBytes, want.LogBytes}, "rows": {got.RowBytes, want.RowBytes}, "index entries": {got.IndexBytes, want.IndexBytes},
		"claims": {got.ClaimBytes, want.ClaimBytes}, "egress": {got.EgressBytes, want.EgressBytes},
	} {
		if !near(bytes[0], bytes[1]) {
			t.Errorf("%s: counted %d bytes, the table has %d", name, bytes[0], bytes[1])
		}
	}
}
