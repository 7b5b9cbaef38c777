package signicat

import (
	"encoding/json"
	"fmt"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
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

// title is how one code is answered, besides its status.
type title struct{ code, text string }

// titles maps every code, in one table.
var titles = map[hermod.Code]title{
	hermod.CodeInvalid:            {"invalid_request_parameter", "Invalid request parameter"},
	hermod.CodeUnauthorized:       {"invalid_token", "Invalid authentication token."},
	hermod.CodeForbidden:          {"forbidden", "Forbidden"},
	hermod.CodeNotFound:           {"not_found", "Not found"},
	hermod.CodeConflict:           {"conflict", "Conflict"},
	hermod.CodePreconditionFailed: {"precondition_failed", "Precondition failed"},
	hermod.CodeTooLarge:           {"too_large", "Too large"},
	hermod.CodeTooManyRequests:    {"too_many_requests", "Too many requests"},
	hermod.CodeUnavailable:        {"unavailable", "Temporarily unavailable"},
	hermod.CodeInternal:           {"internal_error", "Internal error"},
	api.CodeMethodNotAllowed:      {"method_not_allowed", "Method not allowed"},
	api.CodeUnsupportedMediaType:  {"unsupported_media_type", "Unsupported media type"},
	api.CodeURLTooLong:            {"url_too_long", "URL too long"},
	api.CodeHeaderTooLarge:        {"header_too_large", "Header too large"},
	api.CodeLoop:                  {"loop_detected", "Loop detected"},
	api.CodeMalformed:             {"invalid_json", "Malformed JSON"},
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
	failure := api.Describe(err)
	detail, fields := failure.Message, failure.Fields
	switch {
	case failure.Code == hermod.CodeInternal:
		detail = "Something went wrong on our side. The traceId finds it in our log."
	case len(fields) > 0:
		detail = "Your request has failed validation."
	}
	if len(fields) > maxParams {
		detail = fmt.Sprintf("%s The first %d of %d faults are listed.", detail, maxParams, len(fields))
		fields = fields[:maxParams]
	}
	says := titles[failure.Code]
	p := problem{
		Type: docsURL, Title: says.text, Status: failure.Status, Detail: clip(detail), Code: says.code, TraceID: api.Trace(r.Context()),
	}
	for _, f := range fields {
		p.InvalidParams = append(p.InvalidParams, invalidParam{Name: clip(f.Name), Reason: clip(f.Reason)})
	}
	h := w.Header()
	failure.SetHeader(h, `Bearer error="invalid_token"`)
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(failure.Status)
	// The status is sent: an error from here on is the connection's.
	_ = json.NewEncoder(w).Encode(p)
}

// The bounds of a problem.
const (
	maxParams = 100
	maxText   = 500 // bytes
)

func clip(s string) string { return api.Clip(s, maxText) }
