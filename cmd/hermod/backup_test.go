package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestABackupOfARunningNodeIsRestored follows docs/operations.md: a copy while events
// arrive, the loss of everything, and a node on the copy.
func TestABackupOfARunningNodeIsRestored(t *testing.T) {
	t.Parallel()
	binary, data, copied := build(t), t.TempDir(), filepath.Join(t.TempDir(), "backup")
	signed := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		signed <- r.Header.Get("X-Hmac-Signature") + r.Header.Get("Webhook-Signature")
	}))
	t.Cleanup(receiver.Close)
	p := start(t, binary, data)
	subscribe(t, p, p.token(), receiver.URL)
	publish := func(p *process, n int) {
		t.Helper()
		for i := range n {
			var accepted json.RawMessage
			body := fmt.Sprintf(`{"sender":"s","eventName":"n","eventData":{"i":%d}}`, i)
			if err := post(p.base+"/events-management/events", p.token(), body, &accepted); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(p, 5)
	if out, err := exec.CommandContext(t.Context(), binary, "backup", "-data", data, "-to", copied).CombinedOutput(); err != nil {
		t.Fatalf("hermod backup: %v\n%s", err, out)
	}
	publish(p, 1) // not in the copy
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"hermod.db": 0o600, "hermod.key": 0o600} {
		if info, err := os.Stat(filepath.Join(copied, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, mode)
		}
	}
	p = start(t, binary, copied)
	if got := p.events(t); got != 5 {
		t.Errorf("the copy has %d events, want 5", got)
	}
	for len(signed) > 0 {
		<-signed
	}
	publish(p, 1)
	select {
	case signature := <-signed:
		if signature == "" {
			t.Error("the restored node pushes without a signature")
		}
	case <-time.After(patience):
		t.Error("the restored node pushes nothing: its secrets cannot be opened")
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// events is how many events the log shows.
func (p *process) events(t *testing.T) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+"/events-management/events?event=s:n", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	var page struct{ Data []json.RawMessage }
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	return len(page.Data)
}

func TestABackupOverwritesNothing(t *testing.T) {
	t.Parallel()
	binary, empty, full := build(t), t.TempDir(), t.TempDir()
	for _, name := range []string{"hermod.db", "hermod.key"} {
		if err := os.WriteFile(filepath.Join(full, name), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[[2]string]string{
		{empty, filepath.Join(empty, "new")}: "there is no node in",
		{full, full}:                         "is not empty",
	} {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, "backup", "-data", args[0], "-to", args[1])
		cmd.Stderr = &out
		if err := cmd.Run(); err == nil || !strings.Contains(out.String(), want) {
			t.Errorf("backup %v: %v, %s, want %q", args, err, &out, want)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("a backup that failed left %v, %v", left, err)
	}
}
