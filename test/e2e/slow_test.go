package e2e_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A client that never ends its header holds a connection of the embedded engine for ten
// seconds and no longer. On AWS it holds one of API Gateway's.
func TestASlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	target := startNode(t, io.Discard)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(target.BaseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /events-management/events HTTP/1.1\r\nHost: slow\r\nX-Never: "); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(target.Patience)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after %s the connection is still open", target.Patience)
	}
	if strings.Contains(string(answer), " 200 ") {
		t.Errorf("answered %s", answer)
	}
}
