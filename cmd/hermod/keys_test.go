package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A stopped node is what the administrator's commands work on.
type stopped struct {
	t            *testing.T
	binary, data string
	env          []string
}

// stop makes a node, starts it once and stops it.
func stop(t *testing.T) *stopped {
	t.Helper()
	s := &stopped{t: t, binary: build(t), data: filepath.Join(t.TempDir(), "data")}
	s.running(func(*process) {})
	return s
}

// running does something while the node runs.
func (s *stopped) running(do func(p *process)) {
	s.t.Helper()
	p := start(s.t, s.binary, s.data)
	do(p)
	if err := p.end(syscall.SIGTERM); err != nil {
		s.t.Errorf("after SIGTERM: %v: %s", err, p.log)
	}
}

// do runs a command and gives what it says, and whether it succeeded.
func (s *stopped) do(args ...string) (said string, ok bool) {
	s.t.Helper()
	command := exec.CommandContext(s.t.Context(), s.binary, args...)
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // whoever tests may be on AWS
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "HERMOD_")
	})
	command.Env = append(command.Env, s.env...)
	out, err := command.CombinedOutput()
	return string(out), err == nil
}

// keys runs hermod keys on the node, which must succeed.
func (s *stopped) keys(subcommand string, args ...string) string {
	s.t.Helper()
	said, ok := s.do(append([]string{"keys", subcommand, "-data", s.data}, args...)...)
	if !ok {
		s.t.Fatalf("hermod keys %s %v: %s", subcommand, args, said)
	}
	return said
}

// word is what stands after a label at the start of a line.
func word(t *testing.T, said, label string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + label + ` (\S+)$`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("no %s in %q", label, said)
	}
	return found[1]
}

func (p *process) issue(client, secret string) int {
	p.t.Helper()
	answer, err := http.PostForm(p.base+"/auth/open/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode
}

// bearer lists the credentials with a bearer token and gives the status.
func (p *process) bearer(token string) int {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.base+"/events-management/credentials", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode
}

func TestTheLocalClientsCanBeReplacedBeforeOthersReachThePort(t *testing.T) {
	t.Parallel()
	s := stop(t)
	made, ok := s.do("provision", "-data", s.data, "-client", "platform", "-account", "a-ppge-Platform000000000001")
	if !ok {
		t.Fatal(made)
	}
	said := s.keys("revoke", "-local")
	for _, ended := range []string{"oauth:local", "oauth:other", "telia-login:11111111-1111-4111-8111-111111111111/local"} {
		if !strings.Contains(said, ended+" is revoked") {
			t.Errorf("%s is not among %q", ended, said)
		}
	}
	if said := s.keys("revoke", "-local"); strings.Contains(said, "is revoked") || !strings.Contains(said, "nothing") {
		t.Errorf("a second time: %q", said)
	}
	s.running(func(p *process) {
		tenant, telia := "11111111-1111-4111-8111-111111111111", "Ocp-Apim-Subscription-Key"
		for what, header := range map[string][]string{
			"/signly/v1/webhooks":     {"X-Tenant-Signly", tenant, "X-Auth-Signly", "sk_local"},
			"/signly/v1/webhooks?b":   {"X-Tenant-Signly", tenant, "X-Auth-Signly", "HMAC sk_local_hmac"},
			"/hooks/v1":               {telia, "local-key"},
			"/universign/v1/api-keys": {"Authorization", "Bearer apikey_other"},
		} {
			if got := p.status(what, header...); got != http.StatusUnauthorized {
				t.Errorf("%s: status %d", what, got)
			}
		}
		for client, want := range map[[2]string]int{
			{"platform", word(t, made, "secret")}: http.StatusOK,
			{"local", "local-secret"}:             http.StatusUnauthorized,
			{"other", "other-secret"}:             http.StatusUnauthorized,
		} {
			if got := p.issue(client[0], client[1]); got != want {
				t.Errorf("token for %s: status %d, want %d", client[0], got, want)
			}
		}
	})
}

func TestCredentialsAreMadeShownAndRevokedByCommand(t *testing.T) {
	t.Parallel()
	s := stop(t)
	const account = "a-spge-LocalAccount00000001"
	key := s.keys("create", "-account", account, "-name", "Night shift", "-scopes", "signicat-api")
	client := s.keys("create", "-account", account, "-name", "Orders", "-type", "client")
	gone := s.keys("create", "-account", account, "-name", "Gone", "-scopes", "signicat-api")
	said := s.keys("revoke", word(t, gone, "id"))
	if !strings.Contains(said, "is revoked") {
		t.Errorf("revoke says %q", said)
	}
	list := s.keys("list", "-account", account)
	for _, row := range []string{
		`(?m)^oauth:local +"local" +- +signicat-api,events.publish +\S+Z +-$`,
		`(?m)^` + word(t, key, "id") + ` +"Night shift" +- +signicat-api +\S+Z +-$`,
		`(?m)^` + word(t, client, "id") + ` +"Orders" +- +events.publish +\S+Z +-$`,
		`(?m)^` + word(t, gone, "id") + ` +"Gone" +- +signicat-api +\S+Z +\S+Z$`,
		`(?m)^[0-9a-f]{16} +access +\S+Z +signing$`,
	} {
		if !regexp.MustCompile(row).MatchString(list) {
			t.Errorf("no row %s in\n%s", row, list)
		}
	}
	for _, secret := range []string{word(t, key, "key"), word(t, client, "secret")} {
		if strings.Contains(list, secret[len(secret)-52:]) {
			t.Error("the list shows a secret")
		}
	}
	s.running(func(p *process) {
		for what, got := range map[string][2]int{
			"the API key":     {p.bearer(word(t, key, "key")), http.StatusOK},
			"the revoked one": {p.bearer(word(t, gone, "key")), http.StatusUnauthorized},
			"the client":      {p.issue(word(t, client, "client"), word(t, client, "secret")), http.StatusOK},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: status %d, want %d", what, got[0], got[1])
			}
		}
	})
}

