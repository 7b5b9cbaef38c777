package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A process is the process under test, as the test has it in hand.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	base   string
	stdin  io.Closer
	client *http.Client
	stderr lockedBuffer
	// ended is closed when the process has, and err says how.
	ended chan struct{}
	err   error
}

// errEnded is what a call answers whose process has ended.
var errEnded = errors.New("the process under test has ended")

// startProcess starts this very binary as the process under test and waits until it
// serves. Its firings are handed to fired.
func startProcess(t *testing.T, s settings, fired func(firing)) (*process, error) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, ended: make(chan struct{}), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	greeted := make(chan string, 1)
	go p.read(stdout, greeted, fired)
	t.Cleanup(p.kill)
	select {
	case p.base = <-greeted:
		return p, nil
	case <-p.ended:
		return p, fmt.Errorf("the process under test did not start (%w): %s", p.err, p.stderr.String())
	}
}

// read reads what the process tells, until it ends.
func (p *process) read(stdout io.Reader, greeted chan<- string, fired func(firing)) {
	lines := bufio.NewScanner(stdout)
	if lines.Scan() {
		var g greeting
		if json.Unmarshal(lines.Bytes(), &g) == nil && g.Base != "" {
			greeted <- g.Base
		} else {
			p.firing(lines.Bytes(), fired) // it failed before it served
		}
	}
	for lines.Scan() {
		p.firing(lines.Bytes(), fired)
	}
	p.err = p.cmd.Wait()
	p.client.CloseIdleConnections()
	close(p.ended)
}

func (p *process) firing(line []byte, fired func(firing)) {
	var f firing
	if err := json.Unmarshal(line, &f); err != nil {
		p.t.Errorf("the process under test wrote %q: %v", line, err)
		return
	}
	fired(f)
}

// kill is kill -9. It answers when the process has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// do makes a request. An error is errEnded, or that there was no answer.
func (p *process) do(ctx context.Context, method, path string, body []byte, header ...string) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := p.client.Do(r)
	if err != nil {
		return 0, nil, p.why(err)
	}
	defer got.Body.Close() //nolint:errcheck // it was read
	answer, err = io.ReadAll(got.Body)
	if err != nil {
		return 0, nil, p.why(err)
	}
	return got.StatusCode, answer, nil
}

// why is errEnded where the process has ended, or is about to.
func (p *process) why(err error) error {
	select {
	case <-p.ended:
		return errEnded
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// control tells the process something and reads what it answers into v.
func (p *process) control(what string, in, v any) error {
	body, ok := in.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	status, answer, err := p.do(p.t.Context(), http.MethodPost, "/faults/"+what, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%w: %s: %d %s", errFailed, what, status, answer)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}

// A lockedBuffer keeps the end of what is written to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  []byte
}

// keptOutput is how much a lockedBuffer keeps.
const keptOutput = 3 << 10

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	if len(b.b) > keptOutput {
		b.b = append([]byte(nil), b.b[len(b.b)-keptOutput:]...)
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.b)
}
