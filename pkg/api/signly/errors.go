package signly

import (
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// refused is how one kind of error is answered.
type refused struct {
	status     int
	code, kind string
}

// refusals maps every code of the domain, in one table. Of all of them the vendor's
// page shows precondition_failed alone; the others are inferred.
var refusals = map[hermod.Code]refused{
	hermod.CodeInvalid:            {http.StatusBadRequest, "validation_error", "validation"},
	hermod.CodeUnauthorized:       {http.StatusUnauthorized, "unauthorized", "authentication"},
	hermod.CodeForbidden:          {http.StatusForbidden, "forbidden", "authorization"},
	hermod.CodeNotFound:           {http.StatusNotFound, "not_found", "not_found"},
	hermod.CodeConflict:           {http.StatusConflict, "conflict", "concurrency"},
	hermod.CodePreconditionFailed: {http.StatusPreconditionFailed, "precondition_failed", "concurrency"},
	hermod.CodeTooLarge:           {http.StatusRequestEntityTooLarge, "payload_too_large", "request"},
	hermod.CodeTooManyRequests:    {http.StatusTooManyRequests, "rate_limited", "rate_limit"},
	hermod.CodeUnavailable:        {http.StatusServiceUnavailable, "service_unavailable", "availability"},
	hermod.CodeInternal:           {http.StatusInternalServerError, "internal_error", "internal"},
}

// requestRefusals maps those that only HTTP has a status for.
var requestRefusals = map[int]refused{
	http.StatusMethodNotAllowed:     {http.StatusMethodNotAllowed, "method_not_allowed", "request"},
	http.StatusUnsupportedMediaType: {http.StatusUnsupportedMediaType, "unsupported_media_type", "request"},
}

// The refusals that are narrower than their code in the domain.
var (
	malformed   = refused{http.StatusBadRequest, "invalid_json", "validation"}
	noWebhook   = refused{http.StatusNotFound, "webhook_not_found", "not_found"}
	unreachable = refused{http.StatusUnprocessableEntity, "webhook_unreachable", "connectivity"}
)

// A detailed error says more than one of the domain can.
type detailed struct {
	err *hermod.Error
	// as replaces what the table says of the code; nil keeps it.
	as      *refused
	details any
}

func (d *detailed) Error() string { return d.err.Error() }
func (d *detailed) Unwrap() error { return d.err }

// errNoWebhook says that the caller has no webhook of the id.
func errNoWebhook(id string) error {
	type missing struct {
		WebhookID string `json:"webhookId"`
	}
	return &detailed{hermod.Errorf(hermod.CodeNotFound, "Webhook not found."), &noWebhook, missing{clip(id)}}
}

// errStale says that a webhook has another version than the one expected. That the
// details' expectedVersion is the caller's, and not the webhook's, is inferred from
// the vendor's sample; currentVersion is ours.
func errStale(expected, current int64) error {
	type stale struct {
		Expected int64 `json:"expectedVersion"`
		Current  int64 `json:"currentVersion"`
	}
	return &detailed{hermod.Errorf(hermod.CodePreconditionFailed, "Webhook version mismatch."), nil, stale{expected, current}}
}

// errUnreachable says why a destination could not be reached. Neither text may hold a
// secret.
func errUnreachable(url, reason string) error {
	type unreached struct {
		URL    string `json:"url"`
		Reason string `json:"reason"`
	}
	return &detailed{hermod.Errorf(hermod.CodeInvalid, "The webhook could not be reached."), &unreachable, unreached{url, reason}}
}

// A field is one fault of the input.
type field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// faults are the details of a validation error.
type faults struct {
	Fields []field `json:"fields"`
}

// The bounds of an error. What is wrong with a large request may be as large, and its
// texts may quote it.
const (
	maxFaults = 100
	maxText   = 500 // bytes
)

// none is the details of an error that has nothing to add.
type none struct{}

// describe is what the caller is told of an error. What is internal stays in the log.
func describe(err error) (as refused, message string, details any) {
	if e, ok := errors.AsType[*api.RequestError](err); ok {
		if as, ok = requestRefusals[e.Status]; ok {
			return as, sentence(e.Message), none{}
		}
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if ok {
		as, ok = refusals[e.Code]
	}
	if !ok || e.Code == hermod.CodeInternal {
		return refusals[hermod.CodeInternal], "Something went wrong on our side. The request_id finds it in our log.", none{}
	}
	if d, ok := errors.AsType[*detailed](err); ok {
		if d.as != nil {
			as = *d.as
		}
		return as, e.Message, d.details
	}
	if _, ok := errors.AsType[ingest.ErrMalformed](err); ok {
		return malformed, sentence(e.Message), none{}
	}
	switch {
	case len(e.Fields) > 0:
		message, list := faultsOf(e.Fields)
		return as, message, list
	case e.Code == hermod.CodeInvalid:
		return as, sentence(e.Message), faults{[]field{}}
	default:
		return as, sentence(e.Message), none{}
	}
}

func faultsOf(all []hermod.FieldError) (message string, list faults) {
	message = "The request has failed validation."
	if len(all) > maxFaults {
		message = fmt.Sprintf("%s The first %d of %d faults are listed.", message, maxFaults, len(all))
		all = all[:maxFaults]
	}
	for _, f := range all {
		list.Fields = append(list.Fields, field{clip(f.Name), sentence(f.Reason)})
	}
	return message, list
}

// sentence is a text of the domain as this API writes its messages.
func sentence(text string) string {
	text = clip(text)
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

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

// writeError answers with the envelope of an error.
func writeError(w http.ResponseWriter, r *http.Request, now time.Time, err error) {
	as, message, details := describe(err)
	switch as.status {
	case http.StatusUnauthorized:
		// RFC 9110, section 11.6.1, wants a challenge, and this way of presenting a
		// credential has no name of its own.
		w.Header().Set("WWW-Authenticate", `Signly realm="signly"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1") // limits are by the second
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	// The status is sent: an error from here on is the connection's.
	_ = api.WriteJSON(w, as.status, envelope{
		Status: as.status, Code: as.code, Message: message, Meta: metaOf(r, now), Error: &failure{as.kind, details},
	})
}
