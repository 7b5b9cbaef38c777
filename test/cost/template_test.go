package cost_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hermod/test/cost"
)

// A templateResource is what these tests read of a resource of template.yaml.
type templateResource struct {
	Type       string `yaml:"Type"`
	Properties struct {
		GlobalSecondaryIndexes []index        `yaml:"GlobalSecondaryIndexes"`
		MemorySize             float64        `yaml:"MemorySize"`
		Metrics                []any          `yaml:"Metrics"`
		Events                 map[string]any `yaml:"Events"`
		AccessLogSettings      struct {
			Format string `yaml:"Format"`
		} `yaml:"AccessLogSettings"`
	} `yaml:"Properties"`
}

func readTemplate(t *testing.T) map[string]templateResource {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tpl struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &tpl); err != nil {
		t.Fatal(err)
	}
	all := map[string]templateResource{}
	for name, node := range tpl.Resources {
		var kind struct {
			Type string `yaml:"Type"`
		}
		if err := node.Decode(&kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Type {
		case "AWS::DynamoDB::Table", "AWS::Serverless::Function", "AWS::Serverless::HttpApi", "AWS::CloudWatch::Alarm":
			var r templateResource
			if err := node.Decode(&r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all[name] = r
		}
	}
	return all
}

// A line of the access log, of an event that is published.
var accessLine = strings.NewReplacer(
	"$context.requestId", "JKJaXmPLvHcESHA=", "$context.requestTime", "23/Nov/2026:01:46:36 +0000",
	"$context.identity.sourceIp", "203.0.113.170", "$context.routeKey", "ANY /events-management/events",
	"$context.httpMethod", "POST", "$context.path", "/events-management/events", "$context.status", "202",
	"$context.responseLength", "255", "$context.responseLatency", "21", "$context.integrationLatency", "19",
	"$context.integrationErrorMessage", "-",
)

// deployed is what template.yaml says.
func deployed(t *testing.T) cost.Deployment {
	t.Helper()
	all := readTemplate(t)
	line := accessLine.Replace(all["Api"].Properties.AccessLogSettings.Format)
	if line == "" || strings.Contains(line, "$") {
		t.Fatalf("a line of the access log is %q", line)
	}
	d := cost.Deployment{
		EventsMB: all["EventsFunction"].Properties.MemorySize, IngestMB: all["IngestFunction"].Properties.MemorySize,
		DeliverMB: all["DeliverFunction"].Properties.MemorySize, AccessLogBytes: len(line), Queues: 2,
	}
	for _, r := range all {
		if r.Type == "AWS::CloudWatch::Alarm" {
			d.AlarmMetrics += max(1, len(r.Properties.Metrics)-1) // all but the expression
		}
	}
	if d.EventsMB*d.IngestMB*d.DeliverMB == 0 || d.AlarmMetrics < 10 {
		t.Fatalf("the template says %+v", d)
	}
	return d
}
