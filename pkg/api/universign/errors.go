package universign

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// errorObject is the body of an error. No source shows one: inferred.
type errorObject struct {
	Object  string `json:"object"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	TraceID string `json:"trace_id"`
}

// answer is how one code is answered.
type answer struct {
	status int
	code   string
}

// answers maps every code of the domain, in one table. Only the statuses 401 and 403
// are known (wire facts, 2.1); the others and all codes are inferred.
var answers = map[hermod.Code]answer{
	hermod.CodeInvalid:            {http.StatusBadRequest, "invalid_request"},
	hermod.CodeUnauthorized:       {http.StatusUnauthorized, "unauthorized"},
	hermod.CodeForbidden:          {http.StatusForbidden, "forbidden"},
	hermod.CodeNotFound:           {http.StatusNotFound, "not_found"},
	hermod.CodeConflict:           {http.StatusConflict, "conflict"},
	hermod.CodePreconditionFailed: {http.StatusPreconditionFailed, "precondition_failed"},
	hermod.CodeTooLarge:           {http.StatusRequestEntityTooLarge, "too_large"},
	hermod.CodeTooManyRequests:    {http.StatusTooManyRequests, "too_many_requests"},
	hermod.CodeUnavailable:        {http.StatusServiceUnavailable, "unavailable"},
	hermod.CodeInternal:           {http.StatusInternalServerError, "internal_error"},
}

// requestAnswers maps the refusals that only HTTP has a status for.
var requestAnswers = map[int]answer{
	http.StatusMethodNotAllowed:     {http.StatusMethodNotAllowed, "method_not_allowed"},
	http.StatusUnsupportedMediaType: {http.StatusUnsupportedMediaType, "unsupported_media_type"},
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

// The bounds of an error. What is wrong with a large request may be as large, and its
// texts may quote it.
const (
	maxFaults = 20
	maxText   = 200  // bytes of one text
	maxWhole  = 2000 // bytes of the message
)

// WriteError answers with an error object. What is internal stays in the log.
func (d Dialect) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	a, message := describe(err)
	h := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="API key", charset="UTF-8"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1") // limits are by the second
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	// The status is sent: an error from here on is the connection's.
	_ = json.NewEncoder(w).Encode(errorObject{
		Object: "error", Status: a.status, Code: a.code, Message: clip(message, maxWhole), TraceID: api.Trace(r.Context()),
	})
}

func describe(err error) (a answer, message string) {
	if e, ok := errors.AsType[*api.RequestError](err); ok {
		if a, ok = requestAnswers[e.Status]; ok {
			return a, e.Message
		}
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if ok {
		a, ok = answers[e.Code]
	}
	switch {
	case !ok || e.Code == hermod.CodeInternal:
		return answers[hermod.CodeInternal], "Something went wrong on our side. The trace_id finds it in our log."
	case len(e.Fields) > 0:
		return a, faults(e.Fields)
	}
	if _, malformed := errors.AsType[ingest.ErrMalformed](err); malformed {
		a.code = "invalid_json"
	}
	return a, e.Message
}

// faults names each member that is wrong. The error has one text for all of them.
func faults(fields []hermod.FieldError) string {
	var texts []string
	for _, f := range fields[:min(len(fields), maxFaults)] {
		texts = append(texts, clip(f.Name, maxText)+" "+clip(f.Reason, maxText))
	}
	if more := len(fields) - maxFaults; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// clip cuts a text that is too long between two characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
