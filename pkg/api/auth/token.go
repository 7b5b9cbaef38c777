package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// TokenLife is how long an access token is good.
const TokenLife = 600 * time.Second

// tokenType is the type in the header of an access token (RFC 9068, section 2.1).
const tokenType = "at+jwt"

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
	if !opens(c, secret) {
		return "", nil, errInvalidClient()
	}
	if len(asked) == 0 {
		asked = c.Scopes
	}
	if scopes = held(c.Scopes, asked); len(scopes) == 0 {
		return "", nil, hermod.Errorf(hermod.CodeForbidden, "the client holds none of the scopes asked for")
	}
	id, key, err := i.Keys.Signer(ctx)
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
