package api

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// The codes of refusals that the domain has none for: those of HTTP alone, and that of
// a body that is no JSON at all, which for the domain is one way of being invalid.
const (
	CodeMethodNotAllowed     hermod.Code = "method_not_allowed"
	CodeUnsupportedMediaType hermod.Code = "unsupported_media_type"
	CodeURLTooLong           hermod.Code = "url_too_long"
	CodeHeaderTooLarge       hermod.Code = "header_too_large"
	CodeLoop                 hermod.Code = "loop_detected"
	CodeMalformed            hermod.Code = "malformed"
)

// statuses maps every code of the domain.
var statuses = map[hermod.Code]int{
	hermod.CodeInvalid:            http.StatusBadRequest,
	hermod.CodeUnauthorized:       http.StatusUnauthorized,
	hermod.CodeForbidden:          http.StatusForbidden,
	hermod.CodeNotFound:           http.StatusNotFound,
	hermod.CodeConflict:           http.StatusConflict,
	hermod.CodePreconditionFailed: http.StatusPreconditionFailed,
	hermod.CodeTooLarge:           http.StatusRequestEntityTooLarge,
	hermod.CodeTooManyRequests:    http.StatusTooManyRequests,
	hermod.CodeUnavailable:        http.StatusServiceUnavailable,
	hermod.CodeInternal:           http.StatusInternalServerError,
}

// requestCodes are the codes of the statuses of RequestError.
var requestCodes = map[int]hermod.Code{
	http.StatusMethodNotAllowed:            CodeMethodNotAllowed,
	http.StatusUnsupportedMediaType:        CodeUnsupportedMediaType,
	http.StatusRequestURITooLong:           CodeURLTooLong,
	http.StatusRequestHeaderFieldsTooLarge: CodeHeaderTooLarge,
	http.StatusLoopDetected:                CodeLoop,
}

// A Failure is what a caller is told of an error, in whatever form a dialect has.
type Failure struct {
	Status int
	// Code is one of the domain's or one of those above.
	Code hermod.Code
	// Message is "" and Fields are none for CodeInternal, which stays in the log.
	Message string
	Fields  []hermod.FieldError
	// RetryAfter is how long the caller had better wait; 0 for what the status says.
	RetryAfter time.Duration
}

// Describe says what a caller is told of an error. What is neither of the domain nor of
// HTTP is internal, and so is a code that nobody knows.
func Describe(err error) Failure {
	if e, ok := errors.AsType[*RequestError](err); ok && requestCodes[e.Status] != "" {
		return Failure{Status: e.Status, Code: requestCodes[e.Status], Message: e.Message}
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || statuses[e.Code] == 0 || e.Code == hermod.CodeInternal {
		return Failure{Status: http.StatusInternalServerError, Code: hermod.CodeInternal}
	}
	f := Failure{Status: statuses[e.Code], Code: e.Code, Message: e.Message, Fields: e.Fields, RetryAfter: e.RetryAfter}
	if _, ok := errors.AsType[ingest.ErrMalformed](err); ok && len(f.Fields) == 0 {
		f.Code = CodeMalformed
	}
	return f
}

// SetHeader sets what goes with the status: the challenge of a 401, as RFC 9110, section
// 11.6.1, wants one, and when to come back.
func (f Failure) SetHeader(h http.Header, challenge string) {
	switch f.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", retryAfter(cmp.Or(f.RetryAfter, time.Second)))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter(cmp.Or(f.RetryAfter, 5*time.Second)))
	}
}

// retryAfter is a wait in whole seconds (RFC 9110, section 10.2.3), none too short.
func retryAfter(wait time.Duration) string {
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}

// Clip cuts a text of more than limit bytes between two characters. What is wrong with a
// large request may be as large, and what is said of it may quote it.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
