package push_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/push"
)

// quick is a timeout for endpoints that never answer. Nothing is expected to be
// done within it.
const quick = 150 * time.Millisecond

func TestFailuresOfTheExchange(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\n"
	tests := map[string]struct {
		url            func(t *testing.T) string
		class, message string
		timeout        time.Duration
		status         int
	}{
		"refused": {
			url:   refused,
			class: "connect", message: "the connection was refused",
		},
		"never answers": {
			url:   func(t *testing.T) string { return rawServer(t, func(net.Conn) {}) },
			class: "timeout", message: "the endpoint did not answer in time", timeout: quick,
		},
		"half a header, then silence": {
			url:   func(t *testing.T) string { return dripping(t, head+"X-A: ", 0) },
			class: "timeout", message: "the endpoint did not answer in time", timeout: quick,
		},
		"a header that drips": {
			url:   func(t *testing.T) string { return dripping(t, head+strings.Repeat("X-A: b\r\n", 50), time.Millisecond) },
			class: "timeout", message: "the endpoint did not answer in time", timeout: quick,
		},
		"a body that drips": {
			url: func(t *testing.T) string {
				return dripping(t, head+"Content-Length: 100000\r\n\r\n"+strings.Repeat("b", 10), time.Millisecond)
			},
			class: "timeout", message: "the endpoint did not answer in time", timeout: quick, status: 200,
		},
		"reads and closes": {
			url:   func(t *testing.T) string { return answering(t, "") },
			class: "connect", message: "the connection was closed before the endpoint answered",
		},
		"closes within the header": {
			url:   func(t *testing.T) string { return answering(t, head+"X-A: b\r\n") },
			class: "connect", message: "the connection was closed before the endpoint answered",
		},
		"resets": {
			url: func(t *testing.T) string {
				return rawServer(t, func(c net.Conn) {
					_, _ = c.Read(make([]byte, 1))
					_ = c.(*net.TCPConn).SetLinger(0)
					_ = c.Close()
				})
			},
			class: "connect", message: "the connection was closed before the endpoint answered",
		},
		"garbage":           {url: answers("\x00\x01\x02 not http s3cret\r\n\r\n"), class: "protocol"},
		"SSH":               {url: answers("SSH-2.0-OpenSSH_9.9\r\n"), class: "protocol"},
		"an empty line":     {url: answers("\r\n\r\n"), class: "protocol"},
		"a bad status":      {url: answers("HTTP/1.1 abc OK\r\n\r\n"), class: "protocol"},
		"a bad length":      {url: answers(head + "Content-Length: -5\r\n\r\n"), class: "protocol"},
		"two lengths":       {url: answers(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), class: "protocol"},
		"a bad encoding":    {url: answers(head + "Transfer-Encoding: gzip\r\n\r\n"), class: "protocol"},
		"a bad header line": {url: answers(head + "no colon\r\n\r\n"), class: "protocol"},
		"HTTP/0.9":          {url: answers("<html>"), class: "protocol"},
		"a huge header":     {url: answers(head + "X-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n"), class: "protocol"},
		"many headers":      {url: answers(head + strings.Repeat("X-A: b\r\n", 20000) + "\r\n"), class: "protocol"},
		"endless 1xx":       {url: answers(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10000)), class: "protocol"},
		"another protocol": {
			url:   answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
			class: "protocol", message: "the endpoint answered 101 Switching Protocols", status: 101,
		},
		"TLS is spoken where http was asked for": {
			url: func(t *testing.T) string {
				from, until := valid()
				server, _ := newTLSServer(t, from, until, nil)
				server.StartTLS()
				return strings.Replace(server.URL, "https", "http", 1)
			},
			class: "http_4xx", message: "the endpoint answered 400 Bad Request", status: 400,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := tt.message
			if message == "" {
				message = "the endpoint's answer was not understood as HTTP"
			}
			url := tt.url(t)
			r := newPushers(t, push.Options{Timeout: tt.timeout}).Push(t.Context(), webhookTo(url+"/?token=s3cret"), payload())
			if r.Class != tt.class || r.Message != message || r.StatusCode != tt.status || r.Permanent != "" || r.Target != url+"/" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// Whether the close or the request comes first is the network's to decide, and
// net/http tells the two apart. To the owner they are one failure.
func TestAnEndpointThatClosesAtOnce(t *testing.T) {
	t.Parallel()
	url := rawServer(t, func(c net.Conn) { _ = c.Close() })
	ps := newPushers(t, push.Options{})
	for range 200 {
		r := ps.Push(t.Context(), webhookTo(url), payload())
		if r.Class != deliver.ClassConnect || r.Message != "the connection was closed before the endpoint answered" {
			t.Fatalf("got %+v", r)
		}
	}
}

func answers(answer string) func(*testing.T) string {
	return func(t *testing.T) string { return answering(t, answer) }
}

// refused is the URL of a port where nobody listens any more.
func refused(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return "http://" + listener.Addr().String()
}

// dripping is a raw server that reads a request and writes start, then a byte a
// pause for ever; with no pause it writes no more.
func dripping(t *testing.T, start string, pause time.Duration) string {
	return rawServer(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		if _, err := io.WriteString(c, start); err != nil || pause == 0 {
			return
		}
		for range time.Tick(pause) {
			if _, err := c.Write([]byte("a")); err != nil {
				return
			}
		}
	})
}

func TestAnEndlessAnswerIsReadToItsBoundAlone(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"until the end of the connection": "HTTP/1.1 200 OK\r\n\r\n",
		"in one huge chunk":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
		"with a huge length":              "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			url := rawServer(t, func(c net.Conn) {
				defer close(closed)
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				_, err := io.WriteString(c, head)
				for block := []byte(strings.Repeat("a", 1024)); err == nil; {
					_, err = c.Write(block)
				}
			})
			r := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(url), payload())
			if !r.Succeeded() || r.Response != strings.Repeat("a", 512) {
				t.Errorf("got %+v", r)
			}
			// The server writes until it finds the connection closed.
			select {
			case <-closed:
			case <-time.After(10 * time.Second):
				t.Error("the connection is still read")
			}
		})
	}
}

