package signicat

import (
	"net/http"
	"slices"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// wireFact is a fact and the types that tell of it.
type wireFact struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Types       []wireForm `json:"types"`
}

// wireForm is how events of one type tell of a fact.
type wireForm struct {
	Event      string          `json:"event"`
	Conditions []wireCondition `json:"conditions"`
	Constants  []wireConstant  `json:"constants"`
	Members    []wireMember    `json:"members"`
}

type wireCondition struct {
	Path     string `json:"path"`
	Value    string `json:"value"`
	OrAbsent bool   `json:"orAbsent"`
}

type wireConstant struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

type wireMember struct {
	Name     string           `json:"name"`
	Path     string           `json:"path"`
	Format   hermod.ValueKind `json:"format"`
	Required bool             `json:"required"`
}

func wireFactOf(fact hermod.Fact) wireFact {
	w := wireFact{Name: fact.Name, Description: fact.Description}
	for _, form := range fact.Forms {
		shown := wireForm{Event: form.Type, Conditions: []wireCondition{}, Constants: []wireConstant{}, Members: []wireMember{}}
		for _, c := range form.When {
			shown.Conditions = append(shown.Conditions, wireCondition(c))
		}
		for _, c := range form.Constants {
			shown.Constants = append(shown.Constants, wireConstant(c))
		}
		for _, m := range form.Members {
			shown.Members = append(shown.Members, wireMember{Name: m.Name, Path: m.Path, Format: m.Kind, Required: m.Required})
		}
		w.Types = append(w.Types, shown)
	}
	return w
}

// equivalents shows which types mean the same, or what means the same as one type.
func (m *Metadata) equivalents(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if _, err := ownersOf(r, p); err != nil {
		return err
	}
	event := api.Query(r, "type")
	if _, _, ok := hermod.ParseType(event); !ok && event != "" {
		return hermod.InvalidFields(hermod.FieldError{Name: "type", Reason: "must be sender:name"})
	}
	data := []wireFact{}
	for _, fact := range hermod.Facts() {
		tells := func(form hermod.Form) bool { return form.Type == event }
		if event == "" || slices.ContainsFunc(fact.Forms, tells) {
			data = append(data, wireFactOf(fact))
		}
	}
	return api.WriteJSON(w, http.StatusOK, map[string]any{"data": data})
}
