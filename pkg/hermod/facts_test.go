package hermod_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
	"hermod/pkg/schema"
)

// A published is a type of the catalog as the table's tests look at it.
type published struct {
	catalog.Type
	required   []string
	properties map[string]struct {
		Type   any    `json:"type"`
		Format string `json:"format"`
	}
	check *schema.Schema
}

func find(t *testing.T, typ string) published {
	t.Helper()
	found, ok := catalog.Find(typ)
	if !ok {
		t.Fatalf("%s is not in the catalog", typ)
	}
	p := published{Type: found}
	var members struct {
		Required   []string `json:"required"`
		Properties any      `json:"properties"`
	}
	members.Properties = &p.properties
	var err error
	if err = json.Unmarshal(found.Schema, &members); err == nil {
		p.required = members.Required
		p.check, err = schema.Compile(found.Schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// valid says what of the data does not fit the type, formats included, which the schema
// itself takes for annotations.
func (p *published) valid(t *testing.T, data []byte) (wrong []string) {
	t.Helper()
	for _, v := range p.check.Check(data) {
		wrong = append(wrong, v.String())
	}
	for path, raw := range object(t, data) {
		text, _ := raw.(string)
		switch p.properties[path].Format {
		case "uuid":
			if _, err := hermod.ParseGUID(strings.ToLower(text)); err != nil {
				wrong = append(wrong, path+" is no UUID")
			}
		case "date-time":
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				wrong = append(wrong, path+" is no date and time")
			}
		}
	}
	return wrong
}

func object(t *testing.T, data []byte) (members map[string]any) {
	t.Helper()
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return members
}

var happened = time.Date(2026, 3, 2, 9, 15, 30, 123456789, time.UTC)

func of(typ string, data []byte) *hermod.Event {
	sender, name, _ := hermod.ParseType(typ)
	return &hermod.Event{
		ID: hermod.ID{1}, Timestamp: happened, Sender: sender, Name: name, Data: data, AccountID: "a", OrganizationID: "o",
		ExpiresAt: happened.Add(time.Hour), Tags: []string{"x"}, Context: hermod.Context{UserID: "u"},
	}
}

func TestEveryFormIsATypeOfTheCatalogAndStandsOnce(t *testing.T) {
	t.Parallel()
	seen, names := map[string]bool{}, map[string]bool{}
	for _, fact := range hermod.Facts() {
		if names[fact.Name] || fact.Name == "" || fact.Description == "" || len(fact.Forms) < 2 {
			t.Errorf("fact %q", fact.Name)
		}
		names[fact.Name] = true
		senders := map[string]bool{}
		for _, form := range fact.Forms {
			sender, _, _ := hermod.ParseType(form.Type)
			if seen[form.Type] || senders[sender] {
				t.Errorf("%s: %s, or its sender, is there twice", fact.Name, form.Type)
			}
			seen[form.Type], senders[sender] = true, true
			t.Run(form.Type, func(t *testing.T) {
				t.Parallel()
				checkForm(t, form)
			})
		}
	}
}

// checkForm holds a form against the schema of its type.
func checkForm(t *testing.T, form hermod.Form) {
	typ := find(t, form.Type)
	written := map[string]bool{}
	for _, c := range form.Constants {
		if _, ok := typ.properties[c.Path]; !ok {
			t.Errorf("no member %s", c.Path)
		}
		written[c.Path] = true
	}
	for _, c := range form.When {
		if _, ok := typ.properties[c.Path]; !ok || !slices.Contains(form.Constants, hermod.Constant{Path: c.Path, Value: c.Value}) {
			t.Errorf("%s is asked for, and not written", c.Path)
		}
	}
	for _, m := range form.Members {
		property, ok := typ.properties[m.Path]
		if !ok || m.Required != slices.Contains(typ.required, m.Path) {
			t.Errorf("member %s: is there %v, required %v", m.Path, ok, m.Required)
		}
		kinds := []hermod.ValueKind{hermod.KindText, hermod.KindUUID, hermod.KindMoment, hermod.KindTx}
		if format := string(m.Kind); !slices.Contains(kinds, m.Kind) || (property.Format != "" && property.Format != format) || fmt.Sprint(property.Type) == "array" {
			t.Errorf("member %s is a %s, the catalog has %s", m.Path, m.Kind, property.Format)
		}
		written[m.Path] = true
	}
	for _, path := range typ.required {
		if !written[path] {
			t.Errorf("%s is required and never written", path)
		}
	}
}

// What a type calls by a name that another type uses too is the same thing in both:
// Translate takes members by the other type's own names.
func TestANameThatTwoFormsShareMeansTheSameInBoth(t *testing.T) {
	t.Parallel()
	for _, fact := range hermod.Facts() {
		for _, a := range fact.Forms {
			for _, b := range fact.Forms {
				for _, m := range a.Members {
					names, others := namesOf(a, m.Path), namesOf(b, m.Path)
					shared := func(name string) bool { return slices.Contains(others, name) }
					if len(others) > 0 && !slices.ContainsFunc(names, shared) {
						t.Errorf("%s: %s is %v for %s and %v for %s", fact.Name, m.Path, names, a.Type, others, b.Type)
					}
				}
			}
		}
	}
}

// namesOf are what the form has at the path.
func namesOf(form hermod.Form, path string) (names []string) {
	for _, m := range form.Members {
		if m.Path == path {
			names = append(names, m.Name)
		}
	}
	return names
}

// fitting is the catalog's example of a type whose members also serve another type, by
// that type's own names.
func fitting(t *testing.T, from published, to hermod.Form) []byte {
	t.Helper()
	members := object(t, from.Example)
	for _, m := range to.Members {
		if _, given := members[m.Path]; given && m.Kind != hermod.KindUUID {
			continue
		}
		switch m.Kind {
		case hermod.KindUUID:
			members[m.Path] = "9B1D6c0e-52f7-4c0a-9d6e-0f6a4b1f7a01"
		case hermod.KindTx:
			members[m.Path] = "tx_1"
		case hermod.KindMoment:
		default:
			members[m.Path] = "some text"
		}
	}
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The pairs whose examples in the catalog can be translated as they stand: the others
// lack what the other type needs, or have ids of another form.
var asTheyStand = []string{
	"universign:transaction.lifecycle.started signature-api:order.created",
	"signly:PROCESS_CREATED signature-api:order.created",
	"universign:transaction.lifecycle.completed signature-api:order.completed",
	"telia-sign:signaturerequestcompleted signature-api:order.completed",
	"signly:PROCESS_COMPLETED signature-api:order.completed",
	"signly:PROCESS_COMPLETED telia-sign:signaturerequestcompleted",
	"universign:transaction.lifecycle.cancelled signature-api:order.canceled",
	"signly:PROCESS_CANCELLED signature-api:order.canceled",
	"universign:transaction.lifecycle.expired signature-api:order.expired",
	"telia-sign:signaturerequestexpired signature-api:order.expired",
	"signly:PROCESS_EXPIRED signature-api:order.expired",
	"signly:PROCESS_EXPIRED telia-sign:signaturerequestexpired",
	"signature-api:session.started signature:signing-session.started",
	"signly:PROCESS_STARTED signature-api:session.started",
	"signly:PROCESS_STARTED signature:signing-session.started",
	"signature-api:session.document.presented signature:signing-session.document.presented",
	"signly:DOCUMENT_VIEWED signature-api:session.document.presented",
	"signly:DOCUMENT_VIEWED signature:signing-session.document.presented",
	"universign:action.closed signature-api:recipient.completed",
	"telia-sign:signatorysigned signature-api:recipient.completed",
	"universign:action.stalled signature:signing-session.rejected",
	"assure-api:process.complete universign:identity-validation.processed",
}

func TestATranslatedEventFitsTheSchemaOfItsNewType(t *testing.T) {
	t.Parallel()
	var stand []string
	for _, fact := range hermod.Facts() {
		for _, from := range fact.Forms {
			for _, to := range fact.Forms {
				if from.Type == to.Type {
					continue
				}
				pair := from.Type + " " + to.Type
				source, target := find(t, from.Type), find(t, to.Type)
				if e, ok := hermod.Translate(of(from.Type, source.Example), to.Type); ok {
					stand = append(stand, pair)
					if wrong := target.valid(t, e.Data); wrong != nil {
						t.Errorf("%s: %s: %v", pair, e.Data, wrong)
					}
				}
				e, ok := hermod.Translate(of(from.Type, fitting(t, source, to)), to.Type)
				if !ok {
					t.Errorf("%s: not translated with all that it needs", pair)
					continue
				}
				if wrong := target.valid(t, e.Data); wrong != nil {
					t.Errorf("%s, with all that it needs: %s: %v", pair, e.Data, wrong)
				}
			}
		}
	}
	slices.Sort(stand)
	want := slices.Sorted(slices.Values(asTheyStand))
	if !slices.Equal(stand, want) {
		t.Errorf("translated as they stand:\n%s\nwant:\n%s", strings.Join(stand, "\n"), strings.Join(want, "\n"))
	}
}
