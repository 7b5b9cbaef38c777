package push

import (
	"fmt"
	"net/http"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// refine sharpens what a status alone means at a queue or a topic of a cloud, where
// the statuses mean what HTTP says they mean: the subscriber's own code answers a
// webhook, and there a 401 is as likely a mistake that passes.
func (a *answer) refine() {
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		a.refuseCredential()
	case http.StatusNotFound, http.StatusGone:
		a.refuseNotFound()
	case http.StatusRequestEntityTooLarge:
		a.refuseTooLarge()
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		a.throttle()
	}
}

// refuseCredential says that the destination does not take the subscription's
// credential, or does not let it push.
func (a *answer) refuseCredential() {
	a.refuse(deliver.ClassCredential, hermod.ReasonCredential, "the destination refuses the subscription's credential")
}

// refuseNotFound says that there is no such queue, topic or flow.
func (a *answer) refuseNotFound() {
	a.refuse(deliver.ClassNotFound, hermod.ReasonNotFound, "the destination does not exist")
}

// refuseTooLarge says that the destination takes no payload of this size.
func (a *answer) refuseTooLarge() {
	a.refuse(deliver.ClassTooLarge, hermod.ReasonTooLarge, "the event is larger than the destination takes")
}

// throttle says that the destination wants less, or nothing for a while.
func (a *answer) throttle() {
	a.refuse(deliver.ClassThrottled, "", "the destination is busy and asks for a pause")
}

// refuse replaces what the status alone says. A refusal with a reason ends the run.
func (a *answer) refuse(class string, reason hermod.Reason, message string) {
	a.Class, a.Permanent, a.Message = class, reason, message
	if a.StatusCode != 0 {
		a.Message += fmt.Sprintf(" (it answered %d)", a.StatusCode)
	}
}
