// Package template_test holds template.yaml to what the design asks of the deployment. It reads the file alone: what an emulator
// makes of the template is tested in test/cloud.
package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = "../../"

// A template is template.yaml with its intrinsics in their long form, so that `!Ref X` is map{"Ref": "X"}.
type template struct {
	Parameters map[string]map[string]any `yaml:"Parameters"`
	Conditions map[string]any            `yaml:"Conditions"`
	Globals    map[string]map[string]any `yaml:"Globals"`
	Resources  map[string]resource       `yaml:"Resources"`
}

type resource struct {
	Type                string         `yaml:"Type"`
	Condition           string         `yaml:"Condition"`
	DeletionPolicy      string         `yaml:"DeletionPolicy"`
	UpdateReplacePolicy string         `yaml:"UpdateReplacePolicy"`
	Metadata            map[string]any `yaml:"Metadata"`
	Properties          map[string]any `yaml:"Properties"`
}

func load(t *testing.T) *template {
	t.Helper()
	text, err := os.ReadFile(root + "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		t.Fatal(err)
	}
	longForm(&node)
	var tpl template
	if err := node.Decode(&tpl); err != nil {
		t.Fatal(err)
	}
	return &tpl
}

// longForm replaces the tags of the short form: !Ref X by {Ref: X}, !GetAtt A.B by {Fn::GetAtt: A.B}, and so on.
func longForm(n *yaml.Node) {
	for _, child := range n.Content {
		longForm(child)
	}
	if !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return
	}
	name := strings.TrimPrefix(n.Tag, "!")
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	value := *n
	value.Tag = ""
	if value.Kind == yaml.ScalarNode {
		value.Tag = "!!str"
	}
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, &value}}
}

// of are the resources of one type, by logical id.
func (tpl *template) of(kind string) map[string]resource {
	found := map[string]resource{}
	for id, r := range tpl.Resources {
		if r.Type == kind {
			found[id] = r
		}
	}
	return found
}

// functions are the functions by the name of their folder.
func (tpl *template) functions(t *testing.T) map[string]resource {
	t.Helper()
	byName := map[string]resource{}
	for id, r := range tpl.of("AWS::Serverless::Function") {
		name, ok := strings.CutPrefix(str(r, "CodeUri"), "functions/")
		if !ok {
			t.Fatalf("%s: CodeUri %q is not in functions/", id, str(r, "CodeUri"))
		}
		byName[strings.Trim(name, "/")] = r
	}
	if len(byName) < 7 {
		t.Fatalf("only %d functions: %v", len(byName), slices.Sorted(maps.Keys(byName)))
	}
	return byName
}

// at walks into properties by keys; nil where one is missing.
func at(r resource, path ...string) any {
	var v any = r.Properties
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func str(r resource, path ...string) string { return fmt.Sprint(at(r, path...)) }

// refers reports the logical id that v names by !Ref or !GetAtt.
func refers(v any) string {
	m, _ := v.(map[string]any)
	if id, ok := m["Ref"].(string); ok {
		return id
	}
	attr, _ := m["Fn::GetAtt"].(string)
	id, _, _ := strings.Cut(attr, ".")
	return id
}

// events are the event sources of a function of one type.
func events(r resource, kind string) []resource {
	var found []resource
	sources, _ := at(r, "Events").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		source := sources[name].(map[string]any)
		if source["Type"] == kind {
			properties, _ := source["Properties"].(map[string]any)
			found = append(found, resource{Type: kind, Properties: properties})
		}
	}
	return found
}

