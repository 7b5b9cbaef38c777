package universign

import "slices"

// Types are the names of the dialect's types, sorted: those of the published catalog,
// which is too large to be linked for its names alone.
func Types() []string {
	return []string{
		"action.closed",
		"action.manualreminder.sent",
		"action.opened",
		"action.reminder.sent",
		"action.stalled",
		"action.waitingperiod.cancelled",
		"action.waitingperiod.ended",
		"apikey.created",
		"apikey.deleted",
		"apikey.updated",
		"identity-validation.processed",
		"registration.certificate.activated",
		"registration.identity.rejected",
		"registration.identity.verified",
		"registration.lifecycle.completed",
		"registration.lifecycle.expired",
		"registration.lifecycle.rejected",
		"transaction.chat.message.received",
		"transaction.lifecycle.cancelled",
		"transaction.lifecycle.completed",
		"transaction.lifecycle.created",
		"transaction.lifecycle.expired",
		"transaction.lifecycle.paused",
		"transaction.lifecycle.started",
	}
}

// isType reports whether the dialect has a type of the name.
func isType(name string) bool {
	_, found := slices.BinarySearch(Types(), name)
	return found
}
