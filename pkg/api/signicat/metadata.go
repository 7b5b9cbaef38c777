package signicat

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A DefinitionStore keeps what accounts register about types.
type DefinitionStore interface {
	// Definitions are all of an account's.
	Definitions(ctx context.Context, account string) ([]hermod.Definition, error)
	// Definition is one. It fails with CodeNotFound.
	Definition(ctx context.Context, account, event string) (*hermod.Definition, error)
	// PutDefinition writes or replaces one. It fails with CodeConflict where the
	// account has no room for it.
	PutDefinition(ctx context.Context, d *hermod.Definition) error
	// DeleteDefinition removes one. It fails with CodeNotFound.
	DeleteDefinition(ctx context.Context, account, event string) error
}

// A Catalog is the published types.
type Catalog interface {
	// Definitions are those of this API, or of all that Hermod speaks.
	Definitions(all bool) []hermod.Definition
	// Definition is one of any API.
	Definition(event string) (hermod.Definition, bool)
}

// Metadata is the catalog: the published event types, those an account registered,
// which types mean the same, and the types of subscriptions. What is registered is an account's own, also
// where the request names its organization: nobody changes what another's events
// are checked against.
type Metadata struct {
	Store   DefinitionStore
	Catalog Catalog
	BaseURL api.BaseURL
	// Mint says that subscriptions can start flows of Mint here.
	Mint bool
	// AWSRolePrefix is how the names of roles begin that subscriptions may name; "" where
	// nothing can be sent to AWS.
	AWSRolePrefix string
	Now           func() time.Time
}

// Routes are the rows of the catalog.
func (m *Metadata) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "metadata", Base + "/metadata/events", Base + "/metadata/events/{type}"
	return api.WithAliases([]api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(m.list)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(m.read)},
		{Method: http.MethodPut, Path: one, Resource: resource, Access: manage(m.put)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(m.remove)},
		{Method: http.MethodGet, Path: Base + "/metadata/subscription-types", Resource: resource, Access: manage(m.subscriptionTypes)},
		{Method: http.MethodGet, Path: Base + "/metadata/equivalents", Resource: resource, Access: manage(m.equivalents)},
	}, map[string][]string{list: {Base + "/metadata", Base + "/metadata/event-types"}})
}

// wireType is an event type in the catalog.
type wireType struct {
	Sender      string            `json:"sender"`
	EventName   string            `json:"eventName"`
	Event       string            `json:"event"`
	Description string            `json:"description"`
	Internal    bool              `json:"internal"`
	Example     json.RawMessage   `json:"example"`
	Schema      json.RawMessage   `json:"schema"`
	Validation  hermod.Validation `json:"validation"`
	URL         string            `json:"url"`
}

func wireTypeOf(d *hermod.Definition, base string) wireType {
	sender, name, _ := hermod.ParseType(d.Type)
	return wireType{
		Sender: sender, EventName: name, Event: d.Type, Description: d.Description, Internal: d.Internal,
		Example: d.Example, Schema: d.Schema, Validation: cmp.Or(d.Validation, hermod.ValidateOff),
		URL: base + Base + "/metadata/events/" + d.Type,
	}
}

// accountOf is whose registrations a request is about: the principal's account,
// whichever of its owners is named.
func accountOf(r *http.Request, p *hermod.Principal) (string, error) {
	if _, err := ownersOf(r, p); err != nil {
		return "", err
	}
	return p.Account, nil
}

