package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// OutsideOptions name an issuer of access tokens beside Hermod's own.
type OutsideOptions struct {
	// Issuer is the exact `iss` of its tokens.
	Issuer string
	// JWKS is the URL of its keys: https, or http to this machine.
	JWKS string
	// Audience must be in the `aud` of its tokens.
	Audience string
	Now      func() time.Time
	// Log takes the faults that older keys make up for; nil is slog.Default.
	Log *slog.Logger
}

// An Outside verifies the tokens of an outside issuer and resolves them into
// principals. It is safe for concurrent use.
type Outside struct {
	issuer, audience string
	jwks             *jwksClient
	now              func() time.Time
	ring             ring[verificationKey]
}

// outsideKept is how old the keys of an outside issuer may become while they cannot
// be read.
const outsideKept = time.Hour

// outsideLeeway is how far the clock of an outside issuer may be off.
const outsideLeeway = 5 * time.Second

// NewOutside makes an Outside; nil where nothing is set. It fails where only some
// are, and for a URL that keys must not come from.
func NewOutside(o OutsideOptions) (*Outside, error) {
	if o.Issuer == "" && o.JWKS == "" && o.Audience == "" {
		return nil, nil
	}
	if o.Issuer == "" || o.JWKS == "" || o.Audience == "" {
		return nil, errors.New("an outside issuer needs its issuer, its key set's URL and the audience, all three")
	}
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname()))) {
		return nil, fmt.Errorf("key set URL %q: want https, or http to this machine", o.JWKS)
	}
	log := cmp.Or(o.Log, slog.Default())
	return &Outside{issuer: o.Issuer, audience: o.Audience, jwks: newJWKSClient(u.String(), log), now: o.Now}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// outsideClaims are the claims of an outside issuer that mean something here. It is
// the issuer that vouches for them.
type outsideClaims struct {
	jwt.RegisteredClaims
	Account      string    `json:"account_id"`
	Organization string    `json:"organization_id"`
	Scope        scopeList `json:"scope"`
	ClientID     string    `json:"client_id"`
	Authorized   string    `json:"azp"`
}

// A scopeList is an array of scopes, or a text with spaces between them (RFC 8693,
// section 4.2).
type scopeList []string

func (l *scopeList) UnmarshalJSON(raw []byte) error {
	if list := []string(nil); json.Unmarshal(raw, &list) == nil {
		*l = list
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return errors.New("scope is neither an array of strings nor a string")
	}
	*l = strings.Fields(text)
	return nil
}

// resolve verifies a token that says it is of the issuer.
func (o *Outside) resolve(ctx context.Context, token string) (*hermod.Principal, time.Time, error) {
	var c outsideClaims
	var keyErr error
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if !isAccessToken(t.Header["typ"]) {
			return nil, errors.New("the token is no access token")
		}
		id, _ := t.Header["kid"].(string)
		var key any
		key, keyErr = o.public(ctx, id, t.Method.Alg())
		return key, keyErr
	}, jwt.WithValidMethods(algorithms()), jwt.WithExpirationRequired(), jwt.WithTimeFunc(o.now), jwt.WithLeeway(outsideLeeway),
		jwt.WithIssuer(o.issuer), jwt.WithAudience(o.audience))
	if keyErr != nil && hermod.CodeOf(keyErr) != hermod.CodeUnauthorized {
		return nil, time.Time{}, keyErr // a fault of theirs says nothing about the token
	}
	if err != nil {
		return nil, time.Time{}, errInvalidToken(err)
	}
	p, err := c.principal()
	if err != nil {
		return nil, time.Time{}, errInvalidToken(err)
	}
	return p, c.ExpiresAt.Time, nil
}

// isAccessToken takes the types at+jwt and JWT, written with or without
// "application/" and in any case (RFC 7515, section 4.1.9).
func isAccessToken(typ any) bool {
	text, _ := typ.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return text == tokenType || text == "jwt"
}

// outsideClient begins the credential ids of outside issuers' clients: none is that
// of a client or a key of Hermod's.
const outsideClient = "outside:"

func (c *outsideClaims) principal() (*hermod.Principal, error) {
	client := cmp.Or(c.ClientID, c.Authorized, c.Subject)
	switch {
	case !isOwnerID(c.Account):
		return nil, errors.New("account_id is no id of an account")
	case c.Organization != "" && !isOwnerID(c.Organization):
		return nil, errors.New("organization_id is no id of an organization")
	case client == "" || len(client) > maxClientID:
		return nil, errors.New("neither client_id nor azp nor sub names a client")
	}
	return &hermod.Principal{
		CredentialID: outsideClient + client, Account: c.Account, Organization: c.Organization, Scopes: held(Scopes(), c.Scope),
	}, nil
}

// maxOwnerID bounds the id of an owner in bytes.
const maxOwnerID = 128

// isOwnerID keeps ids to letters, digits, dots, dashes and underscores. The ids that
// Hermod has a meaning of its own for, such as hermod.EveryOwner, have others.
func isOwnerID(id string) bool {
	return id != "" && len(id) <= maxOwnerID && !slices.ContainsFunc([]byte(id), func(b byte) bool {
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		return !letter && (b < '0' || b > '9') && b != '-' && b != '_' && b != '.'
	})
}

// public finds the key of the id that verifies by the algorithm. It fails with
// CodeUnauthorized where there is none, and with CodeUnavailable where the keys
// cannot be read.
func (o *Outside) public(ctx context.Context, id, algorithm string) (any, error) {
	wanted := func(k verificationKey) bool { return k.id == id && k.verifies(algorithm) }
	keys, err := o.ring.get(ctx, source[verificationKey]{read: o.jwks.fetch, now: o.now, keep: outsideKept, rest: keysRetry, wanted: wanted})
	if err != nil {
		return nil, &hermod.Error{Code: hermod.CodeUnavailable, Message: "the keys of the token's issuer cannot be read; try again", Err: err}
	}
	if i := slices.IndexFunc(keys, wanted); i >= 0 {
		return keys[i].key, nil
	}
	return nil, hermod.Errorf(hermod.CodeUnauthorized, "the token is signed by no key of its issuer")
}
