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
	credential := &hermod.Credential{
		ID: auth.OAuthClient(c.ID), Name: c.ID, SecretHash: auth.HashSecret(c.Secret),
		Account: c.Account, Organization: c.Organization, Scopes: c.Scopes, CreatedAt: now,
	}
	if err := store.PutCredential(ctx, credential); err != nil {
		return fmt.Errorf("writing client %s: %w", c.ID, err)
	}
	return nil
}
