package template_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEachAlarmIsExplained compares both ways: docs/operations.md says of each alarm what it means, and of none that is not there.
func TestEachAlarmIsExplained(t *testing.T) {
	page, err := os.ReadFile(root + "docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## On AWS: what each alarm means\n")
	section, _, end := strings.Cut(section, "\nMove dead letters back")
	if !found || !end {
		t.Fatal("docs/operations.md has no section of alarms")
	}
	explained := map[string]bool{}
	for line := range strings.SplitSeq(section, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		names, _, _ := strings.Cut(line[1:], "|")
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(names, -1) {
			if explained[name[1]] {
				t.Errorf("%s is explained twice", name[1])
			}
			explained[name[1]] = true
		}
	}
	alarms := load(t).of("AWS::CloudWatch::Alarm")
	for _, name := range slices.Sorted(maps.Keys(alarms)) {
		if !explained[name] {
			t.Errorf("docs/operations.md does not explain the alarm %s", name)
		}
		delete(explained, name)
	}
	for name := range explained {
		t.Errorf("docs/operations.md explains %s, which is no alarm of template.yaml", name)
	}
}
