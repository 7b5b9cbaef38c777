package universign

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// An Emitter accepts the events that are ours.
type Emitter interface {
	// Emit accepts an event, under a key once.
	Emit(ctx context.Context, e hermod.Event, key string) error
}

// A Renamer changes the names of credentials.
type Renamer interface {
	// RenameCredential changes the name of a credential that is not revoked, and
	// nothing else of it. It fails with CodeNotFound.
	RenameCredential(ctx context.Context, id, name string) error
}

// APIKeys are the API keys of a workspace. Each change of one is told by an event.
type APIKeys struct {
	Registry *auth.Registry
	Renamer  Renamer
	Emitter  Emitter
	Now      func() time.Time
	Log      *slog.Logger
}

// MaxAPIKeys bounds the keys of a workspace (wire facts, 2.1).
const MaxAPIKeys = 5

// TokenPrefix begins the API keys that are made.
const TokenPrefix = "apikey_"

const (
	apiKeysPath = Base + "/api-keys"
	apiKeyPath  = apiKeysPath + "/{keyId}"
)

// Routes are the rows of the API keys.
func (k *APIKeys) Routes() []api.Route {
	admins := func(h api.ScopedHandler) api.Access { return api.Scoped(hermod.ScopeUniversignKeys, h) }
	return []api.Route{
		{Method: http.MethodGet, Path: apiKeysPath, Resource: resource, Access: admins(k.list)},
		{Method: http.MethodPost, Path: apiKeysPath, Resource: resource, Access: admins(k.create)},
		{Method: http.MethodGet, Path: apiKeyPath, Resource: resource, Access: admins(k.read)},
		{Method: http.MethodPost, Path: apiKeyPath, Resource: resource, Access: admins(k.update)},
		{Method: http.MethodPut, Path: apiKeyPath, Resource: resource, Access: admins(k.update)},
		{Method: http.MethodPatch, Path: apiKeyPath, Resource: resource, Access: admins(k.update)},
		{Method: http.MethodDelete, Path: apiKeyPath, Resource: resource, Access: admins(k.remove)},
	}
}

// apiKeyObject is an API key on the wire. The token is there in the answer to a create
// alone. The role is ours, and not in events.
type apiKeyObject struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	CreatedAt wireTime `json:"created_at"`
	Name      string   `json:"name"`
	Role      role     `json:"role,omitempty"`
	Token     string   `json:"token,omitempty"`
}

func apiKeyObjectOf(c *hermod.Credential) apiKeyObject {
	return apiKeyObject{
		Object: "apikey", ID: APIKeyID(c.ID), CreatedAt: wireTime(c.CreatedAt), Name: c.Name, Role: roleOf(c.Scopes),
	}
}

// APIKeyID is the id on the wire of the key with the id of the credential: its hash,
// from which nobody tells the key. "" for a credential of another kind.
func APIKeyID(credential string) string {
	hash, ok := auth.SecretHash(auth.UniversignKey, credential)
	if !ok {
		return ""
	}
	return apiKeyPrefix + hash.Base62()
}

// credentialID is the inverse of APIKeyID.
func credentialID(s string) (string, bool) {
	hash, ok := parseID(apiKeyPrefix, s)
	return auth.HashID(auth.UniversignKey, hash), ok
}

func (k *APIKeys) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	f, err := body{texts: []string{"workspace_id", "name", "role"}}.read(r)
	if err != nil {
		return err
	}
	if err := ownWorkspace(f, p); err != nil {
		return err
	}
	c := hermod.Credential{Account: p.Account, Organization: p.Organization, Tenant: p.Tenant}
	f.Required("name")
	readName(f, &c.Name)
	name := string(usualRole)
	f.Read("role", &name, "a string")
	if c.Scopes = ScopesOf(name); c.Scopes == nil {
		f.Fail("role", "must be owner, admin, integrator or none")
	}
	if err := f.Err(); err != nil {
		return err
	}
	if !holdsAll(p, c.Scopes) {
		return hermod.Errorf(hermod.CodeForbidden, "an API key can give the role that it has, or a lower one")
	}
	made, err := k.Registry.CreateSecret(r.Context(), auth.UniversignKey, TokenPrefix, MaxAPIKeys, c)
	if err != nil {
		return err
	}
	if err := k.tell(r.Context(), p, &made.Credential, "apikey.created"); err != nil {
		k.takeBack(r.Context(), &made.Credential)
		return err
	}
	o := apiKeyObjectOf(&made.Credential)
	o.Token = made.Secret
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, o)
}

// takeBackTime bounds the taking back of a key, which goes on when the request ends.
const takeBackTime = 5 * time.Second

// takeBack ends a key that could not be told of. Nobody was given its token: where it
// cannot be ended either, it is listed until somebody deletes it, and opens nothing.
func (k *APIKeys) takeBack(ctx context.Context, c *hermod.Credential) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	if err := k.Registry.Revoke(ctx, c); err != nil {
		k.Log.LogAttrs(ctx, slog.LevelError, "API key not taken back", slog.String("credential", c.ID), hermod.LogError(err))
	}
}

func errNoKey() error { return hermod.Errorf(hermod.CodeNotFound, "no API key has this id") }

// find reads the key that the path names, a deleted one too. Another
// workspace's does not exist, also where it is the same account's.
func (k *APIKeys) find(r *http.Request, p *hermod.Principal) (*hermod.Credential, error) {
	id, ok := credentialID(r.PathValue("keyId"))
	if !ok {
		return nil, errNoKey()
	}
	c, err := k.Registry.Store.Credential(r.Context(), id)
	if hermod.CodeOf(err) == hermod.CodeNotFound || (err == nil && (c.Account != p.Account || c.Tenant != p.Tenant)) {
		return nil, errNoKey()
	}
	if err != nil {
		return nil, fmt.Errorf("reading an API key: %w", err)
	}
	return c, nil
}

