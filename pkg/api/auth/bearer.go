package auth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// Bearer resolves access tokens and API keys into principals.
type Bearer struct {
	Keys        *Keys
	Credentials CredentialStore
	// Outside is an issuer whose tokens are believed too; nil for none.
	Outside *Outside
	Now     func() time.Time

	memory memory
}

// Authenticate resolves the bearer token of the request. It fails with
// CodeUnauthorized.
func (b *Bearer) Authenticate(r *http.Request) (*hermod.Principal, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "a bearer token is needed")
	}
	return b.memory.principal(token, b.Now(), func() (*hermod.Principal, time.Time, error) {
		return b.resolve(r.Context(), token)
	})
}

// resolve tells the kinds of tokens apart by what they say of themselves. Each has
// one verifier, with keys of its own: none is tried after another.
func (b *Bearer) resolve(ctx context.Context, token string) (p *hermod.Principal, expires time.Time, err error) {
	if strings.HasPrefix(token, keyPrefix) {
		p, err = b.resolveKey(ctx, token)
		return p, time.Time{}, err
	}
	if b.Outside != nil && issuerOf(token) == b.Outside.issuer {
		return b.Outside.resolve(ctx, token)
	}
	return b.resolveOwn(ctx, token)
}

// issuerOf reads who a token says it is of, which nothing has verified; "" where it
// does not say.
func issuerOf(token string) string {
	var c jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		return ""
	}
	return c.Issuer
}

// errInvalidToken keeps from the caller what is wrong with a token.
func errInvalidToken(err error) error {
	return &hermod.Error{Code: hermod.CodeUnauthorized, Message: "the token is not valid", Err: err}
}

// resolveKey resolves an API key.
func (b *Bearer) resolveKey(ctx context.Context, token string) (*hermod.Principal, error) {
	id, secret, ok := parseAPIKey(token)
	if !ok {
		return nil, errInvalidToken(errors.New("malformed API key"))
	}
	c, err := b.Credentials.Credential(ctx, id)
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return nil, fmt.Errorf("reading an API key: %w", err)
	}
	if !opens(c, secret) {
		return nil, errInvalidToken(errors.New("no such API key"))
	}
	return principalOf(c), nil
}

// resolveOwn verifies a token of this service and looks its client up: what the
// client may do is what it may do now, not what it might when the token was made.
func (b *Bearer) resolveOwn(ctx context.Context, token string) (*hermod.Principal, time.Time, error) {
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
		return nil, time.Time{}, errInvalidToken(err)
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
