package signicat

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// Credentials are the OAuth clients and API keys of an account.
type Credentials struct {
	Registry *auth.Registry
	Cursors  api.Cursors
	BaseURL  api.BaseURL
}

// Routes are the rows of the credentials.
func (c *Credentials) Routes() []api.Route {
	manage := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeManage, h) }
	const resource, list, one = "credentials", Base + "/credentials", Base + "/credentials/{credentialId}"
	return []api.Route{
		{Method: http.MethodGet, Path: list, Resource: resource, Access: manage(c.list)},
		{Method: http.MethodPost, Path: list, Resource: resource, Access: manage(c.create)},
		{Method: http.MethodGet, Path: one, Resource: resource, Access: manage(c.read)},
		{Method: http.MethodDelete, Path: one, Resource: resource, Access: manage(c.revoke)},
	}
}

// The types of credentials on the wire.
const (
	typeClient = "client"
	typeAPIKey = "apiKey"
)

// credentialItem is a credential on the wire. The last two members are there in the
// answer to a create alone.
type credentialItem struct {
	ID             string   `json:"id"`
	Type           string   `json:"type"`
	Name           nullable `json:"name"`
	Scopes         []string `json:"scopes"`
	AccountID      string   `json:"accountId"`
	OrganizationID nullable `json:"organizationId"`
	CreatedAt      wireTime `json:"createdAt"`
	RevokedAt      wireTime `json:"revokedAt"`
	URL            string   `json:"url"`
	ClientID       string   `json:"clientId,omitempty"`
	ClientSecret   string   `json:"clientSecret,omitempty"`
	APIKey         string   `json:"apiKey,omitempty"`
}

func credentialItemOf(c *hermod.Credential, base string) credentialItem {
	item := credentialItem{
		ID: c.ID, Type: typeAPIKey, Name: nullable(c.Name), Scopes: c.Scopes,
		AccountID: c.Account, OrganizationID: nullable(c.Organization),
		CreatedAt: wireTime(c.CreatedAt), RevokedAt: wireTime(c.RevokedAt),
		URL: base + Base + "/credentials/" + url.PathEscape(c.ID),
	}
	if item.Scopes == nil {
		item.Scopes = []string{}
	}
	if clientID, ok := auth.ClientID(c.ID); ok {
		item.Type, item.ClientID = typeClient, clientID
	}
	return item
}

func (c *Credentials) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if _, err := ownersOf(r, p); err != nil {
		return err
	}
	kind, credential, err := readCredential(r, p)
	if err != nil {
		return err
	}
	create := c.Registry.CreateAPIKey
	if kind == typeClient {
		create = c.Registry.CreateClient
	}
	made, err := create(r.Context(), *credential)
	if err != nil {
		return err
	}
	item := credentialItemOf(&made.Credential, c.BaseURL.Of(r))
	if kind == typeClient {
		item.ClientSecret = made.Secret
	} else {
		item.APIKey = made.Secret
	}
	w.Header().Set("Location", item.URL)
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusCreated, item)
}

// readCredential reads the body of a create. Whose the credential is, the principal
// says; it can hold what the principal holds.
func readCredential(r *http.Request, p *hermod.Principal) (kind string, c *hermod.Credential, err error) {
	body, err := readMembers(r, maxSmallBody, "type", "name", "scopes")
	if err != nil {
		return "", nil, err
	}
	f := fieldsOf(body)
	f.Required("type", "name")
	c = &hermod.Credential{Account: p.Account, Organization: p.Organization, Scopes: p.Scopes}
	if f.Read("type", &kind, "a string") && kind != typeClient && kind != typeAPIKey {
		f.Fail("type", "must be client or apiKey")
	}
	if f.Read("name", &c.Name, "a string") {
		if n := utf8.RuneCountInString(c.Name); n < minName || n > maxName {
			f.Fail("name", fmt.Sprintf("must have %d to %d characters", minName, maxName))
		}
	}
	var scopes []string
	if f.Read("scopes", &scopes, "an array of strings") {
		if len(scopes) == 0 {
			f.Fail("scopes", "must not be empty")
		}
		slices.Sort(scopes)
		c.Scopes = slices.Compact(scopes)
	}
	if err := f.err(); err != nil {
		return "", nil, err
	}
	if !holdsAll(p, c) {
		return "", nil, hermod.Errorf(hermod.CodeForbidden, "a credential can hold the scopes that your own holds, and no others")
	}
	return kind, c, nil
}

// holdsAll reports whether the principal holds every scope of the credential.
func holdsAll(p *hermod.Principal, c *hermod.Credential) bool {
	return !slices.ContainsFunc(c.Scopes, func(scope string) bool { return !p.Has(scope) })
}

// find reads the credential that the path names. Another account's does not exist.
func (c *Credentials) find(r *http.Request, p *hermod.Principal) (*hermod.Credential, error) {
	if _, err := ownersOf(r, p); err != nil {
		return nil, err
	}
	errNone := hermod.Errorf(hermod.CodeNotFound, "no credential has this id")
	id := r.PathValue("credentialId")
	if len(id) > maxCredentialID || !utf8.ValidString(id) || !native(id) {
		return nil, errNone
	}
	found, err := c.Registry.Store.Credential(r.Context(), id)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && found.Account != p.Account) {
		return nil, errNone
	}
	if err != nil {
		return nil, fmt.Errorf("reading a credential: %w", err)
	}
	return found, nil
}

// native reports whether the id is of a credential of this API; those of the other
// dialects do not exist here.
func native(id string) bool {
	_, isClient := auth.ClientID(id)
	return isClient || auth.IsAPIKey(id)
}

// maxCredentialID bounds an id in bytes, within what every store takes for a key.
const maxCredentialID = 300

func (c *Credentials) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	found, err := c.find(r, p)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, credentialItemOf(found, c.BaseURL.Of(r)))
}

// revoke ends a credential that can do no more than the principal, as whoever can
// do less could otherwise lock out its betters; or the one that it calls with, which
// may have leaked.
func (c *Credentials) revoke(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	found, err := c.find(r, p)
	if err != nil {
		return err
	}
	if found.ID != p.CredentialID && !holdsAll(p, found) {
		return hermod.Errorf(hermod.CodeForbidden, "a credential is revoked by one that holds all its scopes, or by itself")
	}
	if err := c.Registry.Revoke(r.Context(), found); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// list shows the credentials of the principal's account, the newest first.
func (c *Credentials) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	owner, err := ownerOf(r, p)
	if err != nil {
		return err
	}
	pages, err := readPager(r, c.Cursors, "credentials", p.Account, owner)
	if err != nil {
		return err
	}
	all, err := c.Registry.List(r.Context(), p.Account)
	if err != nil {
		return err
	}
	before := pages.position
	all = slices.DeleteFunc(all, func(c *hermod.Credential) bool {
		return !native(c.ID) || (before != "" && credentialOrder(c) >= before)
	})
	base := c.BaseURL.Of(r)
	show := func(c *hermod.Credential) credentialItem { return credentialItemOf(c, base) }
	return writePage(w, pages, base+Base+"/credentials", all, credentialOrder, show)
}

// credentialOrder sorts as auth.Registry.List does, the other way round.
func credentialOrder(c *hermod.Credential) string {
	return strings.Join([]string{c.CreatedAt.UTC().Format(sortableTime), c.ID}, " ")
}

// sortableTime prints times so that texts sort as they do.
const sortableTime = "2006-01-02T15:04:05.000000000Z"