// findLive is find without the deleted ones, for changes where change is set: of a key
// that can do no more than the one that asks, since whoever can do less could otherwise
// lock out its betters.
func (k *APIKeys) findLive(r *http.Request, p *hermod.Principal, change bool) (*hermod.Credential, error) {
	c, err := k.find(r, p)
	switch {
	case err != nil:
		return nil, err
	case !c.RevokedAt.IsZero():
		return nil, errNoKey()
	case change && !holdsAll(p, c.Scopes):
		return nil, hermod.Errorf(hermod.CodeForbidden, "an API key can change those of its own role, or of a lower one")
	}
	return c, nil
}

func (k *APIKeys) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	c, err := k.findLive(r, p, false)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, apiKeyObjectOf(c))
}

// update changes the name. An event that could not be accepted fails the request, and
// is made when it is tried again: a name is told of whether or not it is another.
func (k *APIKeys) update(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	f, err := body{texts: []string{"name"}}.read(r)
	if err != nil {
		return err
	}
	c, err := k.findLive(r, p, true)
	if err != nil {
		return err
	}
	renamed := *c
	f.Required("name")
	readName(f, &renamed.Name)
	if err := f.Err(); err != nil {
		return err
	}
	err = k.Renamer.RenameCredential(r.Context(), c.ID, renamed.Name)
	if hermod.CodeOf(err) == hermod.CodeNotFound {
		return errNoKey() // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("renaming an API key: %w", err)
	}
	if err := k.tell(r.Context(), p, &renamed, "apikey.updated"); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, apiKeyObjectOf(&renamed))
}

// remove ends a key first and tells of it then: a key that has leaked must not live on
// for want of a queue. Where the event could not be accepted the request fails, and
// tried again makes it up, once.
//
// That one key is left that manages keys is read, not locked: two such keys that delete
// each other at the same moment are both gone, and an operator makes the workspace a new
// one (hermod keys). A lock would cost every deletion a row that is there for this alone.
func (k *APIKeys) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	c, err := k.find(r, p)
	if err != nil {
		return err
	}
	if !c.RevokedAt.IsZero() {
		if k.Now().Before(c.RevokedAt.Add(hermod.ClaimRetention)) { // see tell
			if err := k.tell(r.Context(), p, c, "apikey.deleted"); err != nil {
				return err
			}
		}
		return errNoKey()
	}
	if c, err = k.findLive(r, p, true); err != nil {
		return err
	}
	live, err := k.Registry.Live(r.Context(), auth.UniversignKey, p.Account, p.Tenant)
	if err != nil {
		return err
	}
	manages := func(other *hermod.Credential) bool {
		return other.ID != c.ID && slices.Contains(other.Scopes, hermod.ScopeUniversignKeys)
	}
	if !slices.ContainsFunc(live, manages) {
		return hermod.Errorf(hermod.CodeConflict, "this is the last API key that can manage API keys: create another one first")
	}
	if err := k.Registry.Revoke(r.Context(), c); err != nil {
		return err
	}
	if err := k.tell(r.Context(), p, c, "apikey.deleted"); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tell accepts an event of what became of the key. Of its end there is one event,
// however often it is told within hermod.ClaimRetention.
func (k *APIKeys) tell(ctx context.Context, p *hermod.Principal, c *hermod.Credential, name string) error {
	o := apiKeyObjectOf(c)
	o.Role = ""
	e := hermod.Event{
		Timestamp: k.Now().UTC(), Sender: sender, Name: name, Data: raw(o), AccountID: c.Account,
		Context: hermod.Context{APIKeyID: APIKeyID(p.CredentialID), TraceID: api.Trace(ctx)},
	}
	key := ""
	if name == "apikey.deleted" {
		key = name + " " + o.ID
	}
	err := k.Emitter.Emit(ctx, e, key)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("telling of %s: %w", o.ID, err)
	switch hermod.CodeOf(err) {
	case hermod.CodeInternal, hermod.CodeUnavailable, hermod.CodeTooManyRequests:
		return &hermod.Error{
			Code: hermod.CodeUnavailable, Message: "the event of the change could not be accepted; try again", Err: err,
		}
	default: // to try again would not help
		return err
	}
}

// list shows the keys, the newest first.
func (k *APIKeys) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	q := &input.Query{Request: r}
	limit, after := q.Limit(paramLimit, usualPage, maxPage), q.One(paramStartingAfter)
	id, ok := credentialID(after)
	q.Check(paramStartingAfter, ok || after == "", "must be the id of an API key")
	if err := q.Err(); err != nil {
		return err
	}
	all, err := k.Registry.List(r.Context(), p.Account)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c *hermod.Credential) bool { return c.Tenant != p.Tenant })
	position := -1
	if after != "" { // which may have been deleted since
		position = slices.IndexFunc(all, func(c *hermod.Credential) bool { return c.ID == id })
		if position < 0 {
			return hermod.InvalidFields(hermod.FieldError{Name: paramStartingAfter, Reason: "must be the id of an API key"})
		}
	}
	live, rest := liveKeys(all), liveKeys(all[position+1:])
	return writePart(w, rest[:min(limit, len(rest))], len(rest) > limit, len(live), apiKeyObjectOf)
}

// liveKeys are the API keys among credentials that are not deleted.
func liveKeys(all []*hermod.Credential) []*hermod.Credential {
	return slices.DeleteFunc(slices.Clone(all), func(c *hermod.Credential) bool {
		return !c.RevokedAt.IsZero() || auth.KindOf(c.ID) != auth.UniversignKey
	})
}
