package hermod

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Facts are the types that mean the same. The caller owns the answer.
func Facts() []Fact { return facts() }

// told is how a type tells of its fact.
type told struct {
	fact *Fact
	form *Form
	// others are the other types that tell of the fact, in the order of the table.
	others []equivalent
}

// An equivalent is a type, cut for comparing it with patterns.
type equivalent struct{ typ, sender, name string }

// byType is the table by type. It is made on first use: most processes that link it
// never meet a type that is in it.
var byType = sync.OnceValue(func() map[string]*told {
	table := facts()
	index := map[string]*told{}
	for i := range table {
		fact := &table[i]
		for j := range fact.Forms {
			t := &told{fact: fact, form: &fact.Forms[j]}
			for _, other := range fact.Forms {
				if other.Type != t.form.Type {
					sender, name, _ := strings.Cut(other.Type, ":")
					t.others = append(t.others, equivalent{other.Type, sender, name})
				}
			}
			index[t.form.Type] = t
		}
	}
	return index
})

// Equivalents are the types that mean the same as the type, but for itself, in the
// order of the table; nil for most. Whether an event of the type can be told by one of
// them, its data says: see Translate.
func Equivalents(typ string) []string {
	t := byType()[typ]
	if t == nil {
		return nil
	}
	types := make([]string, len(t.others))
	for i, other := range t.others {
		types[i] = other.typ
	}
	return types
}

// Speaks reports whether the sender's types are the dialect's own. All that is no
// other dialect's is the native one's.
func (d Dialect) Speaks(sender string) bool {
	switch other := Dialect(sender); other {
	case Signly, TeliaSign, Universign:
		return d == other
	default:
		return d.native()
	}
}

// Takes reports whether subscriptions of the dialect can be sent events of the sender
// as they are: the native ones those of every sender, the others their own dialect's.
func (d Dialect) Takes(sender string) bool { return d.native() || d.Speaks(sender) }

func (d Dialect) native() bool { return d == Signicat || d == "" }

// Wants is the type in whose form the event is for the subscription: its own where a
// filter selects that, otherwise the first equivalent of the subscription's dialect
// that a filter selects, if it has events translated. It looks at the event's type
// and data alone; Matches has the rest. A mock names its type itself and is never
// translated.
func (s *Subscription) Wants(e *Event) (typ string, ok bool) {
	if s.selects(e) {
		return e.Type(), true
	}
	if !s.Translate || e.Mock {
		return "", false
	}
	return s.Equivalent(e)
}

// wants reports whether Wants finds a type, and makes none.
func (s *Subscription) wants(e *Event) bool {
	if s.selects(e) {
		return true
	}
	if !s.Translate || e.Mock {
		return false
	}
	_, ok := s.Equivalent(e)
	return ok
}

// selects reports whether a filter selects the event as it is, and the subscription's
// dialect can deliver it so.
func (s *Subscription) selects(e *Event) bool {
	return s.Dialect.Takes(e.Sender) && s.selectsType(e.Sender, e.Name)
}

func (s *Subscription) selectsType(sender, name string) bool {
	selects := func(p Pattern) bool { return p.Matches(sender, name) }
	return len(s.Filters) == 0 || slices.ContainsFunc(s.Filters, selects)
}

// Equivalent is the first type of the subscription's dialect that tells of the same
// fact as the event and that a filter selects, whether or not the subscription has
// events translated.
func (s *Subscription) Equivalent(e *Event) (typ string, ok bool) {
	t := byType()[e.Type()]
	if t == nil {
		return "", false
	}
	for _, other := range t.others {
		if s.Dialect.Speaks(other.sender) && s.selectsType(other.sender, other.name) && t.form.tells(e.Data) {
			return other.typ, true
		}
	}
	return "", false
}

// tells reports whether the data meets the form's conditions.
func (f *Form) tells(data json.RawMessage) bool {
	if len(f.When) == 0 {
		return true
	}
	members, ok := membersOf(data)
	return ok && f.met(members)
}