func wants(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestFunctions(t *testing.T) {
	tpl := load(t)
	globals := resource{Properties: tpl.Globals["Function"]}
	wants(t, "runtime", str(globals, "Runtime"), "provided.al2023")
	wants(t, "handler", str(globals, "Handler"), "bootstrap")
	wants(t, "architectures", at(globals, "Architectures"), "[map[Ref:Architecture]]")
	wants(t, "default architecture", tpl.Parameters["Architecture"]["Default"], "arm64")
	wants(t, "log format", str(globals, "LoggingConfig", "LogFormat"), "JSON")
	wants(t, "system log level", str(globals, "LoggingConfig", "SystemLogLevel"), "WARN")
	wants(t, "tracing", str(globals, "Tracing"), "Active")
	wants(t, "alias", str(globals, "AutoPublishAlias"), "live")

	roles, logs := map[string]string{}, map[string]string{}
	for name, f := range tpl.functions(t) {
		t.Run(name, func(t *testing.T) {
			for _, global := range []string{"Runtime", "Handler", "Architectures", "Tracing", "AutoPublishAlias", "ReservedConcurrentExecutions"} {
				if at(f, global) != nil {
					t.Errorf("%s is set here: it is a global, or should not be set", global)
				}
			}
			wants(t, "build method", f.Metadata["BuildMethod"], "go1.x")
			wants(t, "name", at(f, "FunctionName", "Fn::Sub"), "${AWS::StackName}-"+name)
			if at(f, "Timeout") == nil || at(f, "MemorySize") == nil {
				t.Error("Timeout and MemorySize must be set")
			}

			group := refers(at(f, "LoggingConfig", "LogGroup"))
			if tpl.Resources[group].Type != "AWS::Logs::LogGroup" {
				t.Errorf("log group %q is no log group of the template", group)
			}
			if other, taken := logs[group]; taken {
				t.Errorf("shares its log group with %s", other)
			}
			logs[group] = name
			wants(t, "log group's name", at(tpl.Resources[group], "LogGroupName", "Fn::Sub"), "/aws/lambda/${AWS::StackName}-"+name)

			role := refers(at(f, "Role"))
			if tpl.Resources[role].Type != "AWS::IAM::Role" {
				t.Errorf("role %q is no role of the template", role)
			}
			if other, taken := roles[role]; taken {
				t.Errorf("shares its role with %s", other)
			}
			roles[role] = name

			if _, err := os.Stat(root + "events/" + name + ".json"); err != nil {
				t.Errorf("no sample invocation: %v", err)
			}
		})
	}
}

func TestLogGroupsHaveARetention(t *testing.T) {
	tpl := load(t)
	for id, group := range tpl.of("AWS::Logs::LogGroup") {
		wants(t, "retention of "+id, at(group, "RetentionInDays"), "map[Fn::FindInMap:[Stages map[Ref:Stage] LogDays]]")
	}
}

func TestSamplesAreOfAFunctionAndJSON(t *testing.T) {
	functions := load(t).functions(t)
	files, err := filepath.Glob(root + "events/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, ok := strings.CutSuffix(filepath.Base(file), ".json")
		if _, known := functions[name]; !ok || !known {
			t.Errorf("%s belongs to no function", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text) {
			t.Errorf("%s is not JSON", file)
		}
	}
}

func TestQueueConsumers(t *testing.T) {
	tpl := load(t)
	consumers := 0
	for name, f := range tpl.functions(t) {
		for _, source := range events(f, "SQS") {
			consumers++
			wants(t, name+": batch size", at(source, "BatchSize"), 10)
			wants(t, name+": batching window", at(source, "MaximumBatchingWindowInSeconds"), 0)
			wants(t, name+": response types", at(source, "FunctionResponseTypes"), "[ReportBatchItemFailures]")
			if at(source, "ScalingConfig", "MaximumConcurrency") == nil {
				t.Errorf("%s: no MaximumConcurrency, so throttling would burn receives", name)
			}
			queue := tpl.Resources[refers(at(source, "Queue"))]
			timeout, visibility := at(f, "Timeout").(int), at(queue, "VisibilityTimeout").(int)
			if visibility < 6*timeout {
				t.Errorf("%s: visibility timeout %d is below six times the function's %d", name, visibility, timeout)
			}
			receives := at(queue, "RedrivePolicy", "maxReceiveCount")
			if told := at(f, "Environment", "Variables", "HERMOD_MAX_RECEIVES"); told != nil || name == "DeliverFunction" {
				wants(t, name+": HERMOD_MAX_RECEIVES", told, receives)
			}
		}
	}
	wants(t, "number of queue consumers", consumers, 2)
}

func TestQueues(t *testing.T) {
	tpl := load(t)
	const twoWeeks = 1209600
	queues := tpl.of("AWS::SQS::Queue")
	wants(t, "number of queues", len(queues), 4)
	dead := map[string]string{} // dead-letter queue -> source
	for id, q := range queues {
		wants(t, id+": retention", at(q, "MessageRetentionPeriod"), twoWeeks)
		wants(t, id+": encrypted", at(q, "SqsManagedSseEnabled"), true)
		if at(q, "RedrivePolicy") == nil {
			continue
		}
		wants(t, id+": may be a dead-letter queue", str(q, "RedriveAllowPolicy", "redrivePermission"), "denyAll")
		wants(t, id+": long poll", at(q, "ReceiveMessageWaitTimeSeconds"), 20)
		if n := at(q, "RedrivePolicy", "maxReceiveCount").(int); n < 5 {
			t.Errorf("%s: maxReceiveCount %d leaves no room for throttling and crashes", id, n)
		}
		dead[refers(at(q, "RedrivePolicy", "deadLetterTargetArn"))] = str(q, "QueueName", "Fn::Sub")
	}
	wants(t, "delivery maxReceiveCount", at(queues["DeliveryQueue"], "RedrivePolicy", "maxReceiveCount"), 10)
	wants(t, "ingest maxReceiveCount", at(queues["IngestQueue"], "RedrivePolicy", "maxReceiveCount"), 10)
	wants(t, "number of dead-letter queues", len(dead), 2)
	for id, source := range dead {
		q := queues[id]
		wants(t, id+": permission", str(q, "RedriveAllowPolicy", "redrivePermission"), "byQueue")
		wants(t, id+": sources", at(q, "RedriveAllowPolicy", "sourceQueueArns"),
			"[map[Fn::Sub:arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"+source+"]]")
	}

	tlsOnly := map[string]bool{}
	for _, policy := range tpl.of("AWS::SQS::QueuePolicy") {
		if strings.Contains(fmt.Sprint(policy.Properties), "aws:SecureTransport:false") {
			tlsOnly[refers(at(policy, "Queues").([]any)[0])] = true
		}
	}
	for id := range queues {
		if !tlsOnly[id] {
			t.Errorf("%s: no policy refuses requests without TLS", id)
		}
	}
}

func TestTables(t *testing.T) {
	tpl := load(t)
	tables := tpl.of("AWS::DynamoDB::Table")
	indexes := map[string]string{}
	for id, table := range tables {
		wants(t, id+": billing", str(table, "BillingMode"), "PAY_PER_REQUEST")
		wants(t, id+": keys", at(table, "KeySchema"), "[map[AttributeName:PK KeyType:HASH] map[AttributeName:SK KeyType:RANGE]]")
		wants(t, id+": TTL", at(table, "TimeToLiveSpecification"), "map[AttributeName:ttl Enabled:true]")
		wants(t, id+": on deletion", table.DeletionPolicy, "RetainExceptOnCreate")
		wants(t, id+": on replacement", table.UpdateReplacePolicy, "Retain")
		for _, setting := range []string{"OnDemandThroughput", "PointInTimeRecoverySpecification", "DeletionProtectionEnabled", "ContributorInsightsSpecification"} {
			if at(table, setting) == nil {
				t.Errorf("%s: %s is not set", id, setting)
			}
		}
		list, _ := at(table, "GlobalSecondaryIndexes").([]any)
		for _, entry := range list {
			index := resource{Properties: entry.(map[string]any)}
			keys := at(index, "KeySchema").([]any)
			indexes[id+"/"+str(index, "IndexName")] = fmt.Sprint(keys[0].(map[string]any)["AttributeName"], " ",
				keys[1].(map[string]any)["AttributeName"], " ", str(index, "Projection", "ProjectionType"))
		}
	}
	wants(t, "tables", slices.Sorted(maps.Keys(tables)), "[ConfigTable DeliveriesTable EventsTable]")
	want := map[string]string{
		"EventsTable/by-type":              "typePK typeSK KEYS_ONLY",
		"EventsTable/by-organization":      "orgPK SK KEYS_ONLY",
		"EventsTable/by-organization-type": "orgTypePK typeSK KEYS_ONLY",
		"EventsTable/by-subject":           "subjectPK SK INCLUDE",
		"DeliveriesTable/failures":         "failuresPK SK KEYS_ONLY",
		"DeliveriesTable/due":              "duePK dueSK ALL",
		"DeliveriesTable/dead":             "deadPK deadSK KEYS_ONLY",
	}
	if !maps.Equal(indexes, want) {
		t.Errorf("indexes are %v, want %v", indexes, want)
	}
}

// TestRolesAreExact: no wildcard in an action, and no resource but what the template names. X-Ray alone has no resources to name.
func TestRolesAreExact(t *testing.T) {
	tpl := load(t)
	for id, role := range tpl.of("AWS::IAM::Role") {
		if at(role, "ManagedPolicyArns") != nil {
			t.Errorf("%s: managed policies allow more than the function needs", id)
		}
		for _, policy := range at(role, "Policies").([]any) {
			statements := policy.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any)
			for _, entry := range statements {
				statement := entry.(map[string]any)
				actions := many(statement["Action"])
				for _, action := range actions {
					if strings.Contains(fmt.Sprint(action), "*") {
						t.Errorf("%s: wildcard in action %v", id, action)
					}
				}
				if fmt.Sprint(actions) == "[xray:PutTraceSegments xray:PutTelemetryRecords]" {
					continue
				}
				for _, r := range many(statement["Resource"]) {
					named := fmt.Sprint(r)
					if id == "UniversignEventsRole" && named == "map[Fn::Sub:${ExportsBucket.Arn}/*]" {
						continue // the objects of a bucket: there is no other name for all of them
					}
					if (id == "DeliverRole" || id == "SubscriptionsRole") && fmt.Sprint(actions) == "[sts:AssumeRole]" &&
						named == "map[Fn::Sub:arn:${AWS::Partition}:iam::*:role/${TargetRolePrefix}*]" {
						continue // subscribers' roles are in accounts that nobody knows beforehand; TargetRolePrefix is never empty
					}
					if strings.Contains(named, "*") || !strings.Contains(named, "Fn::") {
						t.Errorf("%s: %v is allowed on %v", id, actions, r)
					}
				}
			}
		}
	}
}
