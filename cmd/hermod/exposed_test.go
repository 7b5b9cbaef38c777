package main_test

import (
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// logIn asks for a token with the secret that everybody knows and answers the status.
func logIn(t *testing.T, base string) int {
	t.Helper()
	answer, err := http.PostForm(base+"/auth/open/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"local"}, "client_secret": {"local-secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // nothing of it is read
	return answer.StatusCode
}

func TestANodeThatOthersCanReachLetsNobodyInByASecretThatEverybodyKnows(t *testing.T) {
	t.Parallel()
	binary := build(t)
	const public = "HERMOD_PUBLIC_URL=https://events.example.com"

	clean := filepath.Join(t.TempDir(), "clean")
	p := start(t, binary, clean, public)
	if strings.Contains(p.greeting, "local") || !strings.Contains(p.greeting, "hermod provision -data "+clean) {
		t.Errorf("a clean node that is exposed says %q", p.greeting)
	}
	if status := logIn(t, p.base); status != http.StatusUnauthorized && status != http.StatusBadRequest {
		t.Errorf("the secret that everybody knows gets %d", status)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, p.log)
	}

	data := filepath.Join(t.TempDir(), "data")
	p = start(t, binary, data)
	if status := logIn(t, p.base); status != http.StatusOK {
		t.Errorf("on this machine alone the secret gets %d", status)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, p.log)
	}
	for _, how := range [][]string{{"-addr", "0.0.0.0:0"}, {"-addr", "127.0.0.1:0", "-public-url", "https://events.example.com"}} {
		out, err := exec.CommandContext(t.Context(), binary, append([]string{"serve", "-data", data}, how...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "hermod keys revoke -data "+data+" -local") {
			t.Errorf("%v: %v: %s", how, err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), binary, "keys", "revoke", "-data", data, "-local").CombinedOutput()
	if err != nil {
		t.Fatalf("revoking: %v: %s", err, out)
	}
	p = start(t, binary, data, public)
	if strings.Contains(p.greeting, "secret") {
		t.Errorf("after the revocation it says %q", p.greeting)
	}
	if status := logIn(t, p.base); status == http.StatusOK {
		t.Error("a revoked secret still gets a token")
	}
}
