package auth

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// A Kind is the part of a credential's id before the colon: what the credential is.
type Kind string

// The kinds of credentials that are nothing but a secret: it is presented whole, and
// the credential is found by its hash.
const (
	SignlyKey     Kind = "signly-key"  // X-Auth-Signly of method KEY: the secret alone
	SignlyHMAC    Kind = "signly-hmac" // of method HMAC: also with the word HMAC before it
	UniversignKey Kind = "universign-key"
	// TeliaKey is a key of an API gateway, needed beside the token of a login.
	TeliaKey Kind = "telia-key"
)

// TeliaLogin is the kind of a login that is exchanged for tokens.
const TeliaLogin Kind = "telia-login"

// KindOf is the kind of the credential of the id.
func KindOf(id string) Kind {
	kind, _, _ := strings.Cut(id, ":")
	return Kind(kind)
}

// idBytes is how much of a secret's hash stands in a credential's id. No two secrets
// that Hermod makes share so much, and nobody tells a secret from it.
const idBytes = 16

// SecretID is the id of the credential of the kind that has this secret.
func SecretID(kind Kind, secret string) string {
	return string(kind) + ":" + hex.EncodeToString(HashSecret(secret)[:idBytes])
}

// SecretHash is the part of SecretID after the kind as an id of 128 bits, for dialects
// that show ids in forms of their own. It reports false for the id of another kind.
func SecretHash(kind Kind, id string) (hash hermod.ID, ok bool) {
	text, ok := strings.CutPrefix(id, string(kind)+":")
	if !ok {
		return hash, false
	}
	hash, err := hermod.ParseID(text)
	return hash, err == nil
}

// HashID is the inverse of SecretHash.
func HashID(kind Kind, hash hermod.ID) string { return string(kind) + ":" + hash.String() }

// LoginID is the id of a login of a tenant.
func LoginID(tenant, login string) string {
	return string(TeliaLogin) + ":" + tenant + "/" + login
}

// maxSecret bounds a secret that is presented, in bytes.
const maxSecret = 1024

// Secrets resolves credentials that are nothing but a secret.
type Secrets struct {
	Credentials CredentialStore
	Now         func() time.Time

	memory memory
}

// Resolve is the principal whose credential, of one of the kinds, has the secret. It
// fails with CodeUnauthorized.
func (s *Secrets) Resolve(ctx context.Context, secret string, kinds ...Kind) (*hermod.Principal, error) {
	unknown := hermod.Errorf(hermod.CodeUnauthorized, "the credential is not known")
	if secret == "" || len(secret) > maxSecret {
		return nil, unknown
	}
	for _, kind := range kinds {
		id := SecretID(kind, secret)
		p, err := s.memory.principal(id, s.Now(), func() (*hermod.Principal, time.Time, error) {
			c, err := s.Credentials.Credential(ctx, id)
			if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
				return nil, time.Time{}, fmt.Errorf("reading a credential of kind %s: %w", kind, err)
			}
			if !opens(c, secret) {
				return nil, time.Time{}, unknown
			}
			return principalOf(c), time.Time{}, nil
		})
		if err == nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			return p, err
		}
	}
	return nil, unknown
}

// principalOf is whom a credential stands for.
func principalOf(c *hermod.Credential) *hermod.Principal {
	return &hermod.Principal{
		CredentialID: c.ID, Account: c.Account, Organization: c.Organization, Tenant: c.Tenant, Scopes: c.Scopes,
	}
}
