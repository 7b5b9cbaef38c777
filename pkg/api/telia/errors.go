package telia

import (
	"net/http"
	"strings"

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

// instead are the messages that stand in the place of the error's own.
var instead = map[hermod.Code]string{
	hermod.CodeNotFound: "Resource not found",
	hermod.CodeInternal: "Internal server error",
}

// badRequest begins the message of every 400 (wire facts, 3.5); what is wrong follows.
const badRequest = "Bad request. One or more parameters are invalid or missing."

// challenges say what credentials are wanted: the gateway's and the token.
const challenges = `AzureApiManagementKey realm="hermod", name="` + KeyHeader + `", type="header", Bearer realm="hermod"`

// WriteError answers with {statusCode, message}. What is internal stays in the log.
func (Dialect) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	failure := api.Describe(err)
	message := failure.Message
	if other := instead[failure.Code]; other != "" {
		message = other
	} else if failure.Status == http.StatusBadRequest {
		message = badRequest + " " + faults(failure)
	}
	failure.SetHeader(w.Header(), challenges)
	// The status is sent: an error from here on is the connection's.
	_ = api.WriteJSON(w, failure.Status, apimError{failure.Status, api.Clip(message, maxMessage)})
}

// faults names every member at fault.
func faults(failure api.Failure) string {
	if len(failure.Fields) == 0 {
		return failure.Message
	}
	all := make([]string, len(failure.Fields))
	for i, f := range failure.Fields {
		all[i] = f.Name + " " + f.Reason
	}
	return strings.Join(all, "; ")
}

// maxMessage bounds a message in bytes.
const maxMessage = 1000
