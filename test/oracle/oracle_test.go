//go:build cloud

// Package oracle_test has programs that nobody here wrote judge Hermod.
package oracle_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/node"
	"hermod/pkg/push"
)

// A program is a running script of this directory, with a line of JSON for a line.
type program struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, script string, args ...string) *program {
	t.Helper()
	modules := os.Getenv("HERMOD_NODE_MODULES")
	if modules == "" {
		modules = "node_modules"
	}
	if _, err := os.Stat(filepath.Join(modules, "jose")); err != nil {
		t.Fatalf("npm ci in test/oracle first, or name the modules in HERMOD_NODE_MODULES: %v", err)
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", append(append([]string{script}, args...), modules)...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = command.Wait() // the test's context has ended it
	})
	return &program{in: in, out: bufio.NewScanner(out)}
}

func (p *program) read(t *testing.T, into any) {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the program said no more: %v", p.out.Err())
	}
	if err := json.Unmarshal(p.out.Bytes(), into); err != nil {
		t.Fatalf("the program said %q: %v", p.out.Text(), err)
	}
}

// A clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// serve serves a node's API.
func serve(t *testing.T, now func() time.Time, outside *auth.Outside) string {
	t.Helper()
	n, err := node.Open(t.Context(), node.Options{
		Data: t.TempDir(), Policy: push.Local(), Outside: outside, Now: now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(n.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

func issue(t *testing.T, base string) string {
	t.Helper()
	answer, err := http.PostForm(base+"/auth/open/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"local"}, "client_secret": {"local-secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return body.Token
}

// A verdict is what the verifier says of a token.
type verdict struct {
	OK     bool           `json:"ok"`
	KeyID  string         `json:"kid"`
	Claims map[string]any `json:"claims"`
	Error  string         `json:"error"`
}

func (p *program) judge(t *testing.T, token string, now time.Time) verdict {
	t.Helper()
	if err := json.NewEncoder(p.in).Encode(map[string]any{"token": token, "now": now.Unix()}); err != nil {
		t.Fatal(err)
	}
	var v verdict
	p.read(t, &v)
	return v
}

func TestJoseVerifiesTokensByThePublishedKeysAcrossARotation(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Now()}
	base := serve(t, c.now, nil)
	issuer := base + "/auth/open"
	first := issue(t, base)
	c.advance(auth.RotateAfter)
	issue(t, base) // which rotates
	verifier := start(t, "verifier.mjs", issuer, issuer+"/resources")
	good := issue(t, base)
	old := verifier.judge(t, good, c.now())
	if !old.OK || old.Claims["account_id"] != "a-spge-LocalAccount00000001" || old.Claims["client_id"] != "local" {
		t.Fatalf("%+v", old)
	}
	// The verifier keeps the keys, and does not ask again so soon: the new one was there before it signed.
	c.advance(time.Hour)
	fresh := verifier.judge(t, issue(t, base), c.now())
	if !fresh.OK || fresh.KeyID == old.KeyID {
		t.Errorf("after the rotation: %+v", fresh)
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"expired":       first,
		"tampered with": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
	} {
		if v := verifier.judge(t, token, c.now()); v.OK {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestTokensThatJoseIssuesAreBelieved(t *testing.T) {
	t.Parallel()
	const issuer, audience, account = "https://id.example", "https://hermod.example", "a-spge-LocalAccount00000001"
	foreign := start(t, "issuer.mjs", issuer, audience, account)
	var made struct {
		JWKS   string            `json:"jwks"`
		Tokens map[string]string `json:"tokens"`
	}
	foreign.read(t, &made)
	outside, err := auth.NewOutside(auth.OutsideOptions{Issuer: issuer, JWKS: made.JWKS, Audience: audience, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, time.Now, outside)
	status := func(token string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events-management/credentials", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	if len(made.Tokens) != 3 {
		t.Fatalf("%d tokens", len(made.Tokens))
	}
	for algorithm, token := range made.Tokens {
		if got := status(token); got != http.StatusOK {
			t.Errorf("%s: status %d", algorithm, got)
		}
		parts := strings.Split(token, ".")
		if got := status(parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))); got != http.StatusUnauthorized {
			t.Errorf("%s, tampered with: status %d", algorithm, got)
		}
	}
	if got := status(issue(t, base)); got != http.StatusOK {
		t.Errorf("our own: status %d", got)
	}
}
