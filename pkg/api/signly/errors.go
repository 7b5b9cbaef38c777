package signly

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// refused is how one kind of error is answered.
type refused struct{ code, kind string }

// refusals maps every code, in one table. Of all of them the vendor's page shows
// precondition_failed alone; the others are inferred.
var refusals = map[hermod.Code]refused{
	hermod.CodeInvalid:            {"validation_error", "validation"},
	hermod.CodeUnauthorized:       {"unauthorized", "authentication"},
	hermod.CodeForbidden:          {"forbidden", "authorization"},
	hermod.CodeNotFound:           {"not_found", "not_found"},
	hermod.CodeConflict:           {"conflict", "concurrency"},
	hermod.CodePreconditionFailed: {"precondition_failed", "concurrency"},
	hermod.CodeTooLarge:           {"payload_too_large", "request"},
	hermod.CodeTooManyRequests:    {"rate_limited", "rate_limit"},
	hermod.CodeUnavailable:        {"service_unavailable", "availability"},
	hermod.CodeInternal:           {"internal_error", "internal"},
	api.CodeMethodNotAllowed:      {"method_not_allowed", "request"},
	api.CodeUnsupportedMediaType:  {"unsupported_media_type", "request"},
	api.CodeURLTooLong:            {"url_too_long", "request"},
	api.CodeHeaderTooLarge:        {"header_too_large", "request"},
	api.CodeLoop:                  {"loop_detected", "request"},
	api.CodeMalformed:             {"invalid_json", "validation"},
}

// The refusals that are narrower than their code in the domain.
var (
	noWebhook   = refused{"webhook_not_found", "not_found"}
	unreachable = refused{"webhook_unreachable", "connectivity"}
)

// A detailed error says more than one of the domain can.
type detailed struct {
	err *hermod.Error
	// status replaces that of the code; 0 keeps it.
	status int
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
	return &detailed{hermod.Errorf(hermod.CodeNotFound, "Webhook not found."), 0, &noWebhook, missing{clip(id)}}
}

// errStale says that a webhook has another version than the one expected. That the
// details' expectedVersion is the caller's, and not the webhook's, is inferred from
// the vendor's sample, which has no other member.
func errStale(expected int64) error {
	type stale struct {
		Expected int64 `json:"expectedVersion"`
	}
	return &detailed{hermod.Errorf(hermod.CodePreconditionFailed, "Webhook version mismatch."), 0, nil, stale{expected}}
}

// errUnreachable says why a destination could not be reached. Neither text may hold a
// secret.
func errUnreachable(url, reason string) error {
	type unreached struct {
		URL    string `json:"url"`
		Reason string `json:"reason"`
	}
	err := hermod.Errorf(hermod.CodeInvalid, "The webhook could not be reached.")
	return &detailed{err, http.StatusUnprocessableEntity, &unreachable, unreached{url, reason}}
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

// The bounds of an error.
const (
	maxFaults = 100
	maxText   = 500 // bytes
)

// none is the details of an error that has nothing to add.
type none struct{}

// describe is what the caller is told of an error.
func describe(err error) (f api.Failure, as refused, details any) {
	f = api.Describe(err)
	as, details = refusals[f.Code], none{}
	d, ok := errors.AsType[*detailed](err)
	switch {
	case f.Code == hermod.CodeInternal:
		f.Message = "Something went wrong on our side. The request_id finds it in our log."
	case ok:
		f.Status = cmp.Or(d.status, f.Status)
		as, details = *cmp.Or(d.as, &as), d.details
	case len(f.Fields) > 0:
		f.Message, details = faultsOf(f.Fields)
	case f.Code == hermod.CodeInvalid:
		f.Message, details = sentence(f.Message), faults{[]field{}}
	default:
		f.Message = sentence(f.Message)
	}
	return f, as, details
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

func clip(s string) string { return api.Clip(s, maxText) }

// writeError answers with the envelope of an error.
func writeError(w http.ResponseWriter, r *http.Request, now time.Time, err error) {
	f, as, details := describe(err)
	// This way of presenting a credential has no name of its own.
	f.SetHeader(w.Header(), `Signly realm="signly"`)
	// The status is sent: an error from here on is the connection's.
	_ = api.WriteJSON(w, f.Status, envelope{
		Status: f.Status, Code: as.code, Message: f.Message, Meta: metaOf(r, now), Error: &failure{as.kind, details},
	})
}
