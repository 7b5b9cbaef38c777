// Package provision creates owners and the clients that act for them.
package provision

import (
	"context"
	"fmt"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// A Store keeps owners and credentials.
type Store interface {
	// CreateOwner puts an owner if absent. It fails with CodeConflict.
	CreateOwner(ctx context.Context, o hermod.Owner) error
	// PutCredential writes or replaces a credential.
	PutCredential(ctx context.Context, c *hermod.Credential) error
}

// A Client is an OAuth client and the owners it acts for.
type Client struct {
	ID           string
	Secret       string
	Account      string
	Organization string // "" for none
	Scopes       []string
}

// Local are the clients that a clean machine starts with.
func Local() []Client {
	scopes := []string{hermod.ScopeManage, hermod.ScopePublish}
	return []Client{
		{
			ID: "local", Secret: "local-secret", Scopes: scopes,
			Account: "a-spge-LocalAccount00000001", Organization: "o-p-LocalOrganization001",
		},
		{
			ID: "other", Secret: "other-secret", Scopes: scopes,
			Account: "a-spge-OtherAccount00000002",
		},
	}
}

// A Secret is a credential of another dialect than the native one, for an account that
// exists.
type Secret struct {
	Kind auth.Kind
	// Login is the name that goes with the secret where the kind is auth.TeliaLogin.
	Login   string
	Secret  string
	Account string
	// Tenant is what the dialect calls the account.
	Tenant string
	Scopes []string
}

// LocalSecrets are the credentials of the other dialects that a clean machine starts
// with: for each account of Local the same ones.
func LocalSecrets() []Secret {
	var all []Secret
	for i, c := range Local() {
		guid := []string{"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"}[i]
		signly, telia := []string{hermod.ScopeSignly}, []string{hermod.ScopeTeliaSign}
		all = append(all,
			Secret{Kind: auth.SignlyKey, Secret: "sk_" + c.ID, Account: c.Account, Tenant: guid, Scopes: signly},
			Secret{Kind: auth.SignlyHMAC, Secret: "sk_" + c.ID + "_hmac", Account: c.Account, Tenant: guid, Scopes: signly},
			Secret{Kind: auth.TeliaLogin, Login: c.ID, Secret: c.Secret, Account: c.Account, Tenant: guid, Scopes: telia},
			Secret{Kind: auth.TeliaKey, Secret: c.ID + "-key", Account: c.Account, Tenant: guid, Scopes: telia},
			Secret{
				Kind: auth.UniversignKey, Secret: "apikey_" + c.ID, Account: c.Account, Tenant: "wsp_" + c.ID,
				Scopes: []string{
					hermod.ScopeUniversign, hermod.ScopeUniversignEvents, hermod.ScopeUniversignKeys, hermod.ScopeUniversignOwner,
				},
			})
	}
	return all
}

// ApplyLocal makes what a clean machine starts with.
func ApplyLocal(ctx context.Context, store Store, now time.Time) error {
	for _, c := range Local() {
		if err := Apply(ctx, store, c, now); err != nil {
			return err
		}
	}
	for _, s := range LocalSecrets() {
		if err := ApplySecret(ctx, store, s, now); err != nil {
			return err
		}
	}
	return nil
}

// ApplySecret writes the credential, or replaces it.
func ApplySecret(ctx context.Context, store Store, s Secret, now time.Time) error {
	if err := store.PutCredential(ctx, s.credential(now)); err != nil {
		return fmt.Errorf("writing a credential of kind %s for %s: %w", s.Kind, s.Account, err)
	}
	return nil
}

func (s Secret) credential(now time.Time) *hermod.Credential {
	id := auth.SecretID(s.Kind, s.Secret)
	if s.Kind == auth.TeliaLogin {
		id = auth.LoginID(s.Tenant, s.Login)
	}
	return &hermod.Credential{
		ID: id, SecretHash: auth.HashSecret(s.Secret), Account: s.Account, Tenant: s.Tenant, Scopes: s.Scopes, CreatedAt: now,
	}
}

func (c Client) credential(now time.Time) *hermod.Credential {
	return &hermod.Credential{
		ID: auth.OAuthClient(c.ID), Name: c.ID, SecretHash: auth.HashSecret(c.Secret),
		Account: c.Account, Organization: c.Organization, Scopes: c.Scopes, CreatedAt: now,
	}
}

// Apply creates what does not exist of the client's owners, and writes the client.
func Apply(ctx context.Context, store Store, c Client, now time.Time) error {
	owners := []hermod.Owner{{ID: c.Account, Organization: c.Organization, CreatedAt: now}}
	if c.Organization != "" {
		owners = append(owners, hermod.Owner{ID: c.Organization, CreatedAt: now})
	}
	for _, o := range owners {
		if err := store.CreateOwner(ctx, o); err != nil && hermod.CodeOf(err) != hermod.CodeConflict {
			return fmt.Errorf("creating owner %s: %w", o.ID, err)
		}
	}
	if err := store.PutCredential(ctx, c.credential(now)); err != nil {
		return fmt.Errorf("writing client %s: %w", c.ID, err)
	}
	return nil
}

// A RenewStore can also say what was there.
type RenewStore interface {
	Store
	Reader
}

// Renew is Apply, and answers the client as it was before, nil where it is new: its secret
// has ended. It fails with CodeConflict, and changes nothing, where the client acts for
// another account and is not to be moved from there.
func Renew(ctx context.Context, store RenewStore, c Client, move bool, now time.Time) (former *hermod.Credential, err error) {
	former, err = store.Credential(ctx, auth.OAuthClient(c.ID))
	switch {
	case hermod.CodeOf(err) == hermod.CodeNotFound:
		former = nil
	case err != nil:
		return nil, fmt.Errorf("reading client %s: %w", c.ID, err)
	case former.Account != c.Account && !move:
		return nil, hermod.Errorf(hermod.CodeConflict, "client %s acts for account %s", c.ID, former.Account)
	}
	return former, Apply(ctx, store, c, now)
}
