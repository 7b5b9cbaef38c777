package auth

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// TokenLife is how long an access token is good.
const TokenLife = 600 * time.Second

// tokenType is the type in the header of an access token (RFC 9068, section 2.1).
const tokenType = "at+jwt"

// A CredentialStore finds credentials.
type CredentialStore interface {
	// Credential finds a credential by its id. It fails with CodeNotFound.
	Credential(ctx context.Context, id string) (*hermod.Credential, error)
}

// OAuthClient is the credential id of an OAuth client.
func OAuthClient(clientID string) string { return "oauth:" + clientID }

// maxClientID bounds a client's id in bytes, within what every store takes for a
// key.
const maxClientID = 256

// HashSecret is what is kept of a secret.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// claims of an access token.
type claims struct {
	jwt.RegisteredClaims
	ClientID string   `json:"client_id"`
	Account  string   `json:"account_id"`
	Scope    []string `json:"scope"`
	Sandbox  bool     `json:"sandbox,omitempty"`
}

// An Issuer issues access tokens to OAuth clients.
type Issuer struct {
	Keys        *Keys
	Credentials CredentialStore
	Now         func() time.Time
	// TokenID makes the id of a token.
	TokenID func() string
}

// errInvalidClient does not say which of id and secret is wrong.
func errInvalidClient() error {
	return hermod.Errorf(hermod.CodeUnauthorized, "unknown client, or wrong secret")
}

// Issue answers an access token for the client, with those of the asked scopes
// that the client holds; all of them where none is asked for. It fails with
// CodeUnauthorized for an unknown client or a wrong secret, and with
// CodeForbidden where no scope is left.
func (i *Issuer) Issue(ctx context.Context, issuer, clientID, secret string, asked []string) (token string, scopes []string, err error) {
	if len(clientID) > maxClientID || !utf8.ValidString(clientID) {
		return "", nil, errInvalidClient()
	}
	c, err := i.Credentials.Credential(ctx, OAuthClient(clientID))
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return "", nil, fmt.Errorf("reading the client: %w", err)
	}
	if c == nil || !c.RevokedAt.IsZero() || subtle.ConstantTimeCompare(c.SecretHash, HashSecret(secret)) != 1 {
		return "", nil, errInvalidClient()
	}
	if len(asked) == 0 {
		asked = c.Scopes
	}
	if scopes = held(c.Scopes, asked); len(scopes) == 0 {
		return "", nil, hermod.Errorf(hermod.CodeForbidden, "the client holds none of the scopes asked for")
	}
	id, key, err := i.Keys.signer(ctx)
	if err != nil {
		return "", nil, err
	}
	now := i.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{issuer + "/resources"}, ID: i.TokenID(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(TokenLife)),
		},
		ClientID: clientID, Account: c.Account, Scope: scopes,
		Sandbox: strings.HasPrefix(c.Account, "a-s"),
	})
	t.Header["typ"] = tokenType
	t.Header["kid"] = id
	if token, err = t.SignedString(key); err != nil {
		return "", nil, fmt.Errorf("signing a token: %w", err)
	}
	return token, scopes, nil
}

// held are those of the scopes asked for that are among the others, each once.
func held(scopes, asked []string) []string {
	var both []string
	for _, scope := range scopes {
		if slices.Contains(asked, scope) && !slices.Contains(both, scope) {
			both = append(both, scope)
		}
	}
	return both
}

// resolvedFresh is how long a resolved credential is kept: a revoked one works
// that much longer.
const resolvedFresh = 60 * time.Second

// maxResolved bounds the credentials kept.
const maxResolved = 10_000

// Bearer resolves access tokens into principals.
type Bearer struct {
	Keys        *Keys
	Credentials CredentialStore
	Now         func() time.Time

	mu       sync.Mutex
	resolved map[[sha256.Size]byte]resolved
}

type resolved struct {
	principal *hermod.Principal
	until     time.Time
}

// Authenticate resolves the bearer token of the request. It fails with
// CodeUnauthorized.
func (b *Bearer) Authenticate(r *http.Request) (*hermod.Principal, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "a bearer token is needed")
	}
	key := sha256.Sum256([]byte(token))
	now := b.Now()
	b.mu.Lock()
	known, ok := b.resolved[key]
	b.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.principal, nil
	}
	principal, expires, err := b.resolve(r.Context(), token)
	if err != nil {
		return nil, err
	}
	until := now.Add(resolvedFresh)
	if expires.Before(until) {
		until = expires
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.resolved == nil || len(b.resolved) >= maxResolved {
		b.resolved = map[[sha256.Size]byte]resolved{}
	}
	b.resolved[key] = resolved{principal, until}
	return principal, nil
}

// resolve verifies a token and looks its client up: what the client may do is
// what it may do now, not what it might when the token was made.
func (b *Bearer) resolve(ctx context.Context, token string) (*hermod.Principal, time.Time, error) {
	var c claims
	var keyErr error
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != tokenType {
			return nil, errors.New("the token is no access token")
		}
		id, _ := t.Header["kid"].(string)
		var key *rsa.PublicKey
		key, keyErr = b.Keys.public(ctx, id)
		return key, keyErr
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(b.Now))
	if keyErr != nil && hermod.CodeOf(keyErr) != hermod.CodeUnauthorized {
		return nil, time.Time{}, keyErr // a fault of ours says nothing about the token
	}
	if err != nil {
		return nil, time.Time{}, &hermod.Error{Code: hermod.CodeUnauthorized, Message: "the token is not valid", Err: err}
	}
	client, err := b.Credentials.Credential(ctx, OAuthClient(c.ClientID))
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return nil, time.Time{}, fmt.Errorf("reading the token's client: %w", err)
	}
	if client == nil || !client.RevokedAt.IsZero() || client.Account != c.Account {
		return nil, time.Time{}, hermod.Errorf(hermod.CodeUnauthorized, "the token's client is no longer known")
	}
	return &hermod.Principal{
		CredentialID: client.ID, Account: client.Account, Organization: client.Organization,
		Scopes: held(client.Scopes, c.Scope),
	}, c.ExpiresAt.Time, nil
}
