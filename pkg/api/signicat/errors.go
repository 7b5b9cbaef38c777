package signicat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// docsURL is the `type` of every problem: that API has one page for all of them.
const docsURL = "https://developer.signicat.com/docs/error-codes/"

// A problem is the body of an error: RFC 9457 with that API's members.
type problem struct {
	Type          string         `json:"type"`
	Title         string         `json:"title"`
	Status        int            `json:"status"`
	Detail        string         `json:"detail"`
	Code          string         `json:"code"`
	TraceID       string         `json:"traceId"`
	InvalidParams []invalidParam `json:"invalidParams,omitempty"`
}

type invalidParam struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// answer is how one code is answered.
type answer struct {
	status      int
	code, title string
}

// answers maps every code of the domain, in one table.
var answers = map[hermod.Code]answer{
	hermod.CodeInvalid:            {http.StatusBadRequest, "invalid_request_parameter", "Invalid request parameter"},
	hermod.CodeUnauthorized:       {http.StatusUnauthorized, "invalid_token", "Invalid authentication token."},
	hermod.CodeForbidden:          {http.StatusForbidden, "forbidden", "Forbidden"},
	hermod.CodeNotFound:           {http.StatusNotFound, "not_found", "Not found"},
	hermod.CodeConflict:           {http.StatusConflict, "conflict", "Conflict"},
	hermod.CodePreconditionFailed: {http.StatusPreconditionFailed, "precondition_failed", "Precondition failed"},
	hermod.CodeTooLarge:           {http.StatusRequestEntityTooLarge, "too_large", "Too large"},
	hermod.CodeTooManyRequests:    {http.StatusTooManyRequests, "too_many_requests", "Too many requests"},
	hermod.CodeUnavailable:        {http.StatusServiceUnavailable, "unavailable", "Temporarily unavailable"},
	hermod.CodeInternal:           {http.StatusInternalServerError, "internal_error", "Internal error"},
}

// requestAnswers maps the refusals that only HTTP has a status for.
var requestAnswers = map[int]answer{
	http.StatusMethodNotAllowed:     {http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed"},
	http.StatusUnsupportedMediaType: {http.StatusUnsupportedMediaType, "unsupported_media_type", "Unsupported media type"},
}

// Dialect is how the native API authenticates and says what went wrong.
type Dialect struct {
	Bearer *auth.Bearer
}

// Authenticate resolves the bearer token.
func (d Dialect) Authenticate(r *http.Request) (*hermod.Principal, error) {
	return d.Bearer.Authenticate(r)
}

// WriteError answers with a problem. What is internal stays in the log.
func (d Dialect) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	a, detail, fields := describe(err)
	if len(fields) > maxParams {
		detail = fmt.Sprintf("%s The first %d of %d faults are listed.", detail, maxParams, len(fields))
		fields = fields[:maxParams]
	}
	p := problem{
		Type: docsURL, Title: a.title, Status: a.status, Detail: clip(detail), Code: a.code, TraceID: api.Trace(r.Context()),
	}
	for _, f := range fields {
		p.InvalidParams = append(p.InvalidParams, invalidParam{Name: clip(f.Name), Reason: clip(f.Reason)})
	}
	h := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1") // limits are by the second
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	// The status is sent: an error from here on is the connection's.
	_ = json.NewEncoder(w).Encode(p)
}

// The bounds of a problem. What is wrong with a large request may be as large, and
// its texts may quote it.
const (
	maxParams = 100
	maxText   = 500 // bytes
)

// clip cuts a text that is too long between two characters.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func describe(err error) (a answer, detail string, fields []hermod.FieldError) {
	if e, ok := errors.AsType[*api.RequestError](err); ok {
		if a, ok = requestAnswers[e.Status]; ok {
			return a, e.Message, nil
		}
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if ok {
		a, ok = answers[e.Code]
	}
	switch {
	case !ok || e.Code == hermod.CodeInternal:
		return answers[hermod.CodeInternal], "Something went wrong on our side. The traceId finds it in our log.", nil
	case len(e.Fields) > 0:
		return a, "Your request has failed validation.", e.Fields
	}
	if _, malformed := errors.AsType[ingest.ErrMalformed](err); malformed {
		a.code, a.title = "invalid_json", "Malformed JSON"
	}
	return a, e.Message, nil
}

func statusText(status int) string { return http.StatusText(status) }
