package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
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
	maxIdleOlder   = 128 // of those that speak HTTP/1.1 alone
	idleTimeout    = 90 * time.Second
	pingAfter      = 15 * time.Second
	pingTimeout    = 5 * time.Second
	cachedSessions = 256
)

// userAgent is what a push says it comes from, unless the subscriber says else.
const userAgent = "Hermod/1.0"

// A request is what an exchange sends.
type request struct {
	// method is POST where it is empty.
	method string
	// url is the one to send to. Its host is taken for the Host header also where
	// Options.Endpoints sends the request elsewhere.
	url *url.URL
	// target is the url as far as it is no secret; "" for redact(url).
	target string
	// header is the exchange's own from here on. A name that is no canonical form
	// goes out as it is written, over HTTP/1.1.
	header http.Header
	body   []byte
	// keep is how much of a success's body the answer shall hold, at most
	// maxAnswer bytes. Where it is above 0 the body is the kind's to judge: it may be
	// a token, and Result.Response stays empty.
	keep int
	// older asks for HTTP/1.1: header names keep their case there.
	older bool
}

// An answer is what came of an exchange: a result that the status or the failure
// made, which the kind may refine.
type answer struct {
	deliver.Result
	// header is nil where nothing was answered.
	header http.Header
	// body is the start of a success's body, as far as request.keep asked for it.
	body []byte
	// tls is nil where the answer did not come over TLS.
	tls *tls.ConnectionState
}

// An exchanger makes HTTP exchanges: the target policy and the rules of TLS hold
// for each, none follows a redirect or asks a proxy, and nothing of an answer is
// kept beyond its bounds. Safe for concurrent use.
type exchanger struct {
	now func() time.Time
	// transport speaks HTTP/2 where it is offered, older HTTP/1.1 alone.
	transport, older *http.Transport
	instead          Endpoints
	// buffers hold *[]byte of the part of an answer that may be kept, and the
	// rest of a character that is cut at its end.
	buffers sync.Pool
}

func newExchanger(o Options) *exchanger {
	older := newTransport(o, "http/1.1")
	older.MaxIdleConns, older.MaxIdleConnsPerHost = maxIdleOlder, maxIdleOlder
	return &exchanger{
		now:       o.Now,
		transport: newTransport(o, "h2", "http/1.1"),
		older:     older,
		instead:   o.Endpoints,
		buffers: sync.Pool{New: func() any {
			buffer := make([]byte, hermod.MaxFailedResponseKept+utf8.UTFMax)
			return &buffer
		}},
	}
}

func (x *exchanger) closeIdle() {
	x.transport.CloseIdleConnections()
	x.older.CloseIdleConnections()
}

// newTransport makes a transport that pushes share. Without an http.Client
// around it there is nothing that follows redirects, keeps cookies or reads
// userinfo.
func newTransport(o Options, protocols ...string) *http.Transport {
	dialer := net.Dialer{Timeout: o.Timeout * dialTenths / 10, Resolver: o.Resolver}
	secure := &tlsDialer{
		dialer:  dialer,
		allowed: o.Policy.secure,
		timeout: o.Timeout * handshakeTenths / 10,
		config: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.Roots,
			NextProtos:         protocols,
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

// do sends a request and reads the answer. The status decides: 2xx is success,
// also where the body breaks off after it; but a success must end, or fill what is
// read of it, within the time of ctx: an endpoint that drips holds a worker for all
// that time, and must not pass for a healthy one.
func (x *exchanger) do(ctx context.Context, r request) answer {
	target := r.target
	if target == "" {
		target = redact(r.url)
	}
	transport := x.transport
	if r.older {
		transport = x.older
	}
	got, err := transport.RoundTrip(x.newRequest(ctx, &r))
	if err != nil {
		a := answer{Result: classify(ctx, err)}
		a.Target = target
		return a
	}
	defer func() { _ = got.Body.Close() }() // nothing of it is needed any more
	a := answer{Result: judge(got.StatusCode), header: got.Header, tls: got.TLS}
	a.Target = target
	if a.Class != "" {
		a.RetryAfter = retryAfter(got.Header.Get("Retry-After"), x.now())
	}
	if err := x.read(got, &r, &a); err != nil && ctx.Err() != nil && a.Class == "" {
		late := classify(ctx, ctx.Err())
		a.Class, a.Message = late.Class, late.Message
	}
	return a
}

func (x *exchanger) newRequest(ctx context.Context, r *request) *http.Request {
	method := r.method
	if method == "" {
		method = http.MethodPost
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	if len(r.header["User-Agent"]) == 0 {
		r.header["User-Agent"] = []string{userAgent}
	}
	// A key without values is not sent. It lets the transport repeat a request on
	// a new connection when a kept one turns out to be closed; deliveries are
	// at least once, and the event's id tells a second one.
	if _, there := r.header["Idempotency-Key"]; !there {
		r.header["Idempotency-Key"] = nil
	}
	q := &http.Request{
		Method: method,
		URL:    x.instead.of(r.url),
		Host:   r.url.Host,
		Header: r.header,
		Body:   newBody(r.body),
		GetBody: func() (io.ReadCloser, error) {
			return newBody(r.body), nil
		},
		ContentLength: int64(len(r.body)),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}
	return q.WithContext(ctx)
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
func (x *exchanger) read(got *http.Response, r *request, a *answer) (err error) {
	if got.StatusCode < http.StatusOK {
		return nil // 101: what follows is another protocol's
	}
	if r.keep > 0 && a.Class == "" {
		a.body, err = io.ReadAll(io.LimitReader(got.Body, int64(min(r.keep, maxAnswer))))
		if err == nil {
			_, err = io.CopyN(io.Discard, got.Body, maxAnswer-int64(len(a.body)))
		}
		return err
	}
	buffer := x.buffers.Get().(*[]byte)
	defer x.buffers.Put(buffer)
	n, err := io.ReadFull(got.Body, *buffer)
	if err == nil {
		_, err = io.CopyN(io.Discard, got.Body, maxAnswer-int64(n))
	}
	keep := hermod.MaxFailedResponseKept
	if a.Class == "" {
		keep = hermod.MaxResponseKept
	}
	a.Response = text((*buffer)[:n], keep)
	return err
}

// Endpoints are servers that stand in for hosts, by the host name: what goes to it
// or to a name below it goes to the server instead. For tests.
type Endpoints map[string]*url.URL

// ParseEndpoints reads a comma list of name=URL, such as
// servicebus.windows.net=http://127.0.0.1:8080. An empty text is none.
func ParseEndpoints(list string) (Endpoints, error) {
	var endpoints Endpoints
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, link, _ := strings.Cut(entry, "=")
		u, err := url.Parse(link)
		if err != nil || name == "" || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("reading a list of endpoints: %q is not name=URL", entry)
		}
		if endpoints == nil {
			endpoints = Endpoints{}
		}
		endpoints[strings.ToLower(name)] = u
	}
	return endpoints, nil
}

// of gives where to send what is meant for u.
func (es Endpoints) of(u *url.URL) *url.URL {
	if len(es) == 0 {
		return u
	}
	for name := u.Hostname(); name != ""; _, name, _ = strings.Cut(name, ".") {
		if server, ok := es[name]; ok {
			moved := *u
			moved.Scheme, moved.Host = server.Scheme, server.Host
			return &moved
		}
	}
	return u
}
