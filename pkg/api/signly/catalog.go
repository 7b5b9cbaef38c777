package signly

import (
	"slices"

	"hermod/pkg/hermod"
)

// TestType is the type of the event that a test sends. It stands in no catalog.
const TestType = "signly.webhook_test"

// names are the types of events that a webhook can ask for, as the vendor's catalog
// has them. Their case counts (inferred). They stand here too, since the catalog
// itself is larger than all the rest of a function.
func names() []string {
	return []string{
		"PROCESS_CREATED", "PROCESS_STARTED", "PROCESS_COMPLETED", "PROCESS_FAILED", "PROCESS_CANCELLED", "PROCESS_EXPIRED",
		"OTP_SENT", "OTP_RESENT", "OTP_VERIFIED", "OTP_FAILED", "OTP_EXPIRED",
		"BIOMETRIC_STARTED", "BIOMETRIC_VERIFIED", "BIOMETRIC_FAILED",
		"LIVENESS_STARTED", "LIVENESS_VERIFIED", "LIVENESS_FAILED",
		"DOCUMENT_VIEWED", "FIELD_SIGNED",
	}
}

func known(name string) bool { return slices.Contains(names(), name) }

// patternOf selects the events of a type by its name here.
func patternOf(name string) hermod.Pattern {
	return hermod.Pattern(string(hermod.Signly) + ":" + name)
}

// nameOf is the inverse of patternOf.
func nameOf(p hermod.Pattern) string {
	_, name, _ := hermod.ParseType(string(p))
	return name
}
