package api

import (
	"fmt"
	"net/http"
	"strings"

	"hermod/pkg/hermod"
)

// The bounds of a request besides its body. API Gateway passes on 10,240 bytes of
// request line and header values; the other engine takes no more, so that what works
// on one works on both.
const (
	// MaxURLBytes bounds path and query as they are sent. RFC 9110, section 4.1, asks
	// for 8,000 at least.
	MaxURLBytes = 8000
	// MaxHeaderBytes bounds names and values of all header lines together, with the four
	// bytes that each line has besides.
	MaxHeaderBytes = 10 << 10
	// MaxHeaders bounds their number.
	MaxHeaders = 100
	// MaxParameters bounds the parameters of a query.
	MaxParameters = 100
)

// The refusals of requests that are too much before anybody has read their body.
var (
	errURLTooLong = &RequestError{Status: http.StatusRequestURITooLong, Message: fmt.Sprintf("path and query may have %d bytes", MaxURLBytes)}
	errHeader     = &RequestError{
		Status:  http.StatusRequestHeaderFieldsTooLarge,
		Message: fmt.Sprintf("a header may have %d lines and %d bytes", MaxHeaders, MaxHeaderBytes),
	}
	errLoop = &RequestError{Status: http.StatusLoopDetected, Message: "this is a delivery of Hermod's own: it cannot be a request to it"}
)

// bounded refuses a request that is over a bound, or that Hermod made itself.
func bounded(r *http.Request) error {
	if len(r.RequestURI) > MaxURLBytes {
		return errURLTooLong
	}
	lines, bytes := 0, len(r.Host)
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			bytes += len(name) + len(value) + len(": \r\n")
		}
	}
	switch {
	case lines > MaxHeaders || bytes > MaxHeaderBytes:
		return errHeader
	case looped(r):
		return errLoop
	case strings.Count(r.URL.RawQuery, "&") >= MaxParameters:
		return hermod.Errorf(hermod.CodeInvalid, "a query may have %d parameters", MaxParameters)
	default:
		return nil
	}
}

// looped reports whether the request is a delivery: a subscriber who names Hermod as the
// target, with a credential in a header, would make events of events for ever.
func looped(r *http.Request) bool {
	for _, line := range r.Header.Values(hermod.LoopHeader) {
		for id := range strings.SplitSeq(line, ",") {
			id, _, _ = strings.Cut(id, ";")
			if strings.EqualFold(strings.TrimSpace(id), hermod.LoopID) {
				return true
			}
		}
	}
	return false
}