func TestASuccessWhoseBodyBreaksOffIsASuccess(t *testing.T) {
	t.Parallel()
	url := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
	r := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(url), payload())
	if want := (deliver.Result{StatusCode: 200, Response: "only this", Target: url}); r != want {
		t.Errorf("got %+v", r)
	}
}

func TestASlowFailureStaysTheFailureItIs(t *testing.T) {
	t.Parallel()
	url := dripping(t, "HTTP/1.1 410 Gone\r\nContent-Length: 100000\r\n\r\n", time.Millisecond)
	r := newPushers(t, push.Options{Timeout: quick}).Push(t.Context(), webhookTo(url), payload())
	if r.Class != deliver.ClassGone || r.Permanent != "gone" {
		t.Errorf("got %+v", r)
	}
}

func TestFailuresOfTLS(t *testing.T) {
	t.Parallel()
	from, until := valid()
	tests := map[string]struct {
		from, until    time.Time
		config         func(*tls.Config)
		host           string
		distrust       bool
		class, message string
	}{
		"an unknown authority": {from: from, until: until, distrust: true, message: "the certificate is not from a trusted authority"},
		"another host name":    {from: from, until: until, host: "localhost", message: "the certificate is for another host name"},
		"expired":              {from: from.Add(-time.Hour), until: from, message: "the certificate has expired or is not yet valid"},
		"not yet valid":        {from: until, until: until.Add(time.Hour), message: "the certificate has expired or is not yet valid"},
		"TLS 1.1 at most": {
			from: from, until: until,
			config:  func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			message: "the TLS handshake failed",
		},
		"a client certificate is wanted": {
			from: from, until: until,
			config:  func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
			message: "the TLS handshake failed",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, roots := newTLSServer(t, tt.from, tt.until, func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") })
			if tt.config != nil {
				tt.config(server.TLS)
			}
			server.StartTLS()
			o := push.Options{Roots: roots}
			if tt.distrust {
				o.Roots = nil
			}
			url := server.URL
			if tt.host != "" {
				url = strings.Replace(url, "127.0.0.1", tt.host, 1)
			}
			r := newPushers(t, o).Push(t.Context(), webhookTo(url), payload())
			if want := (deliver.Result{Class: "tls", Message: tt.message, Target: url}); r != want {
				t.Errorf("got %+v, want %+v", r, want)
			}
		})
	}
}

func TestEndpointsThatDoNotSpeakTLS(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		serve          func(net.Conn)
		class, message string
	}{
		"plain HTTP": {
			serve: func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
			},
			class: "tls", message: "the endpoint does not speak TLS",
		},
		"closes in the handshake": {
			serve: func(c net.Conn) {
				_, _ = c.Read(make([]byte, 2048))
				_ = c.Close()
			},
			class: "tls", message: "the connection was closed during the TLS handshake",
		},
		"silence": {
			serve: func(net.Conn) {},
			class: "timeout", message: "the TLS handshake did not end in time",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := push.Options{}
			if tt.class == deliver.ClassTimeout {
				// The handshake ends well before the push does, also on a busy machine.
				o.Timeout = 20 * quick
			}
			url := strings.Replace(rawServer(t, tt.serve), "http", "https", 1)
			r := newPushers(t, o).Push(t.Context(), webhookTo(url), payload())
			if r.Class != tt.class || r.Message != tt.message {
				t.Errorf("got %+v", r)
			}
		})
	}
}
