package telia

import (
	"net/http"
	"slices"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A hook is an event type as this API offers it.
type hook struct {
	// name is in lower case, as types are stored and answered; wire is what deliveries
	// call it.
	name, wire  string
	description string
	// signatory says that its events are about a signatory of a request, and not about
	// the request alone.
	signatory bool
}

// The types that Hermod knows more of than their names.
const (
	completed = "signaturerequestcompleted"
	signed    = "signatorysigned"
	updated   = "signaturerequeststatusupdated"
	expired   = "signaturerequestexpired"
)

// hooks are all there are, in the order in which they are listed. The first two
// descriptions are the contract's, the others our own.
func hooks() []hook {
	return []hook{
		{completed, "SignatureRequestCompleted", "The signature request has been completed.", false},
		{signed, "SignatorySigned", "The signatory signed the request.", true},
		{updated, "SignatureRequestStatusUpdated", "The status of a signature request has changed.", false},
		{expired, "SignatureRequestExpired", "The time to sign the signature request has run out.", false},
	}
}

// hookOf finds a hook by its name in any case.
func hookOf(name string) (hook, bool) {
	all := hooks()
	i := slices.IndexFunc(all, func(h hook) bool { return h.name == strings.ToLower(name) })
	if i < 0 {
		return hook{}, false
	}
	return all[i], true
}

// pattern selects the events of the hook.
func (h hook) pattern() hermod.Pattern {
	return hermod.Pattern(string(hermod.TeliaSign) + ":" + h.name)
}

// A payload is the body of a delivery; with the names of kinds in the place of values,
// its schema.
type payload struct {
	EventType string
	Timestamp string
	EventData eventData
}

// eventData names what an event is about, and nobody in person.
type eventData struct {
	SignatoryID        string `json:"SignatoryId,omitempty"`
	SignatureRequestID string `json:"SignatureRequestId"`
	TenantID           string `json:"TenantId"`
	DepartmentID       string `json:"DepartmentId"`
	CreatorID          string `json:"CreatorId"`
	DocumentID         string `json:"DocumentId,omitempty"`
}

// wireHook is an element of the list of hooks.
type wireHook struct {
	EventType     string  `json:"eventType"`
	Description   string  `json:"description"`
	PayloadSchema payload `json:"payloadSchema"`
}

func (h hook) wireHook() wireHook {
	const guid = "guid"
	schema := payload{EventType: "string", Timestamp: "date", EventData: eventData{
		SignatureRequestID: guid, TenantID: guid, DepartmentID: guid, CreatorID: guid,
	}}
	if h.signatory {
		schema.EventData.SignatoryID = guid
	}
	return wireHook{h.name, h.description, schema}
}

func listHooks(w http.ResponseWriter, _ *http.Request, _ *hermod.Principal) error {
	var list []wireHook
	for _, h := range hooks() {
		list = append(list, h.wireHook())
	}
	return api.WriteJSON(w, http.StatusOK, list)
}