func TestASigningKeyIsRotatedAndRevokedByCommand(t *testing.T) {
	t.Parallel()
	s := stop(t)
	published := func(p *process) int {
		answer, err := http.Get(p.base + "/auth/open/.well-known/openid-configuration/jwks")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // it was read
		var set struct{ Keys []struct{ Kid string } }
		body, err := io.ReadAll(answer.Body)
		if err != nil || json.Unmarshal(body, &set) != nil {
			t.Fatalf("%s, %v", body, err)
		}
		return len(set.Keys)
	}
	if said := s.keys("rotate"); !strings.Contains(said, "it signs from ") {
		t.Errorf("rotate says %q", said)
	}
	list := s.keys("list")
	signing := regexp.MustCompile(`(?m)^([0-9a-f]{16}) +access +\S+Z +signing$`).FindStringSubmatch(list)
	if signing == nil || !regexp.MustCompile(`(?m)^[0-9a-f]{16} +access +\S+Z +next$`).MatchString(list) {
		t.Fatalf("after the rotation:\n%s", list)
	}
	var token string
	s.running(func(p *process) {
		token = p.token()
		if n := published(p); n != 2 || p.bearer(token) != http.StatusOK {
			t.Errorf("%d keys are published", n)
		}
	})
	s.keys("revoke", signing[1])
	s.running(func(p *process) {
		if n := published(p); n != 1 {
			t.Errorf("%d keys are published after one was revoked", n)
		}
		if status := p.bearer(token); status != http.StatusUnauthorized {
			t.Errorf("a token of the revoked key: status %d", status)
		}
		if status := p.bearer(p.token()); status != http.StatusOK {
			t.Errorf("a token of the other key: status %d", status)
		}
	})
}

func TestABadCommandIsToldInOneLine(t *testing.T) {
	t.Parallel()
	s := stop(t)
	empty := t.TempDir()
	at := func(args ...string) []string {
		return append([]string{"keys", args[0], "-data", s.data}, args[1:]...)
	}
	for want, args := range map[string][]string{
		`no subcommand "delete"`:            {"keys", "delete"},
		"give either -data or -table":       {"keys", "list"},
		"-data or -table":                   {"keys", "list", "-data", s.data, "-table", "t"},
		"there is no node in " + empty:      {"keys", "list", "-data", empty},
		"not defined: -nope":                at("list", "-nope"),
		`unexpected "x"`:                    at("list", "x"),
		"there is no account a-nobody":      at("list", "-account", "a-nobody"),
		"-account is required":              at("create"),
		"-name is required":                 at("create", "-account", "a", "-name", "ab"),
		`-type "password": want`:            at("create", "-account", "a", "-name", "abc", "-type", "password"),
		`no scope "all"`:                    at("create", "-account", "a", "-name", "abc", "-scopes", "all"),
		"there is no account a;":            at("create", "-account", "a", "-name", "abc"),
		"name what to revoke":               at("revoke"),
		"-local is without ids":             at("revoke", "-local", "oauth:local"),
		"there is no local: want an id":     at("revoke", "local"),
		"-kms-key is required with -table":  {"keys", "rotate", "-table", "t"},
		"-client and -account are required": {"provision", "-data", s.data, "-client", "x"},
		"not defined: -revoke":              {"provision", "-data", s.data, "-client", "x", "-revoke"},
		`unexpected "y"`:                    {"provision", "-data", s.data, "-client", "x", "-account", "a", "y"},
		"audit: -account is required":       {"audit", "-data", s.data},
		"-n 0: want 1 or more":              {"audit", "-data", s.data, "-account", "a", "-n", "0"},
		`-action "made": want one of owner`: {"audit", "-data", s.data, "-account", "a", "-action", "made"},
		"there is no account a-none":        {"audit", "-data", s.data, "-account", "a-none"},
		"-rate-limit -1: want 1 or more":    {"serve", "-data", s.data, "-rate-limit", "-1"},
		"-max-subscriptions -1: want 1":     {"serve", "-data", s.data, "-max-subscriptions", "-1"},
		"-max-subscriptions 0: want 1":      {"serve", "-data", s.data, "-max-subscriptions", "0"},
		`unexpected "more"`:                 {"serve", "-data", s.data, "more"},
	} {
		command := exec.CommandContext(t.Context(), s.binary, args...)
		command.Env = append(command.Environ(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x")
		out, err := command.CombinedOutput()
		said := string(out)
		if err == nil || !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("hermod %v: %v: %q, want %q", args, err, said, want)
		}
	}
	for _, help := range [][]string{{"keys", "-h"}, {"keys", "create", "-h"}, {"serve", "-h"}, {"audit", "-h"}, {"backup", "-h"}, {"provision", "-h"}} {
		if said, ok := s.do(help...); !ok || !strings.Contains(said, "sage") || strings.Contains(said, "hermod: ") {
			t.Errorf("hermod %v: %s", help, said)
		}
	}
}

func TestAnOutsideIssuerIsSetWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), build(t), "serve", "-addr", "127.0.0.1:0", "-data", t.TempDir())
	command.Env = append(command.Environ(), "HERMOD_ISSUER_URL=https://id.example/")
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "HERMOD_AUDIENCE") {
		t.Errorf("%v: %s", err, out)
	}
}
