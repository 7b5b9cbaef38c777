package auth_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// forge signs claims as this service would, and lets change the header and the
// claims before.
func forge(t *testing.T, k hermod.SigningKey, change func(header map[string]any, claims jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": issuer, "client_id": "client", "account_id": account, "scope": []string{hermod.ScopeManage},
		"nbf": start.Unix(), "iat": start.Unix(), "exp": start.Add(auth.TokenLife).Unix(),
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["typ"], token.Header["kid"] = "at+jwt", k.ID
	change(token.Header, claims)
	token.Method = jwt.GetSigningMethod(token.Header["alg"].(string))
	signed, err := token.SignedString(private(t, k))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func encode(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// forgeries are tokens that must not be believed, made from a good one.
func forgeries(t *testing.T, s *service, good string) map[string]string {
	t.Helper()
	k := s.keys[0]
	parts := strings.Split(good, ".")
	header := func(alg string) string { return encode(t, map[string]any{"alg": alg, "typ": "at+jwt", "kid": k.ID}) }
	mac := func(secret []byte) string {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(header("HS256") + "." + parts[1]))
		return header("HS256") + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(stranger)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := boxes{}.Seal(t.Context(), "hermod", k.ID, der)
	if err != nil {
		t.Fatal(err)
	}
	theirs := hermod.SigningKey{ID: k.ID, Sealed: sealed}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	richer := base64.RawURLEncoding.EncodeToString(bytes.Replace(payload, []byte(account), []byte("a-spge-Two"), 1))
	claim := func(name string, value any) string {
		return forge(t, k, func(_ map[string]any, claims jwt.MapClaims) { claims[name] = value })
	}
	without := func(name string) string {
		return forge(t, k, func(_ map[string]any, claims jwt.MapClaims) { delete(claims, name) })
	}
	head := func(name string, value any) string {
		return forge(t, k, func(header map[string]any, _ jwt.MapClaims) { header[name] = value })
	}
	return map[string]string{
		"no algorithm":               header("none") + "." + parts[1] + ".",
		"no algorithm in capitals":   header("NONE") + "." + parts[1] + "." + parts[2],
		"HMAC under the public DER":  mac(k.Public),
		"HMAC under the public PEM":  mac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Public})),
		"HMAC under nothing":         mac(nil),
		"another algorithm's name":   header("RS512") + "." + parts[1] + "." + parts[2],
		"a longer hash":              head("alg", "RS512"),
		"another padding":            head("alg", "PS256"),
		"a stranger's key":           forge(t, theirs, func(map[string]any, jwt.MapClaims) {}),
		"another key's id":           head("kid", "0000000000000000"),
		"a key's id as a path":       head("kid", "../../etc/passwd"),
		"a key's id of another kind": head("kid", 1),
		"a key of the caller's own":  head("kid", nil),
		"no access token":            head("typ", "JWT"),
		"no type":                    head("typ", nil),
		"other claims":               parts[0] + "." + richer + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"four parts":                 good + ".x",
		"nothing":                    "",
		"text":                       "hello",
		"expired":                    claim("exp", start.Unix()),
		"not yet valid":              claim("nbf", start.Add(time.Second).Unix()),
		"without an end":             without("exp"),
		"an end as text":             claim("exp", "never"),
		"an end beyond numbers":      claim("exp", "1e999"),
		"an unknown client":          claim("client_id", "nobody"),
		"no client":                  without("client_id"),
		"another account":            claim("account_id", "a-spge-Two"),
		"no account":                 without("account_id"),
		"a scope that is no list":    claim("scope", hermod.ScopeManage+" "+hermod.ScopePublish),
	}
}

func TestOnlyTokensOfThisServiceAreBelieved(t *testing.T) {
	t.Parallel()
	s := newService()
	good := s.issue(t)
	for name, token := range forgeries(t, s, good) {
		p, err := s.authenticate(t, "Bearer "+token)
		if p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 4
		if p, err := s.authenticate(t, "Bearer "+string(changed)); i%7 == 0 && (p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized) {
			t.Fatalf("with byte %d changed: %+v, %v", i, p, err)
		}
	}
	if _, err := s.authenticate(t, "Bearer "+good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestATokenCannotSayMoreThanItsClientHolds(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t) // makes the key
	for name, tt := range map[string]struct{ scope, want any }{
		"more than held": {[]string{hermod.ScopePublishAny, hermod.ScopeManage}, "[signicat-api]"},
		"none":           {[]string{}, "[]"},
		"not said":       {nil, "[]"},
	} {
		token := forge(t, s.keys[0], func(_ map[string]any, claims jwt.MapClaims) { claims["scope"] = tt.scope })
		p, err := s.authenticate(t, "Bearer "+token)
		if err != nil || fmt.Sprint(p.Scopes) != tt.want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}
