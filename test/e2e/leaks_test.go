package e2e_test

import (
	"bytes"
	"sync"
	"testing"

	"hermod/test/vault"
)

// A logbook keeps all that is written to it.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.buf.Bytes())
}

// wantNoLeaks fails the test where a log shows a secret that the suite has used.
func wantNoLeaks(t *testing.T, secrets *vault.Vault, log []byte) {
	t.Helper()
	leaks := secrets.Leaks(log)
	for _, leak := range leaks[:min(len(leaks), 20)] {
		t.Errorf("the log shows a secret: %.600s", leak)
	}
	lines := bytes.Count(log, []byte("\n"))
	t.Logf("%d lines of the log show none of %d secrets", lines, secrets.Len())
	if lines == 0 && !t.Failed() {
		t.Error("nothing was logged, so nothing was searched")
	}
}
