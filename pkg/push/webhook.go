package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// The bounds of one exchange.
const (
	// dialTenths and handshakeTenths are the shares of a push's timeout that
	// resolving and connecting may take, and the TLS handshake: 3 s and 5 s of 10 s.
	dialTenths      = 3
	handshakeTenths = 5
	// maxAnswer bounds how much of an answer's body is read. What is left unread
	// costs the connection, not memory.
	maxAnswer = 16 << 10
	// maxAnswerHeader bounds an answer's header.
	maxAnswerHeader = 16 << 10
)

// The bounds of the connections kept open. All of them together stay well below
// the 1,024 files that a Lambda function may have open.
const (
	maxIdle        = 512
	maxIdleOfHost  = 256
	idleTimeout    = 90 * time.Second
	pingAfter      = 15 * time.Second
	pingTimeout    = 5 * time.Second
	cachedSessions = 256
)

// A webhook pushes by HTTP POST.
type webhook struct {
	policy    *Policy
	timeout   time.Duration
	now       func() time.Time
	transport *http.Transport
	endpoints endpoints
	// buffers hold *[]byte of the part of an answer that may be kept, and the
	// rest of a character that is cut at its end.
	buffers sync.Pool
}

func newWebhook(o Options) *webhook {
	return &webhook{
		policy:    o.Policy,
		timeout:   o.Timeout,
		now:       o.Now,
		transport: newTransport(o),
		endpoints: endpoints{kept: map[hermod.Ref]versioned{}},
		buffers: sync.Pool{New: func() any {
			buffer := make([]byte, hermod.MaxFailedResponseKept+utf8.UTFMax)
			return &buffer
		}},
	}
}

// newTransport makes the transport that all pushes share. Without an http.Client
// around it there is nothing that follows redirects, keeps cookies or reads
// userinfo.
func newTransport(o Options) *http.Transport {
	dialer := net.Dialer{Timeout: o.Timeout * dialTenths / 10, Resolver: o.Resolver}
	secure := &tlsDialer{
		dialer:  dialer,
		allowed: o.Policy.secure,
		timeout: o.Timeout * handshakeTenths / 10,
		config: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.Roots,
			NextProtos:         []string{"h2", "http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(cachedSessions),
		},
	}
	return &http.Transport{
		Proxy: nil, // a proxy would be dialled in the target's place, and the check be of the proxy
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return o.Policy.plain.dial(ctx, dialer, network, address)
		},
		DialTLSContext:         secure.dial,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdleOfHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// A tlsDialer opens TLS connections itself, where http.Transport would, so that a
// failed handshake can be told from a failed exchange.
type tlsDialer struct {
	dialer  net.Dialer
	allowed guards
	timeout time.Duration // of the handshake
	config  *tls.Config
}

func (d *tlsDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, err := d.allowed.dial(ctx, d.dialer, network, address)
	if err != nil {
		return nil, err
	}
	config := d.config.Clone()
	config.ServerName = host
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's failure is the one to tell
		return nil, &handshakeError{err}
	}
	return conn, nil
}

func (w *webhook) check(configuration json.RawMessage) error {
	_, err := newEndpoint(configuration, w.policy, w.timeout)
	return err
}

func (w *webhook) closeIdle() { w.transport.CloseIdleConnections() }

// Push posts the payload. The status decides: 2xx is success, also where the
// body breaks off after it; but a success must end, or fill what is read of it,
// within the timeout: an endpoint that drips holds a worker for all that time, and
// must not pass for a healthy one.
func (w *webhook) Push(ctx context.Context, s *hermod.Subscription, p deliver.Payload) deliver.Result {
	e := w.endpoints.get(s)
	if e == nil {
		var err error
		if e, err = newEndpoint(s.Secrets.Configuration, w.policy, w.timeout); err != nil {
			return misconfigured(err)
		}
		w.endpoints.put(s, e)
	}
	within, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()

	answer, err := w.transport.RoundTrip(newRequest(within, e, p))
	if err != nil {
		r := classify(ctx, err)
		r.Target = e.target
		return r
	}
	defer func() { _ = answer.Body.Close() }() // nothing of it is needed any more
	r := judge(answer.StatusCode)
	r.Target = e.target
	if r.Class != "" {
		r.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), w.now())
	}
	if err := w.read(answer, &r); err != nil && within.Err() != nil && r.Class == "" {
		late := classify(ctx, within.Err())
		r.Class, r.Message = late.Class, late.Message
	}
	return r
}

// newRequest makes the POST. The signature and id headers win over the
// subscriber's own.
func newRequest(ctx context.Context, e *endpoint, p deliver.Payload) *http.Request {
	header := make(http.Header, len(e.header)+len(p.Header)+2)
	// A key without values is not sent. It lets the transport repeat a request on
	// a new connection when a kept one turns out to be closed; deliveries are
	// at least once, and webhook-id tells a second one.
	header["Idempotency-Key"] = nil
	for name, values := range e.header {
		header[name] = values
	}
	for name, values := range p.Header {
		header[name] = values
	}
	header["Content-Type"] = []string{p.ContentType}
	r := &http.Request{
		Method: http.MethodPost,
		URL:    e.url,
		Host:   e.url.Host,
		Header: header,
		Body:   newBody(p.Body),
		GetBody: func() (io.ReadCloser, error) {
			return newBody(p.Body), nil
		},
		ContentLength: int64(len(p.Body)),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}
	return r.WithContext(ctx)
}

// newBody gives the one form of reader that net/http sends together with the
// header, in one packet.
func newBody(b []byte) io.ReadCloser {
	if len(b) == 0 {
		return http.NoBody
	}
	return io.NopCloser(bytes.NewReader(b))
}

// read keeps the start of an answer and reads the rest of it, within bounds, so
// that the connection can be used again.
func (w *webhook) read(answer *http.Response, r *deliver.Result) error {
	if answer.StatusCode < http.StatusOK {
		return nil // 101: what follows is another protocol's
	}
	buffer := w.buffers.Get().(*[]byte)
	defer w.buffers.Put(buffer)
	n, err := io.ReadFull(answer.Body, *buffer)
	if err == nil {
		_, err = io.CopyN(io.Discard, answer.Body, maxAnswer-int64(n))
	}
	keep := hermod.MaxFailedResponseKept
	if r.Class == "" {
		keep = hermod.MaxResponseKept
	}
	r.Response = text((*buffer)[:n], keep)
	return err
}
