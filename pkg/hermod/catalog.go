package hermod

import (
	"encoding/json"
	"time"
)

// A Definition is what an account has registered about one event type.
type Definition struct {
	Account string
	// Type is sender:name.
	Type        string
	Description string
	// Internal keeps events of the type from subscriptions that do not include
	// internal ones.
	Internal bool
	// Example is a value of the events' data; nil for none.
	Example json.RawMessage
	// Schema is a JSON Schema (draft 2020-12) of the events' data; nil for none.
	Schema     json.RawMessage
	Validation Validation
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// A Validation says what becomes of an event whose data does not fit the schema of
// its type when it is published.
type Validation string

// The validations. ValidateOff is the default.
const (
	ValidateOff     Validation = "off"
	ValidateWarn    Validation = "warn"    // accepted; the answer and the log say what does not fit
	ValidateEnforce Validation = "enforce" // refused with CodeInvalid
)

// MaxDefinitions bounds the types an account registers, and MaxDefinitionBytes what
// all of them hold together: they are listed in one answer, and an account's are
// read whole when it publishes.
const (
	MaxDefinitions     = 1000
	MaxDefinitionBytes = 2 << 20
)

// Size is what the definition counts towards MaxDefinitionBytes.
func (d *Definition) Size() int {
	return len(d.Type) + len(d.Description) + len(d.Example) + len(d.Schema)
}

// CheckDefinitions fails with CodeConflict where an account may not have so many
// definitions, or so many bytes of them.
func CheckDefinitions(n, size int) error {
	switch {
	case n > MaxDefinitions:
		return Errorf(CodeConflict, "an account may register %d types", MaxDefinitions)
	case size > MaxDefinitionBytes:
		return Errorf(CodeConflict, "the types of an account may have %d bytes together", MaxDefinitionBytes)
	default:
		return nil
	}
}