func (m *Metadata) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	account, err := accountOf(r, p)
	if err != nil {
		return err
	}
	all := false
	if text := api.Query(r, "all"); text != "" {
		if all, err = strconv.ParseBool(text); err != nil {
			return hermod.InvalidFields(hermod.FieldError{Name: "all", Reason: "must be true or false"})
		}
	}
	own, err := m.Store.Definitions(r.Context(), account)
	if err != nil {
		return fmt.Errorf("listing definitions: %w", err)
	}
	// Of two rows of one type the first stays.
	types := slices.Concat(own, m.Catalog.Definitions(all))
	slices.SortStableFunc(types, func(a, b hermod.Definition) int { return strings.Compare(a.Type, b.Type) })
	types = slices.CompactFunc(types, func(a, b hermod.Definition) bool { return a.Type == b.Type })

	sender, base := api.Query(r, "sender"), m.BaseURL.Of(r)
	data := []wireType{}
	for i := range types {
		if row := wireTypeOf(&types[i], base); sender == "" || row.Sender == sender {
			data = append(data, row)
		}
	}
	return api.WriteJSON(w, http.StatusOK, map[string]any{"data": data})
}

func errNoType() error { return hermod.Errorf(hermod.CodeNotFound, "no such event type is registered") }

// errInternalType refuses to open what was hidden: to make a type internal needs no
// scope, to end that does.
func errInternalType() error {
	return hermod.Errorf(hermod.CodeForbidden, "the type is internal: to end that needs the scope %s", hermod.ScopeInternal)
}

// typeOf is the account and the type that a path names. What is no type is not
// registered.
func typeOf(r *http.Request, p *hermod.Principal) (account, event string, err error) {
	if account, err = accountOf(r, p); err != nil {
		return "", "", err
	}
	event = r.PathValue("type")
	if _, _, ok := hermod.ParseType(event); !ok {
		return "", "", errNoType()
	}
	return account, event, nil
}

func (m *Metadata) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	account, event, err := typeOf(r, p)
	if err != nil {
		return err
	}
	d, err := m.Store.Definition(r.Context(), account, event)
	if hermod.CodeOf(err) == hermod.CodeNotFound {
		published, ok := m.Catalog.Definition(event)
		if !ok {
			return errNoType()
		}
		d, err = &published, nil
	}
	if err != nil {
		return fmt.Errorf("reading a definition: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, wireTypeOf(d, m.BaseURL.Of(r)))
}

func (m *Metadata) put(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	account, err := accountOf(r, p)
	if err != nil {
		return err
	}
	event := r.PathValue("type")
	if _, _, ok := hermod.ParseType(event); !ok {
		return hermod.InvalidFields(hermod.FieldError{
			Name: "type", Reason: fmt.Sprintf("must be sender:name, each 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart),
		})
	}
	in, err := readDefinition(r)
	if err != nil {
		return err
	}
	d, _ := m.Catalog.Definition(event)
	hidden := d.Internal
	now := m.Now().UTC()
	d.Account, d.Type, d.CreatedAt, d.UpdatedAt = account, event, now, now
	if err := in.define(&d); err != nil {
		return err
	}
	switch standing, err := m.Store.Definition(r.Context(), account, event); {
	case err == nil:
		d.CreatedAt, hidden = standing.CreatedAt, standing.Internal
	case hermod.CodeOf(err) != hermod.CodeNotFound:
		return fmt.Errorf("reading a definition: %w", err)
	}
	if hidden && !d.Internal && !p.Has(hermod.ScopeInternal) {
		return errInternalType()
	}
	// Whoever may not publish must not stop those who do.
	if d.Validation == hermod.ValidateEnforce && !p.Has(hermod.ScopePublish) {
		return hermod.Errorf(hermod.CodeForbidden, "to have events refused needs the scope %s", hermod.ScopePublish)
	}
	if err := m.Store.PutDefinition(r.Context(), &d); err != nil {
		return fmt.Errorf("registering a type: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, wireTypeOf(&d, m.BaseURL.Of(r)))
}

func (m *Metadata) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	account, event, err := typeOf(r, p)
	if err != nil {
		return err
	}
	standing, err := m.Store.Definition(r.Context(), account, event)
	if err == nil {
		if standing.Internal && !p.Has(hermod.ScopeInternal) {
			return errInternalType()
		}
		err = m.Store.DeleteDefinition(r.Context(), account, event)
	}
	switch {
	case hermod.CodeOf(err) == hermod.CodeNotFound:
		return errNoType()
	case err != nil:
		return fmt.Errorf("removing a definition: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
