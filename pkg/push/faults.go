package push

import (
	"encoding/json"
	"strings"

	"hermod/pkg/hermod"
)

// configurationField is where a subscriber writes the configuration.
const configurationField = "typeConfiguration"

// faults are what is wrong with a configuration, member by member.
type faults []hermod.FieldError

// add complains of a member. Most members are secrets: no reason quotes one.
func (f *faults) add(member, reason string) {
	*f = append(*f, hermod.FieldError{Name: configurationField + "." + member, Reason: reason})
}

// err is CodeInvalid, or nil where nothing is wrong.
func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return hermod.InvalidFields(*f...)
}

// decode reads a configuration. Members that nobody knows are tolerated; reason
// says what form it must have, and the error is CodeInvalid.
func decode(configuration json.RawMessage, into any, reason string) error {
	if err := json.Unmarshal(configuration, into); err != nil {
		return hermod.InvalidFields(hermod.FieldError{Name: configurationField, Reason: reason})
	}
	return nil
}

// unreserved reports whether a character stands in a URL as it is (RFC 3986, section
// 2.3).
func unreserved(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._~-", r)
}
