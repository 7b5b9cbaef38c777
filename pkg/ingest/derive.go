package ingest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"hermod/pkg/hermod"
)

// The types that have units, and the member of Signly's events that names their
// process.
const (
	typeActionClosed         = "action.closed"
	typeTransactionCompleted = "transaction.lifecycle.completed"
	memberProcess            = "processId"
)

// maxLevel is the highest level of a signature at Universign.
const maxLevel = 4

// derive sets what events are found and counted by, from their type and their data.
// It is the one place that does. What does not fit has none: whether data fits its
// type is for schemas to say. Events of other senders cost two comparisons.
func derive(e *hermod.Event) {
	e.Subject, e.Units = "", nil
	switch hermod.Dialect(e.Sender) {
	case hermod.Signly:
		e.Subject = subjectOf(e.Data)
	case hermod.Universign:
		if !e.Mock { // a sample uses nothing up
			e.Units = unitsOf(e.Name, e.Data)
		}
	}
}

// subjectOf is the process that an event of Signly is about, "" for none.
func subjectOf(data []byte) string {
	process, _ := text(dataMembers(data, memberProcess)[memberProcess])
	if len(process) > hermod.MaxSubject {
		return ""
	}
	return process
}

// unitsOf are the units of an event of Universign, whose data is the object that its
// API returned: one of the action that was closed, at its required level, or one of
// each seal that was applied to a completed transaction.
func unitsOf(name string, data []byte) []hermod.Unit {
	switch name {
	case typeActionClosed:
		members := dataMembers(data, "type", "required_level")
		kind, _ := text(members["type"])
		level, ok := levelOf(members["required_level"])
		metered := kind == hermod.UnitSignature || kind == hermod.UnitVisa || kind == hermod.UnitReview
		if ok && metered {
			return []hermod.Unit{{Kind: kind, Level: level, N: 1}}
		}
	case typeTransactionCompleted:
		var seals []json.RawMessage
		sealers, ok := dataMembers(data, "sealers")["sealers"]
		if ok && json.Unmarshal(sealers, &seals) == nil && len(seals) > 0 {
			return []hermod.Unit{{Kind: hermod.UnitSeal, N: len(seals)}}
		}
	}
	return nil
}

// levelOf reads a required level: an integer or a text levelN, 0 to maxLevel. None
// is required where the member is absent or null, which is level 0 (inferred).
func levelOf(raw json.RawMessage) (level int, ok bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, true
	}
	if s, isText := text(raw); isText {
		digits, named := strings.CutPrefix(s, "level")
		if !named || len(digits) != 1 {
			return 0, false
		}
		raw = json.RawMessage(digits)
	}
	// Any spelling of an integer is one: 2, 2.0 and 2e0 (JSON Schema, "integer").
	number, err := strconv.ParseFloat(string(raw), 64)
	level = int(number)
	return level, err == nil && number == float64(level) && level >= 0 && level <= maxLevel
}

// dataMembers are the named members of data that is an object; none of other data,
// and none where one of them stands twice, since nobody can tell which one counts.
func dataMembers(data []byte, names ...string) map[string]json.RawMessage {
	if !isObject(data) {
		return nil
	}
	members, twice := split(data, names)
	if twice != "" {
		return nil
	}
	return members
}

// text reads a JSON string, and reports false for any other value.
func text(raw json.RawMessage) (s string, ok bool) {
	if !bytes.HasPrefix(raw, []byte(`"`)) {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}
