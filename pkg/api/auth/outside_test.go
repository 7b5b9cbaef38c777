package auth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

const (
	outsideIssuer = "https://id.example/"
	audience      = "https://hermod.example"
)

// outsideKeys are made once: it takes long.
var outsideKeys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for _, id := range []string{"rsa", "rsa-2", "rsa-any"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		made[id] = key
	}
	for _, id := range []string{"ec", "ec-2"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		made[id] = key
	}
	return made
})

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// jwk is the public key as an issuer publishes it.
func jwk(id, alg string) map[string]any {
	switch key := outsideKeys()[id].(type) {
	case *rsa.PrivateKey:
		return map[string]any{"kty": "RSA", "kid": id, "use": "sig", "alg": alg, "n": b64(key.N.Bytes()), "e": "AQAB"}
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		return map[string]any{"kty": "EC", "kid": id, "use": "sig", "alg": alg, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	}
	panic("no such key")
}

// An idp is an outside issuer's server of keys.
type idp struct {
	*httptest.Server
	mu     sync.Mutex
	keys   []map[string]any
	reads  int
	answer http.HandlerFunc // in place of the keys; nil for those
}

func newIDP(t testing.TB, keys ...map[string]any) *idp {
	t.Helper()
	p := &idp{keys: keys}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reads++
		if p.answer != nil {
			p.answer(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"keys":` + string(mustJSON(p.keys)) + `}`))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads
}

// trust has the service believe the issuer's tokens, and gives what it logs.
func (s *service) trust(t testing.TB, p *idp) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	o, err := auth.NewOutside(auth.OutsideOptions{
		Issuer: outsideIssuer, JWKS: p.URL, Audience: audience, Now: s.now, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Bearer = &auth.Bearer{Keys: s.Keys, Credentials: s, Outside: o, Now: s.now}
	return &log
}

// outside signs claims by the key as the outside issuer would, changed.
func (s *service) outside(t testing.TB, alg, key string, change func(header, claims map[string]any)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": outsideIssuer, "aud": audience, "client_id": "theirs", "account_id": account, "organization_id": organization,
		"scope": "signicat-api openid", "nbf": s.now().Unix(), "exp": s.now().Add(time.Hour).Unix(), "jti": rand.Text(),
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	token.Header["typ"], token.Header["kid"] = "at+jwt", key
	if change != nil {
		change(token.Header, claims)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == nil })
	signed, err := token.SignedString(outsideKeys()[key])
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestTokensOfAnOutsideIssuerAreBelievedBesideOurOwn(t *testing.T) {
	t.Parallel()
	s := newService()
	own := s.issue(t)
	s.trust(t, newIDP(t, jwk("rsa", "RS256"), jwk("rsa-2", "PS256"), jwk("ec", "ES256"), map[string]any{"kty": "RSA", "kid": "rsa-any",
		"n": jwk("rsa-any", "")["n"], "e": "AQAB", "x5t": "x"}))
	for name, tt := range map[string]struct {
		alg, key string
		change   func(header, claims map[string]any)
		want     string
	}{
		"RS256":                {"RS256", "rsa", nil, "outside:theirs [signicat-api]"},
		"PS256":                {"PS256", "rsa-2", nil, "outside:theirs [signicat-api]"},
		"ES256":                {"ES256", "ec", nil, "outside:theirs [signicat-api]"},
		"a key for any, RS":    {"RS256", "rsa-any", nil, "outside:theirs [signicat-api]"},
		"a key for any, PS":    {"PS256", "rsa-any", nil, "outside:theirs [signicat-api]"},
		"type JWT":             {"RS256", "rsa", func(h, _ map[string]any) { h["typ"] = "JWT" }, "outside:theirs [signicat-api]"},
		"type in full":         {"RS256", "rsa", func(h, _ map[string]any) { h["typ"] = "application/AT+JWT" }, "outside:theirs [signicat-api]"},
		"scopes as an array":   {"RS256", "rsa", func(_, c map[string]any) { c["scope"] = []string{"events.publish", "x"} }, "outside:theirs [events.publish]"},
		"no scope known":       {"RS256", "rsa", func(_, c map[string]any) { c["scope"] = "openid" }, "outside:theirs []"},
		"no scope":             {"RS256", "rsa", func(_, c map[string]any) { c["scope"] = nil }, "outside:theirs []"},
		"azp for the client":   {"RS256", "rsa", func(_, c map[string]any) { c["client_id"], c["azp"], c["sub"] = nil, "a", "s" }, "outside:a [signicat-api]"},
		"sub for the client":   {"RS256", "rsa", func(_, c map[string]any) { c["client_id"], c["sub"] = nil, "s" }, "outside:s [signicat-api]"},
		"one audience of many": {"RS256", "rsa", func(_, c map[string]any) { c["aud"] = []string{"x", audience} }, "outside:theirs [signicat-api]"},
	} {
		p, err := s.authenticate(t, "Bearer "+s.outside(t, tt.alg, tt.key, tt.change))
		if err != nil || fmt.Sprint(p.CredentialID, " ", p.Scopes) != tt.want || p.Account != account || p.Organization != organization {
			t.Errorf("%s: %+v, %v", name, p, hermod.Detail(err))
		}
	}
	token := s.outside(t, "RS256", "rsa", func(_, c map[string]any) { c["organization_id"] = nil })
	if p, err := s.authenticate(t, "Bearer "+token); err != nil || p.Organization != "" {
		t.Errorf("no organization: %+v, %v", p, err)
	}
	if p, err := s.authenticate(t, "Bearer "+own); err != nil || p.CredentialID != "oauth:client" {
		t.Errorf("our own: %+v, %v", p, err)
	}
}

// outsideForgeries are tokens in the outside issuer's name that must not be believed.
func outsideForgeries(t *testing.T, s *service) map[string]string {
	t.Helper()
	own := s.stored()[0]
	claim := func(name string, value any) string {
		return s.outside(t, "RS256", "rsa", func(_, c map[string]any) { c[name] = value })
	}
	head := func(name string, value any) string {
		return s.outside(t, "RS256", "rsa", func(h, _ map[string]any) { h[name] = value })
	}
	ours := func(change func(header map[string]any, claims jwt.MapClaims)) string {
		return forge(t, own, func(h map[string]any, c jwt.MapClaims) {
			c["iss"], c["aud"] = outsideIssuer, audience
			change(h, c)
		})
	}
	payload := strings.Split(s.outside(t, "RS256", "rsa", nil), ".")[1]
	mac := func(alg string, secret []byte) string {
		head := encode(t, map[string]any{"alg": alg, "typ": "at+jwt", "kid": "rsa"}) + "." + payload
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(head))
		return head + "." + b64(h.Sum(nil))
	}
	rsaKey := outsideKeys()["rsa"].Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := jwk("rsa-2", "RS256")
	embedded := func(name string, value any) string { // signed by the stranger whose key it brings
		return s.outside(t, "RS256", "rsa-2", func(h, _ map[string]any) { h["kid"], h[name] = "rsa", value })
	}
	year := s.now().Add(365 * 24 * time.Hour).Unix()
	return map[string]string{
		"no algorithm":                 encode(t, map[string]any{"alg": "none", "typ": "at+jwt", "kid": "rsa"}) + "." + payload + ".",
		"HMAC under the public DER":    mac("HS256", der),
		"HMAC under the modulus":       mac("HS256", rsaKey.N.Bytes()),
		"HMAC under the x of a point":  mac("HS256", []byte(jwk("ec", "")["x"].(string))),
		"HMAC named RS256":             mac("RS256", der),
		"another padding than the key": s.outside(t, "PS256", "rsa", nil),
		"a longer hash":                s.outside(t, "RS512", "rsa", nil),
		"a key that is not published":  s.outside(t, "RS256", "rsa-2", nil),
		"a curve's key that is not":    s.outside(t, "ES256", "ec-2", nil),
		"signed by another key":        s.outside(t, "RS256", "rsa-2", func(h, _ map[string]any) { h["kid"] = "rsa" }),
		"a curve's key for RSA":        s.outside(t, "RS256", "rsa", func(h, _ map[string]any) { h["kid"] = "ec" }),
		"an embedded key":              embedded("jwk", stranger),
		"a key set of its own":         embedded("jku", "http://127.0.0.1:9/jwks"),
		"a certificate of its own":     embedded("x5u", "http://127.0.0.1:9/cert"),
		"our key, our key's id":        ours(func(map[string]any, jwt.MapClaims) {}),
		"our key, their key's id":      ours(func(h map[string]any, _ jwt.MapClaims) { h["kid"] = "rsa" }),
		"their key, our key's id":      head("kid", own.ID),
		"their key, our issuer":        claim("iss", issuer),
		"their key, our issuer and id": s.outside(t, "RS256", "rsa", func(h, c map[string]any) { h["kid"], c["iss"], c["client_id"] = own.ID, issuer, "client" }),
		"an issuer like it":            claim("iss", strings.TrimSuffix(outsideIssuer, "/")),
		"an issuer in other case":      claim("iss", strings.ToUpper(outsideIssuer)),
		"an issuer that is a list":     claim("iss", []string{outsideIssuer}),
		"no issuer":                    claim("iss", nil),
		"no key's id":                  head("kid", nil),
		"a key's id of another kind":   head("kid", 1),
		"no type":                      head("typ", nil),
		"another type":                 head("typ", "id+jwt"),
		"a type of another kind":       head("typ", 1),
		"another audience":             claim("aud", "https://hermod.example.evil"),
		"a part of the audience":       claim("aud", []string{"https://hermod"}),
		"no audience":                  claim("aud", nil),
		"expired":                      claim("exp", s.now().Add(-10*time.Second).Unix()),
		"no end":                       claim("exp", nil),
		"an end as text":               claim("exp", "never"),
		"not yet valid":                claim("nbf", s.now().Add(10*time.Second).Unix()),
		"valid in a year":              s.outside(t, "RS256", "rsa", func(_, c map[string]any) { c["nbf"], c["exp"] = year, year+600 }),
		"no account":                   claim("account_id", nil),
		"an empty account":             claim("account_id", ""),
		"an account of another kind":   claim("account_id", 7),
		"every account":                claim("account_id", hermod.EveryOwner),
		"an account with a partition":  claim("account_id", "credential#oauth:client"),
		"an account of many letters":   claim("account_id", strings.Repeat("a", 129)),
		"every organization":           claim("organization_id", hermod.EveryOwner),
		"no client":                    claim("client_id", nil),
		"a client of many letters":     claim("client_id", strings.Repeat("c", 257)),
		"a scope of another kind":      claim("scope", 7),
		"a scope of numbers":           claim("scope", []int{7}),
	}
}

func TestNoOtherTokensInTheOutsideIssuersNameAreBelieved(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	s.trust(t, newIDP(t, jwk("rsa", "RS256"), jwk("ec", "ES256")))
	for name, token := range outsideForgeries(t, s) {
		p, err := s.authenticate(t, "Bearer "+token)
		if p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for alg, key := range map[string]string{"RS256": "rsa", "ES256": "ec"} {
		good := s.outside(t, alg, key, nil)
		for i := 0; i < len(good); i += 7 {
			changed := []byte(good)
			changed[i] ^= 4
			if p, err := s.authenticate(t, "Bearer "+string(changed)); hermod.CodeOf(err) != hermod.CodeUnauthorized {
				t.Fatalf("%s with byte %d changed: %+v, %v", alg, i, p, err)
			}
		}
	}
	if _, err := s.authenticate(t, "Bearer "+s.outside(t, "RS256", "rsa", nil)); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestWithoutAnOutsideIssuerItsTokensAreNot(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	if p, err := s.authenticate(t, "Bearer "+s.outside(t, "RS256", "rsa", nil)); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnOutsideTokenEndsWhenItSays(t *testing.T) {
	t.Parallel()
	s := newService()
	s.trust(t, newIDP(t, jwk("rsa", "RS256")))
	token := s.outside(t, "RS256", "rsa", func(_, c map[string]any) { c["exp"] = s.now().Add(30 * time.Second).Unix() })
	if _, err := s.authenticate(t, "Bearer "+token); err != nil {
		t.Fatal(err)
	}
	s.advance(35 * time.Second) // it is remembered for a minute, and clocks may be 5 s apart
	if _, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("%v", err)
	}
}

func TestAnOutsideIssuerIsNamedWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	for _, o := range []auth.OutsideOptions{
		{Issuer: "i"}, {JWKS: "https://h/k"}, {Audience: "a"}, {Issuer: "i", JWKS: "https://h/k"}, {Issuer: "i", Audience: "a"},
		{JWKS: "https://h/k", Audience: "a"},
		{Issuer: "i", Audience: "a", JWKS: "http://id.example/k"}, {Issuer: "i", Audience: "a", JWKS: "http://127.0.0.1.evil/k"},
		{Issuer: "i", Audience: "a", JWKS: "http://10.0.0.1/k"}, {Issuer: "i", Audience: "a", JWKS: "file:///k"},
		{Issuer: "i", Audience: "a", JWKS: "https:///k"}, {Issuer: "i", Audience: "a", JWKS: "h/k"}, {Issuer: "i", Audience: "a", JWKS: "%"},
	} {
		if got, err := auth.NewOutside(o); err == nil || got != nil {
			t.Errorf("%+v: %v, %v", o, got, err)
		}
	}
	for _, link := range []string{"https://h/k", "http://localhost:1/k", "http://127.0.0.1/k", "http://[::1]:8/k"} {
		if got, err := auth.NewOutside(auth.OutsideOptions{Issuer: "i", Audience: "a", JWKS: link}); err != nil || got == nil {
			t.Errorf("%s: %v", link, err)
		}
	}
	if got, err := auth.NewOutside(auth.OutsideOptions{}); err != nil || got != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}
