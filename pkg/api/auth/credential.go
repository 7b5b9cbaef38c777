package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// A CredentialStore finds credentials.
type CredentialStore interface {
	// Credential finds a credential by its id. It fails with CodeNotFound.
	Credential(ctx context.Context, id string) (*hermod.Credential, error)
}

// The kinds of credentials: the part of their ids before the colon.
const (
	oauthPrefix  = "oauth:"
	apiKeyPrefix = "apikey:"
)

// OAuthClient is the credential id of an OAuth client.
func OAuthClient(clientID string) string { return oauthPrefix + clientID }

// APIKey is the credential id of an API key, by its public part.
func APIKey(public string) string { return apiKeyPrefix + public }

// ClientID is the client_id of an OAuth client, by its credential id.
func ClientID(id string) (clientID string, ok bool) { return strings.CutPrefix(id, oauthPrefix) }

// IsAPIKey reports whether the credential of the id is an API key.
func IsAPIKey(id string) bool { return strings.HasPrefix(id, apiKeyPrefix) }

// Scopes are all that a credential can hold.
func Scopes() []string {
	return []string{hermod.ScopeManage, hermod.ScopePublish, hermod.ScopePublishAny, hermod.ScopeInternal, hermod.ScopeGlobal}
}

// maxClientID bounds a client's id in bytes, within what every store takes for a
// key.
const maxClientID = 256

// HashSecret is what is kept of a secret. One round of SHA-256 is enough for the
// secrets that Hermod makes: nobody can try 2^256 of them.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// opens reports whether the secret is the credential's, in the same time whether
// there is such a credential or not.
func opens(c *hermod.Credential, secret string) bool {
	kept := make([]byte, sha256.Size)
	live := c != nil && c.RevokedAt.IsZero() && len(c.SecretHash) == len(kept)
	if live {
		kept = c.SecretHash
	}
	return subtle.ConstantTimeCompare(kept, HashSecret(secret)) == 1 && live
}

// What is random in a credential, in bytes: the public id, which no two may share,
// and the secret, which nobody may guess.
const (
	publicBytes = 10
	secretBytes = 32
)

// keyText writes what is random in lower-case letters and digits: a double click
// selects all of it, and no form, header or shell has a meaning for any of it.
func keyText() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// An API key is keyPrefix, the public id, an underscore and the secret.
const keyPrefix = "hk_"

// parseAPIKey takes an API key apart.
func parseAPIKey(token string) (id, secret string, ok bool) {
	rest, isKey := strings.CutPrefix(token, keyPrefix)
	public, secret, _ := strings.Cut(rest, "_")
	if !isKey || !isKeyText(public, publicBytes) || !isKeyText(secret, secretBytes) {
		return "", "", false
	}
	return APIKey(public), secret, true
}

func isKeyText(s string, size int) bool {
	raw, err := keyText().DecodeString(s)
	return err == nil && len(raw) == size
}

// A CredentialRegistry keeps the credentials of accounts.
type CredentialRegistry interface {
	CredentialStore
	// Credentials are the account's, revoked ones included, in the order of their ids.
	Credentials(ctx context.Context, account string) ([]*hermod.Credential, error)
	// PutCredential writes or replaces a credential.
	PutCredential(ctx context.Context, c *hermod.Credential) error
}

// A Registry makes and ends the credentials of accounts.
type Registry struct {
	Store  CredentialRegistry
	Now    func() time.Time
	Random func([]byte)
}

// MaxCredentials bounds the credentials of an account that are not revoked. Who
// creates several at once may end a few above it.
const MaxCredentials = 100

// A Created credential comes with its secret: what is presented to authenticate. It
// is nowhere else.
type Created struct {
	hermod.Credential
	// Secret is the client_secret of an OAuth client, or the whole API key.
	Secret string
}

// CreateClient makes an OAuth client of c, of which it sets the id and the time. It
// fails with CodeConflict where the account has MaxCredentials.
func (g *Registry) CreateClient(ctx context.Context, c hermod.Credential) (*Created, error) {
	public, secret := g.draw()
	c.ID = OAuthClient(public)
	return g.create(ctx, c, secret, secret)
}

