package telia

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// An apimError is the body of every error: the form of Azure API Management, before
// which that API stands (wire facts, 3.5; for errors that are not the gateway's own it
// is inferred).
type apimError struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
}

// answer is how one code is answered. message stands in the place of the error's own
// where it is not "".
type answer struct {
	status  int
	message string
}

// answers maps every code of the domain, in one table.
var answers = map[hermod.Code]answer{
	hermod.CodeInvalid:            {http.StatusBadRequest, ""},
	hermod.CodeUnauthorized:       {http.StatusUnauthorized, ""},
	hermod.CodeForbidden:          {http.StatusForbidden, ""},
	hermod.CodeNotFound:           {http.StatusNotFound, "Resource not found"},
	hermod.CodeConflict:           {http.StatusConflict, ""},
	hermod.CodePreconditionFailed: {http.StatusPreconditionFailed, ""},
	hermod.CodeTooLarge:           {http.StatusRequestEntityTooLarge, ""},
	hermod.CodeTooManyRequests:    {http.StatusTooManyRequests, ""},
	hermod.CodeUnavailable:        {http.StatusServiceUnavailable, ""},
	hermod.CodeInternal:           {http.StatusInternalServerError, "Internal server error"},
}

// badRequest begins the message of every 400 (wire facts, 3.5); what is wrong follows.
const badRequest = "Bad request. One or more parameters are invalid or missing."

// challenges say what credentials are wanted, as RFC 9110, section 11.6.1, asks of a
// 401: the gateway's and the token.
const challenges = `AzureApiManagementKey realm="hermod", name="` + KeyHeader + `", type="header", Bearer realm="hermod"`

// WriteError answers with {statusCode, message}. What is internal stays in the log.
func (Dialect) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	status, message := describe(err)
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenges)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1") // limits are by the second
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	// The status is sent: an error from here on is the connection's.
	_ = enc.Encode(apimError{status, clip(message)})
}

func describe(err error) (status int, message string) {
	if e, ok := errors.AsType[*api.RequestError](err); ok {
		return e.Status, e.Message
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok {
		e = hermod.Errorf(hermod.CodeInternal, "")
	}
	a, ok := answers[e.Code]
	if !ok {
		a = answers[hermod.CodeInternal]
	}
	switch {
	case a.message != "":
		return a.status, a.message
	case e.Code == hermod.CodeInvalid:
		return a.status, badRequest + " " + faults(e)
	default:
		return a.status, e.Message
	}
}

// faults names every member at fault.
func faults(e *hermod.Error) string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	all := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		all[i] = f.Name + " " + f.Reason
	}
	return strings.Join(all, "; ")
}

// maxMessage bounds a message in bytes: what is wrong with a large request may be as
// large, and its text may quote it.
const maxMessage = 1000

// clip cuts a text that is too long between two characters.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
