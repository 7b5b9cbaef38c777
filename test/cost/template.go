package cost

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Template is what is read of template.yaml.
type Template struct {
	Parameters struct {
		RateLimit struct {
			Default float64 `yaml:"Default"`
		} `yaml:"RateLimit"`
	} `yaml:"Parameters"`
	Mappings struct {
		Stages map[string]Settings `yaml:"Stages"`
	} `yaml:"Mappings"`
	Resources map[string]Resource `yaml:"Resources"`
}

// Settings are those of a stage.
type Settings struct {
	MaxRead            float64 `yaml:"MaxRead"`
	MaxWrite           float64 `yaml:"MaxWrite"`
	IngestConcurrency  float64 `yaml:"IngestConcurrency"`
	DeliverConcurrency float64 `yaml:"DeliverConcurrency"`
}

// A Resource is what is read of a resource: the indexes of a table, the memory of a
// function, the metrics of an alarm, and the access log of an API.
type Resource struct {
	Type       string     `yaml:"Type"`
	Properties Properties `yaml:"Properties"`
}

// Properties are those of a Resource.
type Properties struct {
	GlobalSecondaryIndexes []Index `yaml:"GlobalSecondaryIndexes"`
	MemorySize             float64 `yaml:"MemorySize"`
	Metrics                []any   `yaml:"Metrics"`
	AccessLogSettings      struct {
		Format string `yaml:"Format"`
	} `yaml:"AccessLogSettings"`
}

// An Index is one of a table.
type Index struct {
	KeySchema []struct {
		AttributeName string `yaml:"AttributeName"`
	} `yaml:"KeySchema"`
	Projection struct {
		ProjectionType   string   `yaml:"ProjectionType"`
		NonKeyAttributes []string `yaml:"NonKeyAttributes"`
	} `yaml:"Projection"`
}

// UnmarshalYAML reads the resources of the types that are of interest; others have
// properties of other shapes.
func (r *Resource) UnmarshalYAML(node *yaml.Node) error {
	var any struct {
		Type       string    `yaml:"Type"`
		Properties yaml.Node `yaml:"Properties"`
	}
	if err := node.Decode(&any); err != nil {
		return err
	}
	switch r.Type = any.Type; r.Type {
	case "AWS::DynamoDB::Table", "AWS::Serverless::Function", "AWS::Serverless::HttpApi", "AWS::CloudWatch::Alarm":
		return any.Properties.Decode(&r.Properties)
	}
	return nil
}

// ReadTemplate reads template.yaml.
func ReadTemplate(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	var tpl Template
	if err := yaml.Unmarshal(text, &tpl); err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	return &tpl, nil
}

// accessLine makes the format of the access log a line, of an event that is published.
var accessLine = strings.NewReplacer(
	"$context.requestId", "JKJaXmPLvHcESHA=", "$context.requestTime", "23/Nov/2026:01:46:36 +0000",
	"$context.identity.sourceIp", "203.0.113.170", "$context.routeKey", "ANY /events-management/events",
	"$context.httpMethod", "POST", "$context.path", "/events-management/events", "$context.status", "202",
	"$context.responseLength", "255", "$context.responseLatency", "21", "$context.integrationLatency", "19",
	"$context.integrationErrorMessage", "-",
)

// Deployment is what a template says of what events cost.
func (tpl *Template) Deployment() (Deployment, error) {
	of := func(name string) Properties { return tpl.Resources[name].Properties }
	line := accessLine.Replace(of("Api").AccessLogSettings.Format)
	d := Deployment{
		EventsMB: of("EventsFunction").MemorySize, IngestMB: of("IngestFunction").MemorySize,
		DeliverMB: of("DeliverFunction").MemorySize, AccessLogBytes: len(line), Queues: 2, Settings: tpl.Mappings.Stages["prod"],
		RateLimit: tpl.Parameters.RateLimit.Default,
	}
	for _, r := range tpl.Resources {
		if r.Type == "AWS::CloudWatch::Alarm" {
			d.AlarmMetrics += max(1, len(r.Properties.Metrics)-1) // all but the expression
		}
	}
	if line == "" || strings.Contains(line, "$") || d.EventsMB*d.IngestMB*d.DeliverMB*d.Settings.MaxRead*d.RateLimit == 0 || d.AlarmMetrics == 0 {
		return d, fmt.Errorf("the template lacks something: %+v, and a line of the access log is %q", d, line)
	}
	return d, nil
}
