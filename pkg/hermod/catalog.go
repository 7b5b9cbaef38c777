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

// MaxDefinitions bounds the types an account registers.
const MaxDefinitions = 1000