func (f *Form) met(members map[string]json.RawMessage) bool {
	return !slices.ContainsFunc(f.When, func(c Condition) bool {
		raw, given := members[c.Path]
		if !given {
			return !c.OrAbsent
		}
		text, ok := textOf(raw)
		return !ok || text != c.Value
	})
}

// Translate gives the event in the form of a type that means the same: the same event
// with another sender, name and data; the event itself for its own type. It reports
// false where no fact has both types, where the event does not meet the conditions
// under which its type tells of the fact, and where it lacks a member that the other
// type needs, or has it in another form.
//
// A member is taken from where the event has it under the other type's own name and in
// its form, so that whoever publishes can serve a dialect by adding its members, and
// otherwise from where the event's own type has it by the table. Values go over as they
// are: an id that no system knows would be worse than none. When it happened is the
// event's timestamp where the data does not say.
func Translate(e *Event, to string) (*Event, bool) {
	if to == e.Type() {
		return e, true
	}
	from := byType()[e.Type()]
	if from == nil {
		return nil, false
	}
	i := slices.IndexFunc(from.fact.Forms, func(f Form) bool { return f.Type == to })
	members, ok := membersOf(e.Data)
	if i < 0 || !ok || !from.form.met(members) {
		return nil, false
	}
	data, ok := from.form.write(&from.fact.Forms[i], members, e.Timestamp)
	if !ok {
		return nil, false
	}
	translated := *e
	translated.Sender, translated.Name, _ = strings.Cut(to, ":")
	translated.Data = data
	return &translated, true
}

// write makes data of the form to. Its members stand in the order of the table, so that
// the bytes are the same at every attempt.
func (f *Form) write(to *Form, members map[string]json.RawMessage, timestamp time.Time) (json.RawMessage, bool) {
	var b bytes.Buffer
	written := map[string]bool{}
	put := func(path string, value []byte) {
		b.WriteByte("{,"[min(len(written), 1)])
		b.Write(quote(path))
		b.WriteByte(':')
		b.Write(value)
		written[path] = true
	}
	for _, c := range to.Constants {
		put(c.Path, quote(c.Value))
	}
	for _, m := range to.Members {
		if written[m.Path] { // two of the fact's members may be one of the type's
			continue
		}
		if value, ok := f.find(m, members, timestamp); ok {
			put(m.Path, value)
		} else if m.Required {
			return nil, false
		}
	}
	b.WriteByte('}')
	return b.Bytes(), true
}

// find gives the value for a member of another form.
func (f *Form) find(m Member, members map[string]json.RawMessage, timestamp time.Time) (json.RawMessage, bool) {
	if raw, ok := members[m.Path]; ok && m.Kind.holds(raw) {
		return raw, true
	}
	i := slices.IndexFunc(f.Members, func(own Member) bool { return own.Name == m.Name })
	if i >= 0 {
		if raw, ok := members[f.Members[i].Path]; ok && m.Kind.holds(raw) {
			return raw, true
		}
	}
	if m.Name == memberAt {
		// To the second: that is the form of all the dialects' samples.
		return quote(timestamp.UTC().Format(time.RFC3339)), true
	}
	return nil, false
}

// holds reports whether the value is of the kind.
func (k ValueKind) holds(raw json.RawMessage) bool {
	text, ok := textOf(raw)
	if !ok || text == "" {
		return false
	}
	switch k {
	case KindUUID:
		_, err := ParseGUID(strings.ToLower(text))
		return err == nil
	case KindMoment:
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	case KindTx:
		rest, ok := strings.CutPrefix(text, "tx_")
		return ok && rest != ""
	default:
		return true
	}
}

// membersOf are the members of data that is an object, but for those that are null.
func membersOf(data json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, false
	}
	for path, raw := range members {
		if string(raw) == "null" {
			delete(members, path)
		}
	}
	return members, true
}

func textOf(raw json.RawMessage) (text string, ok bool) {
	return text, len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil
}

// quote is text of the table or a time as JSON: neither has anything to escape.
func quote(text string) []byte { return []byte(`"` + text + `"`) }
