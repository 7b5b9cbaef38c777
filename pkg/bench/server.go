package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How long a server may take to start, and to end after SIGTERM before it is killed.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
)

// A server is the process that is measured.
type server struct {
	url string
	cmd *exec.Cmd
	end context.CancelFunc
}

const readyPrefix = "hermod ready "

// startServer starts a server on a free port over an empty directory and waits
// until it is ready. The flags leave nothing to the environment: a benchmark never
// touches what the user's own Hermod keeps.
func startServer(ctx context.Context, o *Options, data, profile string) (*server, error) {
	ctx, end := context.WithCancel(ctx)
	args := slices.Concat(o.Server[1:],
		[]string{"-addr", "127.0.0.1:0", "-data", data, "-log", "warn", "-targets", "local", "-rate-limit", "0"})
	if profile != "" {
		args = append(args, "-cpuprofile", profile)
	}
	cmd := exec.CommandContext(ctx, o.Server[0], args...) //nolint:gosec // the caller's own program
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = withParent()
	cmd.WaitDelay = stopTimeout
	cmd.Stderr = o.Err
	out, err := cmd.StdoutPipe()
	if err != nil {
		end()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	s := &server{cmd: cmd, end: end}
	ready := make(chan string, 1)
	go func() { // ends with the server's standard output
		lines := bufio.NewReader(out)
		first, _ := lines.ReadString('\n')
		ready <- first
		_, _ = io.Copy(io.Discard, lines)
	}()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	line := ""
	select {
	case line = <-ready:
	case <-timeout.C:
	case <-ctx.Done():
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), readyPrefix)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the server did not get ready; it said %q", line), ctx.Err(), s.stop())
	}
	s.url = url
	return s, nil
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	s.end()
	if err := s.cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}

// cpu is the processor time that the server has used.
func (s *server) cpu() (time.Duration, bool) { return processCPU(s.cmd.Process.Pid) }
