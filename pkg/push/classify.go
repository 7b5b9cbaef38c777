package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A handshakeError is a TLS handshake that failed.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// judge makes the result of an answer's status.
func judge(status int) deliver.Result {
	r := deliver.Result{StatusCode: status}
	switch {
	case status >= 200 && status < 300:
		return r
	case status >= 300 && status < 400:
		r.Class = deliver.ClassRedirect
	case status == http.StatusGone:
		r.Class, r.Permanent = deliver.ClassGone, hermod.ReasonGone
	case status == http.StatusTooManyRequests:
		r.Class = deliver.ClassThrottled
	case status >= 400 && status < 500:
		r.Class = deliver.ClassClientError
	case status >= 500 && status < 600:
		r.Class = deliver.ClassServerError
	default:
		r.Class = deliver.ClassProtocol
	}
	// The words are Go's and not the answer's, which could say anything.
	r.Message = strings.TrimSpace(fmt.Sprintf("the endpoint answered %d %s", status, http.StatusText(status)))
	if r.Class == deliver.ClassRedirect {
		r.Message += "; redirects are not followed"
	}
	return r
}

// classify makes the result of an exchange without an answer. Its words are
// chosen here, never taken from the error: that may quote addresses inside the
// network, and what a hostile endpoint said. ctx is the push's: where it has ended
// by anything but the push's own time, the caller has given up.
func classify(ctx context.Context, err error) deliver.Result {
	if errors.Is(err, errBlocked) {
		return deliver.Result{
			Class:     deliver.ClassBlockedTarget,
			Message:   "the host resolves to an address that must not be connected to",
			Permanent: hermod.ReasonBlockedTarget,
		}
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errOutOfTime) {
		return failure(deliver.ClassInterrupted, "the attempt was interrupted before the endpoint answered")
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return failure(deliver.ClassDNS, dnsMessage(lookup))
	}
	if handshake, ok := errors.AsType[*handshakeError](err); ok {
		return classifyHandshake(handshake)
	}
	dial, ok := errors.AsType[*net.OpError](err)
	dialing := ok && dial.Op == "dial"
	switch {
	case dialing && timedOut(err):
		return failure(deliver.ClassTimeout, "no connection was made in time")
	case dialing:
		return failure(deliver.ClassConnect, connectMessage(err))
	case timedOut(err):
		return failure(deliver.ClassTimeout, "the endpoint did not answer in time")
	case broken(err):
		return failure(deliver.ClassConnect, "the connection was closed before the endpoint answered")
	default:
		return failure(deliver.ClassProtocol, "the endpoint's answer was not understood as HTTP")
	}
}

func failure(class, message string) deliver.Result {
	return deliver.Result{Class: class, Message: message}
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// broken reports whether a connection that was open has ended.
func broken(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} {
		if errors.Is(err, end) {
			return true
		}
	}
	// net/http does not export this one: the endpoint closed a connection before the
	// request was on its way.
	return strings.Contains(err.Error(), "server closed idle connection")
}

func dnsMessage(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "the host name does not exist"
	case err.IsTimeout:
		return "the host name was not resolved in time"
	default:
		return "the host name could not be resolved"
	}
}

func connectMessage(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	default:
		return "no connection could be made"
	}
}

func classifyHandshake(err *handshakeError) deliver.Result {
	if timedOut(err) {
		return failure(deliver.ClassTimeout, "the TLS handshake did not end in time")
	}
	return failure(deliver.ClassTLS, tlsMessage(err))
}

func tlsMessage(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the endpoint does not speak TLS"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another host name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is not from a trusted authority"
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case ok && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not yet valid"
	case ok:
		return "the certificate is not valid"
	case broken(err):
		return "the connection was closed during the TLS handshake"
	default:
		return "the TLS handshake failed"
	}
}

// unusable makes the result of a subscription without a place. A refused URL is
// final by the design; anything else can be mended while the delivery is still
// being tried.
func unusable(err error) deliver.Result {
	if errors.Is(err, errUnsupported) {
		return failure(deliver.ClassUnsupported, errUnsupported.Error())
	}
	refused, ok := errors.AsType[*hermod.Error](err)
	if !ok || len(refused.Fields) == 0 {
		return failure(deliver.ClassConfiguration, "the subscription's configuration cannot be used")
	}
	field := refused.Fields[0]
	r := failure(deliver.ClassConfiguration, field.Name+" "+field.Reason)
	if field.Name == urlField {
		r.Class, r.Permanent = deliver.ClassBlockedTarget, hermod.ReasonBlockedTarget
	}
	return r
}

// retryAfter reads the header (RFC 9110, section 10.2.3): seconds, or a date. It
// gives 0 to hermod.MaxRetryAfter; 0 where the header says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(hermod.MaxRetryAfter/time.Second) {
			return hermod.MaxRetryAfter // more digits than fit are a long time too
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), hermod.MaxRetryAfter)
}

// text makes valid UTF-8 of what an endpoint sent, at most limit bytes.
func text(b []byte, limit int) string {
	return cut(strings.ToValidUTF8(string(b), string(utf8.RuneError)), limit)
}

// cut shortens valid UTF-8 to at most limit bytes, between two characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
