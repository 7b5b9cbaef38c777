package main

import (
	"strings"
	"testing"
)

func TestAuditShowsWhatTheOperatorDid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ask := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if err := run(t.Context(), &console{out: &out, err: &errs, getenv: func(string) string { return "" }}, args); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, errs.String())
		}
		return out.String()
	}
	secret := strings.Fields(ask("provision", "-data", dir, "-client", "platform", "-account", "a-1"))[3]
	ask("keys", "revoke", "-data", dir, "oauth:platform")
	lines := strings.Split(strings.TrimSpace(ask("audit", "-data", dir, "-account", "a-1")), "\n")
	want := []string{"credential.revoked", "credential.created", "owner.created"}
	if len(lines) != len(want)+1 {
		t.Fatalf("%d lines, want a head and %d: %q", len(lines), len(want), lines)
	}
	for i, action := range want {
		if fields := strings.Fields(lines[i+1]); fields[1] != action || fields[3] != "operator" {
			t.Errorf("line %d: %q, want %s by the operator", i+1, lines[i+1], action)
		}
	}
	if text := strings.Join(lines, "\n"); strings.Contains(text, secret) {
		t.Error("the secret is shown")
	}
	if one := ask("audit", "-data", dir, "-account", "a-1", "-action", "owner.created"); strings.Count(one, "\n") != 2 {
		t.Errorf("by action: %q", one)
	}
}
