package template_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func many(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func TestAlarms(t *testing.T) {
	tpl := load(t)
	alarms := tpl.of("AWS::CloudWatch::Alarm")
	watched := map[string]bool{} // metric and what it is of
	for id, alarm := range alarms {
		wants(t, id+": actions", at(alarm, "AlarmActions"), "map[Fn::If:[HasAlarmTopic [map[Ref:AlarmTopicArn]] map[Ref:AWS::NoValue]]]")
		if str(alarm, "AlarmDescription") == "<nil>" {
			t.Errorf("%s: no description", id)
		}
		metrics := []any{map[string]any{"MetricStat": map[string]any{"Metric": alarm.Properties}}}
		if at(alarm, "Metrics") != nil {
			metrics = at(alarm, "Metrics").([]any)
		}
		// CloudWatch takes no more for an alarm on a metric math expression.
		if sums := len(metrics) - 1; sums > 10 {
			t.Errorf("%s sums %d metrics, at most 10 are possible", id, sums)
		}
		for _, entry := range metrics {
			metric := resource{Properties: entry.(map[string]any)}
			for _, dimension := range many(at(metric, "MetricStat", "Metric", "Dimensions")) {
				if of, ok := dimension.(map[string]any); ok {
					watched[str(metric, "MetricStat", "Metric", "MetricName")+" "+fmt.Sprint(of["Value"])] = true
				}
			}
		}
	}
	for name, f := range tpl.functions(t) {
		alarm := refers(many(at(f, "DeploymentPreference", "Alarms"))[0])
		wants(t, name+": alarm that stops a deployment", fmt.Sprint(str(alarms[alarm], "MetricName"), " ", at(alarms[alarm], "Dimensions")),
			"Errors [map[Name:FunctionName Value:map[Fn::Sub:${AWS::StackName}-"+name+"]]]")
	}
	for id := range tpl.of("AWS::Serverless::Function") {
		if !watched["Throttles map[Ref:"+id+"]"] {
			t.Errorf("no alarm on throttles of %s", id)
		}
	}
	for _, want := range []string{
		"ApproximateNumberOfMessagesVisible map[Fn::GetAtt:DeadLetterQueue.QueueName]",
		"ApproximateNumberOfMessagesVisible map[Fn::GetAtt:IngestDeadLetterQueue.QueueName]",
		"ApproximateAgeOfOldestMessage map[Fn::GetAtt:DeliveryQueue.QueueName]",
		"ApproximateAgeOfOldestMessage map[Fn::GetAtt:IngestQueue.QueueName]",
		"ApproximateNumberOfMessagesNotVisible map[Fn::GetAtt:DeliveryQueue.QueueName]",
		"WriteThrottleEvents by-type", "WriteThrottleEvents by-organization", "WriteThrottleEvents by-organization-type", "WriteThrottleEvents by-subject",
		"WriteThrottleEvents failures", "WriteThrottleEvents due", "WriteThrottleEvents dead",
	} {
		if !watched[want] {
			t.Errorf("no alarm on %s", want)
		}
	}
	wants(t, "in-flight threshold", at(alarms["DeliveryQueueInFlight"], "Threshold"), 80000)
	wants(t, "number of dashboards", len(tpl.of("AWS::CloudWatch::Dashboard")), 1)
}

// TestTestParametersAreClosed: what lets an emulator reach loopback is empty by default, reaches a function in stage emulator alone,
// and no stage of samconfig.toml sets it.
func TestTestParametersAreClosed(t *testing.T) {
	tpl := load(t)
	config, err := os.ReadFile(root + "samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "condition IsEmulator", tpl.Conditions["IsEmulator"], "map[Fn::Equals:[map[Ref:Stage] emulator]]")
	if strings.Contains(string(config), "emulator") {
		t.Error("samconfig.toml has a stage emulator")
	}
	test := 0
	for name, parameter := range tpl.Parameters {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		test++
		wants(t, name+": default", parameter["Default"], "")
		if strings.Contains(string(config), name) {
			t.Errorf("samconfig.toml sets %s", name)
		}
	}
	wants(t, "number of test parameters", test, 4)
	for name, f := range tpl.functions(t) {
		variables, _ := at(f, "Environment", "Variables").(map[string]any)
		for variable, value := range variables {
			if !strings.Contains(fmt.Sprint(variable, value), "TEST_") && !strings.Contains(fmt.Sprint(value), "Ref:Test") {
				continue
			}
			if !strings.HasPrefix(fmt.Sprint(value), "map[Fn::If:[IsEmulator map[Ref:Test") || !strings.HasSuffix(fmt.Sprint(value), " map[Ref:AWS::NoValue]]]") {
				t.Errorf("%s: %s is %v, which is not for stage emulator alone", name, variable, value)
			}
		}
	}
}

func TestStages(t *testing.T) {
	config, err := os.ReadFile(root + "samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[default.deploy.parameters]", "[staging.deploy.parameters]", "[prod.deploy.parameters]",
		`"Stage=dev"`, `"Stage=staging"`, `"Stage=prod `} {
		if !strings.Contains(string(config), want) {
			t.Errorf("samconfig.toml has no %s", want)
		}
	}
	if strings.Contains(string(config), "cached = true") || strings.Count(string(config), "cached = false") != 3 {
		t.Error("samconfig.toml must say cached = false for each stage: SAM's cache does not see edits in pkg/")
	}
}
