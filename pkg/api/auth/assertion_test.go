package auth_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

const cloud = "api://AzureADTokenExchange"

func (s *service) assertor() *auth.Assertor {
	return &auth.Assertor{
		Keys: s.Keys, Issuer: issuer, Now: s.now, TokenID: func() string { return "jti" }, Log: slog.New(slog.DiscardHandler),
	}
}

func (s *service) assert(t *testing.T) string {
	t.Helper()
	token, err := s.assertor().Assertion(t.Context(), hermod.Ref{Owner: account, ID: "s-1"}, cloud)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// published verifies a token as somebody does who has read the keys.
func (s *service) published(t *testing.T, token string) (jwt.MapClaims, map[string]any, error) {
	t.Helper()
	keys, err := s.newKeys().Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	parsed, err := jwt.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) {
		for _, k := range keys {
			if k.ID == token.Header["kid"] {
				return k.Key, nil
			}
		}
		return (*rsa.PublicKey)(nil), errors.New("no such key")
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.now))
	return claims, parsed.Header, err
}

func TestAnAssertionSaysForWhomHermodComes(t *testing.T) {
	t.Parallel()
	s := newService()
	claims, header, err := s.published(t, s.assert(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"aud":"api://AzureADTokenExchange","exp":1772366700,"iat":1772366400,"iss":"http://host/auth/open","jti":"jti",` +
		`"nbf":1772366400,"sub":"hermod:a-spge-One","subscription":"s-1"}`
	if string(got) != want || header["typ"] != "JWT" || header["alg"] != "RS256" || len(header) != 3 {
		t.Errorf("got %s under %v", got, header)
	}
}

// What is signed shortly before a rotation is verified until its end.
func TestAnAssertionIsVerifiedThroughARotation(t *testing.T) {
	t.Parallel()
	s := newService()
	s.assert(t)
	s.advance(auth.RotateAfter - time.Hour)
	for range 30 { // of ten minutes each: the new key signs after some 13
		s.advance(auth.AssertionLife)
		token := s.assert(t)
		if _, _, err := s.published(t, token); err != nil {
			t.Fatalf("at once: %v", err)
		}
		s.advance(auth.AssertionLife - time.Second)
		if _, _, err := s.published(t, token); err != nil {
			t.Fatalf("at its end, %v: %v", s.now().Sub(start), err)
		}
	}
	if len(s.stored()) < 2 {
		t.Error("no rotation was seen")
	}
}

func TestNobodyGetsInWithAnAssertion(t *testing.T) {
	t.Parallel()
	s := newService()
	good := s.assert(t)
	k := s.stored()[0]
	// Signed by our key, as if an assertion had said all that an access token does.
	shaped := func(change func(header map[string]any, claims jwt.MapClaims)) string {
		return forge(t, k, func(header map[string]any, claims jwt.MapClaims) {
			header["typ"] = "JWT"
			claims["sub"], claims["aud"] = "hermod:"+account, cloud
			change(header, claims)
		})
	}
	own := map[string]string{
		"an assertion":                       good,
		"with the claims of an access token": shaped(func(map[string]any, jwt.MapClaims) {}),
		"its type in other letters":          shaped(func(h map[string]any, _ jwt.MapClaims) { h["typ"] = "AT+JWT" }),
		"its type with a media type":         shaped(func(h map[string]any, _ jwt.MapClaims) { h["typ"] = "application/at+jwt" }),
		"an access token's type, no client": shaped(func(h map[string]any, c jwt.MapClaims) {
			h["typ"] = "at+jwt"
			delete(c, "client_id")
		}),
		"an access token's type, another account": shaped(func(h map[string]any, c jwt.MapClaims) {
			h["typ"] = "at+jwt"
			c["account_id"] = "a-spge-Two"
		}),
	}
	for name, token := range own {
		if p, err := s.authenticate(t, "Bearer "+token); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	sessions := &auth.Sessions{Keys: s.Keys, Credentials: s, Now: s.now}
	if p, err := sessions.Resolve(t.Context(), good); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("as a session: %+v, %v", p, err)
	}
}

// A Hermod may be the outside issuer of another one, and both its kinds of tokens are
// signed by the same keys. What the other one believes are access tokens for it.
func TestAnAssertionIsNoTokenOfAnOutsideIssuer(t *testing.T) {
	t.Parallel()
	s := newService()
	good := s.assert(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys, err := s.newKeys().Published(r.Context())
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(auth.JWKSOf(keys))
	}))
	t.Cleanup(server.Close)
	for _, audience := range []string{cloud, issuer + "/resources"} {
		outside, err := auth.NewOutside(auth.OutsideOptions{
			Issuer: issuer, JWKS: server.URL, Audience: audience, Now: s.now, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		bearer := &auth.Bearer{Keys: newService().Keys, Credentials: newService(), Outside: outside, Now: s.now}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+good)
		if p, err := bearer.Authenticate(r); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("for %s: %+v, %v", audience, p, err)
		}
	}
}

// A cloud goes by issuer, audience and subject. An access token has neither of the two
// last ones.
func TestAnAccessTokenIsNoAssertion(t *testing.T) {
	t.Parallel()
	s := newService()
	claims, header, err := s.published(t, s.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := claims.GetSubject()
	audience, _ := claims.GetAudience()
	if subject != "" || len(audience) != 1 || !strings.HasPrefix(audience[0], issuer) || header["typ"] != "at+jwt" {
		t.Errorf("got %v under %v", claims, header)
	}
}

func TestNothingIsAssertedForNobody(t *testing.T) {
	t.Parallel()
	s := newService()
	for _, ref := range []hermod.Ref{
		{}, {ID: "s-1"}, {Owner: account}, {Owner: hermod.EveryOwner, ID: "s-1"}, {Owner: "a-spge-One:x", ID: "s-1"}, {Owner: "a b", ID: "s-1"},
	} {
		if token, err := s.assertor().Assertion(t.Context(), ref, cloud); token != "" || err == nil {
			t.Errorf("%+v: %s", ref, token)
		}
	}
	s.fail(hermod.Errorf(hermod.CodeUnavailable, "down"))
	if _, err := s.assertor().Assertion(t.Context(), hermod.Ref{Owner: account, ID: "s-1"}, cloud); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	subjects := map[string]string{}
	for _, owner := range []string{"a-1", "a-1-", "o-1", "a-11"} {
		if other, twice := subjects[auth.AssertionSubject(owner)]; twice {
			t.Errorf("%s and %s have one subject", owner, other)
		}
		subjects[auth.AssertionSubject(owner)] = owner
	}
}
