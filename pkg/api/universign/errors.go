package universign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// errorObject is the body of an error. No source shows one: inferred.
type errorObject struct {
	Object  string `json:"object"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	TraceID string `json:"trace_id"`
}

// codes maps every code, in one table. Of the statuses only 401 and 403 are known (wire
// facts, 2.1); the others and all codes are inferred.
var codes = map[hermod.Code]string{
	hermod.CodeInvalid:            "invalid_request",
	hermod.CodeUnauthorized:       "unauthorized",
	hermod.CodeForbidden:          "forbidden",
	hermod.CodeNotFound:           "not_found",
	hermod.CodeConflict:           "conflict",
	hermod.CodePreconditionFailed: "precondition_failed",
	hermod.CodeTooLarge:           "too_large",
	hermod.CodeTooManyRequests:    "too_many_requests",
	hermod.CodeUnavailable:        "unavailable",
	hermod.CodeInternal:           "internal_error",
	api.CodeMethodNotAllowed:      "method_not_allowed",
	api.CodeUnsupportedMediaType:  "unsupported_media_type",
	api.CodeURLTooLong:            "url_too_long",
	api.CodeHeaderTooLarge:        "header_too_large",
	api.CodeLoop:                  "loop_detected",
	api.CodeMalformed:             "invalid_json",
}

// Dialect is how the API authenticates and says what went wrong.
type Dialect struct {
	Secrets *auth.Secrets
}

// Authenticate resolves the API key: the user of Basic credentials with an empty
// password, or a bearer token.
func (d Dialect) Authenticate(r *http.Request) (*hermod.Principal, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "an API key is needed, as the user of Basic credentials or as a bearer token")
	}
	key := ""
	if scheme, token, _ := strings.Cut(headers[0], " "); strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(token)
	} else if user, password, ok := r.BasicAuth(); ok && password == "" {
		key = user
	}
	p, err := d.Secrets.Resolve(r.Context(), key, auth.UniversignKey)
	if hermod.CodeOf(err) == hermod.CodeUnauthorized {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "the API key is not known")
	}
	return p, err
}

// The bounds of an error.
const (
	maxFaults = 20
	maxText   = 200  // bytes of one text
	maxWhole  = 2000 // bytes of the message
)

// WriteError answers with an error object. What is internal stays in the log.
func (d Dialect) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	failure := api.Describe(err)
	message := failure.Message
	switch {
	case failure.Code == hermod.CodeInternal:
		message = "Something went wrong on our side. The trace_id finds it in our log."
	case len(failure.Fields) > 0:
		message = faults(failure.Fields)
	}
	h := w.Header()
	failure.SetHeader(h, `Basic realm="API key", charset="UTF-8"`)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(failure.Status)
	// The status is sent: an error from here on is the connection's.
	_ = json.NewEncoder(w).Encode(errorObject{
		Object: "error", Status: failure.Status, Code: codes[failure.Code], Message: api.Clip(message, maxWhole), TraceID: api.Trace(r.Context()),
	})
}

// faults names each member that is wrong. The error has one text for all of them.
func faults(fields []hermod.FieldError) string {
	var texts []string
	for _, f := range fields[:min(len(fields), maxFaults)] {
		texts = append(texts, api.Clip(f.Name, maxText)+" "+api.Clip(f.Reason, maxText))
	}
	if more := len(fields) - maxFaults; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
