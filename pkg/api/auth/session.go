package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// SessionLife is how long the token of a login is good (wire facts, 3.1: exp is nbf
// and 1800 s).
const SessionLife = 1800 * time.Second

// sessionAudience is the audience of that product's tokens (wire facts, 3.1).
const sessionAudience = "http://www.javerdel.fi/"

// sessionRole is the role in the documented token; it means nothing here.
const sessionRole = "Basic user"

// sessionPurpose sets the keys of sessions apart from all others that are derived.
const sessionPurpose = "hermod telia-sign session v1"

// sessionClaims are those of the documented token, which names no issuer.
type sessionClaims struct {
	Login  string `json:"unique_name"`
	User   string `json:"http://schemas.microsoft.com/ws/2008/06/identity/claims/userdata"`
	Role   string `json:"role"`
	Tenant string `json:"http://vincitsign.com/2016/10/identity/claims/tenant"`
	// Audience is one text there, not a list.
	Audience  string           `json:"aud"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	ExpiresAt *jwt.NumericDate `json:"exp"`
}

// What follows makes the claims ones of jwt.

func (c sessionClaims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt, nil }
func (c sessionClaims) GetNotBefore() (*jwt.NumericDate, error)      { return c.NotBefore, nil }
func (c sessionClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (c sessionClaims) GetIssuer() (string, error)                   { return "", nil }
func (c sessionClaims) GetSubject() (string, error)                  { return "", nil }
func (c sessionClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.Audience}, nil
}

// Sessions are what the logins of Telia Sign are exchanged for: tokens signed by
// HS256. Its keys are derived from the opened signing keys and follow their rotation; a
// token names none, and each of them is tried.
type Sessions struct {
	// Keys have a Sealer. The first login makes the first key.
	Keys        *Keys
	Credentials CredentialStore
	Now         func() time.Time

	memory memory

	mu sync.Mutex
	// derived are the keys of sessions, by the ids of the signing keys they are of.
	derived map[string][]byte
}

// errWrongLogin does not say which of the three is wrong.
func errWrongLogin() error {
	return hermod.Errorf(hermod.CodeUnauthorized, "unknown login or tenant, or wrong password")
}

// Open exchanges a login of a tenant for a token, and says whom it stands for. It
// fails with CodeUnauthorized.
func (s *Sessions) Open(ctx context.Context, tenant, login, password string) (token string, p *hermod.Principal, err error) {
	id := LoginID(tenant, login)
	if tenant == "" || login == "" || len(id) > maxClientID || !utf8.ValidString(id) || len(password) > maxSecret {
		return "", nil, errWrongLogin()
	}
	c, err := s.Credentials.Credential(ctx, id)
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return "", nil, fmt.Errorf("reading a login: %w", err)
	}
	if !opens(c, password) || c.Tenant != tenant {
		return "", nil, errWrongLogin()
	}
	keys, err := s.signers(ctx)
	if err != nil {
		return "", nil, err
	}
	now := s.Now()
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, sessionClaims{
		Login: login, User: userOf(c), Role: sessionRole, Tenant: tenant, Audience: sessionAudience,
		NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(SessionLife)),
	}).SignedString(keys[0])
	if err != nil {
		return "", nil, fmt.Errorf("signing a session: %w", err)
	}
	return token, principalOf(c), nil
}

// signers are the keys of sessions, that which signs first. There is one then, and it is
// not too old: logins may be all that a deployment serves.
func (s *Sessions) signers(ctx context.Context) ([][]byte, error) {
	keys, err := s.Keys.someKeys(ctx)
	if err != nil {
		return nil, err
	}
	s.Keys.rotateIfDue(ctx, keys)
	return s.keys(ctx)
}

// keys are derived from the signing keys that are published. Unlike those of cursors they
// are made of what is sealed: nobody makes a session from what stands in the table, or in
// a copy of it.
func (s *Sessions) keys(ctx context.Context) ([][]byte, error) {
	keys, err := s.Keys.someToDerive(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	signs := signing(keys, now)
	derived, err := s.derive(ctx, keys[signs])
	if err != nil {
		return nil, err
	}
	all := [][]byte{derived}
	for i := range keys {
		if i == signs || !KeyStateOf(keys, i, now).Published() {
			continue
		}
		if derived, err = s.derive(ctx, keys[i]); err != nil {
			return nil, err
		}
		all = append(all, derived)
	}
	return all, nil
}

// sessionKeySize is that of SHA-256, as RFC 7518, section 3.2 wants it for HS256.
const sessionKeySize = sha256.Size

// maxDerived bounds the keys that are remembered; there are three at most at a time.
const maxDerived = 16

// derive gives the key of sessions of a signing key, which it opens once.
func (s *Sessions) derive(ctx context.Context, key hermod.SigningKey) ([]byte, error) {
	s.mu.Lock()
	derived := s.derived[key.ID]
	s.mu.Unlock()
	if derived != nil {
		return derived, nil
	}
	private, err := s.Keys.openDER(ctx, key)
	if err != nil {
		return nil, err
	}
	if derived, err = hkdf.Key(sha256.New, private, nil, sessionPurpose, sessionKeySize); err != nil {
		return nil, fmt.Errorf("deriving a key of sessions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.derived == nil || len(s.derived) >= maxDerived {
		s.derived = map[string][]byte{}
	}
	s.derived[key.ID] = derived
	return derived, nil
}

// userOf is a GUID for the user of a login: the same each time, and no secret. A login
// that is made anew under the name of another has another: the other's sessions are none
// of its own.
func userOf(login *hermod.Credential) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "user\x00%s\x00%d", login.ID, login.CreatedAt.UnixNano()))
	id := hermod.ID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, section 5.8
	return id.GUID()
}

// Resolve is the principal whose login was exchanged for the token. It fails with
// CodeUnauthorized.
func (s *Sessions) Resolve(ctx context.Context, token string) (*hermod.Principal, error) {
	return s.memory.principal(token, s.Now(), func() (*hermod.Principal, time.Time, error) {
		return s.resolve(ctx, token)
	})
}

// maxSession bounds a token that is presented, in bytes: those made here have some
// 600, and each is hashed once a key.
const maxSession = 4096

func (s *Sessions) resolve(ctx context.Context, token string) (*hermod.Principal, time.Time, error) {
	if len(token) > maxSession {
		return nil, time.Time{}, errInvalidToken(errors.New("too long"))
	}
	c, err := s.verify(ctx, token)
	if err != nil {
		return nil, time.Time{}, err
	}
	login, err := s.Credentials.Credential(ctx, LoginID(c.Tenant, c.Login))
	if err != nil && hermod.CodeOf(err) != hermod.CodeNotFound {
		return nil, time.Time{}, fmt.Errorf("reading the session's login: %w", err)
	}
	if login == nil || !login.RevokedAt.IsZero() || login.Tenant != c.Tenant || userOf(login) != c.User {
		return nil, time.Time{}, errInvalidToken(errors.New("the session's login is no longer known"))
	}
	return principalOf(login), c.ExpiresAt.Time, nil
}

// verify reads a token that one of the keys has signed and that is good now.
func (s *Sessions) verify(ctx context.Context, token string) (*sessionClaims, error) {
	// A token of another kind costs no read of keys.
	if strings.Count(token, ".") != 2 {
		return nil, errInvalidToken(errors.New("no JWT"))
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	set := jwt.VerificationKeySet{Keys: make([]jwt.VerificationKey, len(keys))}
	for i, key := range keys {
		set.Keys[i] = key
	}
	var c sessionClaims
	_, err = jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return set, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(),
		jwt.WithAudience(sessionAudience), jwt.WithTimeFunc(s.Now))
	if err != nil {
		return nil, errInvalidToken(err)
	}
	return &c, nil
}