// CreateAPIKey makes an API key, as CreateClient makes a client.
func (g *Registry) CreateAPIKey(ctx context.Context, c hermod.Credential) (*Created, error) {
	public, secret := g.draw()
	c.ID = APIKey(public)
	return g.create(ctx, c, secret, keyPrefix+public+"_"+secret)
}

func (g *Registry) draw() (public, secret string) {
	random := make([]byte, publicBytes+secretBytes)
	g.Random(random)
	return keyText().EncodeToString(random[:publicBytes]), keyText().EncodeToString(random[publicBytes:])
}

// CreateSecret makes a credential that is a secret alone, as Secrets resolves them: the
// prefix and what is random. Of the kind the tenant of c may have so many that are not
// revoked; CodeConflict. As with MaxCredentials, who creates several at once may end a
// few above it.
func (g *Registry) CreateSecret(ctx context.Context, kind Kind, prefix string, most int, c hermod.Credential) (*Created, error) {
	all, err := g.Live(ctx, kind, c.Account, c.Tenant)
	if err != nil {
		return nil, err
	}
	if len(all) >= most {
		return nil, hermod.Errorf(hermod.CodeConflict, "there are %d keys, which is as many as there may be: delete one first", len(all))
	}
	_, random := g.draw()
	secret := prefix + random
	c.ID = SecretID(kind, secret)
	return g.create(ctx, c, secret, secret)
}

// CreateLogin makes a login of the tenant of c, with a password that is made. It fails
// with CodeConflict where the tenant has one of the name that is not revoked.
func (g *Registry) CreateLogin(ctx context.Context, login string, c hermod.Credential) (*Created, error) {
	c.ID = LoginID(c.Tenant, login)
	standing, err := g.Store.Credential(ctx, c.ID)
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return nil, fmt.Errorf("reading a login: %w", err)
	}
	if err == nil && standing.RevokedAt.IsZero() {
		return nil, hermod.Errorf(hermod.CodeConflict, "the tenant has a login %q: revoke it first", login)
	}
	_, password := g.draw()
	return g.create(ctx, c, password, password)
}

// Live are the credentials of the kind of a tenant of the account's that are not
// revoked, the newest first.
func (g *Registry) Live(ctx context.Context, kind Kind, account, tenant string) ([]*hermod.Credential, error) {
	all, err := g.List(ctx, account)
	return slices.DeleteFunc(all, func(c *hermod.Credential) bool {
		return !c.RevokedAt.IsZero() || KindOf(c.ID) != kind || c.Tenant != tenant
	}), err
}

func (g *Registry) create(ctx context.Context, c hermod.Credential, secret, shown string) (*Created, error) {
	all, err := g.Store.Credentials(ctx, c.Account)
	if err != nil {
		return nil, fmt.Errorf("reading the account's credentials: %w", err)
	}
	live := 0
	for _, other := range all {
		if other.RevokedAt.IsZero() {
			live++
		}
	}
	if live >= MaxCredentials {
		return nil, hermod.Errorf(hermod.CodeConflict, "the account has %d credentials: revoke one first", MaxCredentials)
	}
	c.SecretHash, c.CreatedAt = HashSecret(secret), g.Now().UTC()
	if err := g.Store.PutCredential(ctx, &c); err != nil {
		return nil, fmt.Errorf("writing a credential: %w", err)
	}
	return &Created{c, shown}, nil
}

// List gives the account's credentials, the newest first.
func (g *Registry) List(ctx context.Context, account string) ([]*hermod.Credential, error) {
	all, err := g.Store.Credentials(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("reading the account's credentials: %w", err)
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *hermod.Credential) int {
		if order := b.CreatedAt.Compare(a.CreatedAt); order != 0 {
			return order
		}
		return strings.Compare(b.ID, a.ID)
	})
	return all, nil
}

// Revoke ends a credential: it opens nothing and a client gets no more tokens; what
// was resolved from it before ends within a minute. One that was revoked before stays
// as it is.
func (g *Registry) Revoke(ctx context.Context, c *hermod.Credential) error {
	if !c.RevokedAt.IsZero() {
		return nil
	}
	revoked := *c
	revoked.RevokedAt = g.Now().UTC()
	if err := g.Store.PutCredential(ctx, &revoked); err != nil {
		return fmt.Errorf("revoking %s: %w", c.ID, err)
	}
	return nil
}
