package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build builds the program as a newcomer does, with no step before it.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "hermod")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// A process is a running `hermod serve`.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
	// greeting is what it printed up to the command to paste.
	greeting string
	log      *bytes.Buffer
	read     chan struct{} // closed when its output has ended
}

// The lines with which its greeting ends.
const (
	lastLine        = "See it arrive"
	lastLineExposed = "  A first one: "
)

// patience bounds every wait.
const patience = 30 * time.Second

func start(t *testing.T, binary, data string, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, "serve"), log: &bytes.Buffer{}, read: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "HERMOD_ADDR=127.0.0.1:0", "HERMOD_DATA="+data)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	greeted := make(chan string, 1)
	go func() {
		defer close(p.read)
		var b strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&b, lines.Text())
			if strings.HasPrefix(lines.Text(), lastLine) || strings.HasPrefix(lines.Text(), lastLineExposed) {
				greeted <- b.String()
			}
		}
	}()
	select {
	case p.greeting = <-greeted:
	case <-p.read:
		t.Fatalf("hermod serve ended: %s", p.log)
	case <-time.After(patience):
		t.Fatal("hermod serve was not ready in time")
	}
	first, _, _ := strings.Cut(p.greeting, "\n")
	p.base = strings.TrimPrefix(first, "hermod ready ")
	return p
}

// end sends the signal and waits for the process.
func (p *process) end(signal os.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	<-p.read
	return p.cmd.Wait()
}

func (p *process) token() string {
	p.t.Helper()
	answer, err := http.PostForm(p.base+"/auth/open/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"local"}, "client_secret": {"local-secret"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		p.t.Fatal(err)
	}
	return body.AccessToken
}

// post posts JSON and decodes the answer; an error is a broken connection.
func post(link, token, body string, into any) error {
	r, err := http.NewRequest(http.MethodPost, link, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// A sink counts the deliveries of each event.
type sink struct {
	mu   sync.Mutex
	seen map[string]int
	hold chan struct{} // closed when deliveries are answered
}

func newSink(t *testing.T) (*sink, string) {
	t.Helper()
	s := &sink{seen: map[string]int{}, hold: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		s.seen[r.Header.Get("Webhook-Id")]++
		s.mu.Unlock()
		select {
		case <-s.hold:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *sink) missing(ids []string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, id := range ids {
		if s.seen[id] == 0 {
			n++
		}
	}
	return n
}

func subscribe(t *testing.T, p *process, token, target string) {
	t.Helper()
	body := fmt.Sprintf(`{"name":"sink","type":"Webhook","typeConfiguration":{"url":%q},"messageAuthentication":
		{"authenticationType":"HmacSha256","hmacSha256":{"secret":"E*wl1K87LYnUoZSm"}}}`, target)
	var answer struct{ ID string }
	if err := post(p.base+"/events-management/subscriptions", token, body, &answer); err != nil {
		t.Fatal(err)
	}
}

// publishUntil publishes until the process is gone and answers the accepted ids.
func publishUntil(p *process, token string, accepted chan<- string, writers *sync.WaitGroup) {
	const body = `{"sender":"e2e","eventName":"kill","eventData":{}}`
	for range 8 {
		writers.Go(func() {
			for {
				var answer struct{ Data []struct{ ID string } }
				if err := post(p.base+"/events-management/events", token, body, &answer); err != nil {
					return
				}
				accepted <- answer.Data[0].ID
			}
		})
	}
}

func TestNoAcceptedEventIsLostByKill(t *testing.T) {
	t.Parallel()
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	s, target := newSink(t)
	first := start(t, binary, data)
	token := first.token()
	subscribe(t, first, token, target)

	// The sink holds every delivery, so that at the kill some are in hand, some wait.
	accepted := make(chan string)
	var writers sync.WaitGroup
	publishUntil(first, token, accepted, &writers)
	var ids []string
	for len(ids) < 500 {
		ids = append(ids, <-accepted)
	}
	killed := make(chan error, 1)
	go func() { killed <- first.end(syscall.SIGKILL) }()
	go func() { writers.Wait(); close(accepted) }()
	for id := range accepted {
		ids = append(ids, id)
	}
	if err := <-killed; err == nil {
		t.Error("a killed process ended without an error")
	}

	close(s.hold)
	second := start(t, binary, data)
	restarted := time.Now()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for s.missing(ids) > 0 {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("%d of %d accepted events have not arrived", s.missing(ids), len(ids))
		}
	}
	t.Logf("%d accepted, all delivered %s after the restart", len(ids), time.Since(restarted).Round(time.Millisecond))
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, second.log)
	}
}

func TestSIGTERMFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	p := start(t, build(t), filepath.Join(t.TempDir(), "data"))
	s, target := newSink(t)
	token := p.token()
	subscribe(t, p, token, target)
	var answer struct{ Data []struct{ ID string } }
	if err := post(p.base+"/events-management/events", token, `{"sender":"e2e","eventName":"term","eventData":1}`, &answer); err != nil {
		t.Fatal(err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for s.missing([]string{answer.Data[0].ID}) > 0 {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatal("the event has not arrived")
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- p.end(syscall.SIGTERM) }()
	select {
	case err := <-ended:
		t.Fatalf("it ended with an attempt in hand: %v", err)
	case <-time.After(200 * time.Millisecond): // that it does not end is seen by waiting
	}
	close(s.hold)
	if err := <-ended; err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, p.log)
	}
}

func TestASecondProcessOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	first := start(t, binary, data)
	second := exec.CommandContext(t.Context(), binary, "serve", "-addr", "127.0.0.1:0", "-data", data)
	out, err := second.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("the second process: %v: %s", err, out)
	}
	if !strings.Contains(string(out), "another process") {
		t.Errorf("the second process says %q", out)
	}
	if err := first.end(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, first.log)
	}
}
