package hermod

import (
	_ "embed"
	"strings"
)

// A Fact is something that can happen, and the types by which the dialects tell of it.
type Fact struct {
	Name        string
	Description string
	// Forms are the types that tell of the fact, one a sender, the native ones first.
	Forms []Form
}

// A Form is how the events of one type tell of a fact.
type Form struct {
	// Type is sender:name.
	Type string
	// When says which events of the type tell of the fact; all of them where it is
	// empty.
	When []Condition
	// Constants are members that have one value in all of these events.
	Constants []Constant
	Members   []Member
}

// A Condition is the value that a member of the data must have.
type Condition struct {
	Path, Value string
	// OrAbsent takes an event without the member too.
	OrAbsent bool
}

// A Constant is a member of the data and its value.
type Constant struct{ Path, Value string }

// A Member is where the data of a type has something that other types of the same fact
// have as well.
type Member struct {
	// Name is the same in every form of the fact.
	Name string
	// Path is what the type calls it: the name of a member of the data.
	Path string
	Kind ValueKind
	// Required members are those that the type's schema in the catalog asks for.
	Required bool
}

// A ValueKind is what the value of a member looks like.
type ValueKind string

// The kinds of values. All are JSON strings.
const (
	KindText   ValueKind = "text"        // not empty
	KindUUID   ValueKind = "uuid"        // RFC 9562, section 4: 8-4-4-4-12 hex digits
	KindMoment ValueKind = "date-time"   // RFC 3339
	KindTx     ValueKind = "transaction" // the id of a transaction of Universign: tx_ and more
)

// memberAt is the name of the member that says when it happened.
const memberAt = "at"

// factsText is the table. It is text, since the same as a Go literal makes every
// function that accepts events 45 KB larger.
//
//go:embed facts.txt
var factsText string

// facts reads the table, whose form its head describes. That it has that form is
// for its tests to say.
func facts() []Fact {
	var table []Fact
	for line := range strings.Lines(factsText) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			name, description, _ := strings.Cut(strings.TrimSpace(line), ": ")
			table = append(table, Fact{Name: name, Description: description})
		case len(words) == 1:
			fact := &table[len(table)-1]
			fact.Forms = append(fact.Forms, Form{Type: words[0]})
		default:
			forms := table[len(table)-1].Forms
			forms[len(forms)-1].read(words)
		}
	}
	return table
}

// read reads a line of the table about the form: three words at least.
func (f *Form) read(words []string) {
	switch words[0] {
	case "if", "if-given":
		f.When = append(f.When, Condition{Path: words[1], Value: words[2], OrAbsent: words[0] == "if-given"})
	case "=":
		f.Constants = append(f.Constants, Constant{Path: words[1], Value: words[2]})
	default:
		f.Members = append(f.Members, Member{
			Name: words[0], Path: words[1], Kind: ValueKind(words[2]), Required: len(words) > 3 && words[3] == "required",
		})
	}
}
