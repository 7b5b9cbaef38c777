package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

func TestATokenIsTheJWTThatClientsTakeApart(t *testing.T) {
	t.Parallel()
	s := newService()
	token := s.issue(t)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	read := func(part string) map[string]any {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		return members
	}
	if got, want := read(parts[0]), map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": s.keys[0].ID}; !maps.Equal(got, want) {
		t.Errorf("header %v", got)
	}
	claims := read(parts[1])
	unix := float64(start.Unix())
	for name, want := range map[string]any{
		"iss": issuer, "client_id": "client", "account_id": account, "nbf": unix, "iat": unix, "exp": unix + 600, "jti": "jti", "sandbox": true,
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if fmt.Sprint(claims["scope"]) != "[signicat-api events.publish]" || claims["aud"] == nil {
		t.Errorf("claims %v", claims)
	}
}

func TestOnlyASandboxAccountsTokenSaysSo(t *testing.T) {
	t.Parallel()
	s := newService()
	s.put(hermod.Credential{ID: auth.OAuthClient("live"), SecretHash: auth.HashSecret("x"), Account: "a-ppge-Live", Scopes: []string{"signicat-api"}})
	token, _, err := s.Issuer.Issue(t.Context(), issuer, "live", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	if _, ok := claims["sandbox"]; ok || claims["account_id"] != "a-ppge-Live" {
		t.Errorf("claims %v", claims)
	}
}

func TestATokenCarriesTheScopesAskedForThatTheClientHolds(t *testing.T) {
	t.Parallel()
	s := newService()
	for _, tt := range []struct{ asked, want []string }{
		{nil, []string{hermod.ScopeManage, hermod.ScopePublish}},
		{[]string{hermod.ScopePublish}, []string{hermod.ScopePublish}},
		{[]string{hermod.ScopePublish, hermod.ScopePublish, hermod.ScopePublishAny, "openid"}, []string{hermod.ScopePublish}},
	} {
		token, scopes, err := s.Issuer.Issue(t.Context(), issuer, "client", "secret", tt.asked)
		if err != nil || !slices.Equal(scopes, tt.want) {
			t.Fatalf("asked for %v: %v, %v", tt.asked, scopes, err)
		}
		p, err := s.authenticate(t, "Bearer "+token)
		if err != nil || !slices.Equal(p.Scopes, tt.want) || p.Account != account || p.Organization != organization || p.CredentialID != "oauth:client" {
			t.Errorf("asked for %v: %+v, %v", tt.asked, p, err)
		}
	}
	for _, asked := range [][]string{{hermod.ScopePublishAny}, {"Signicat-Api"}, {""}} {
		if _, _, err := s.Issuer.Issue(t.Context(), issuer, "client", "secret", asked); hermod.CodeOf(err) != hermod.CodeForbidden {
			t.Errorf("asked for %q: %v", asked, err)
		}
	}
}

func TestAClientIsKnownByItsIDAndSecretTogether(t *testing.T) {
	t.Parallel()
	s := newService()
	s.put(hermod.Credential{ID: auth.OAuthClient("revoked"), SecretHash: auth.HashSecret("secret"), Scopes: []string{"x"}, RevokedAt: start})
	s.put(hermod.Credential{ID: auth.OAuthClient("bare"), Scopes: []string{"x"}})
	s.put(hermod.Credential{ID: "apikey:client", SecretHash: auth.HashSecret("key"), Scopes: []string{"x"}})
	for _, tt := range [][2]string{
		{"client", "wrong"}, {"client", ""}, {"client", "secret "}, {"client", string(auth.HashSecret("secret"))}, {"", ""}, {"", "secret"},
		{"CLIENT", "secret"}, {"nobody", "secret"}, {"revoked", "secret"}, {"bare", ""}, {"oauth:client", "secret"}, {"apikey:client", "key"},
		{strings.Repeat("x", 10_000), "secret"}, {"\xff", "secret"},
	} {
		_, _, err := s.Issuer.Issue(t.Context(), issuer, tt[0], tt[1], nil)
		if hermod.CodeOf(err) != hermod.CodeUnauthorized || err.Error() != "unknown client, or wrong secret" {
			t.Errorf("%.20q with %q: %v", tt[0], tt[1], err)
		}
	}
}

func TestABearerHeaderIsNeeded(t *testing.T) {
	t.Parallel()
	s := newService()
	token := s.issue(t)
	const noToken = "Bearer "
	for header, want := range map[string]bool{
		"": false, noToken: false, token: false, "Bearer": false, "Basic " + token: false, "Bearer  " + token: false, "Bearer " + token + " x": false,
		"Bearer " + token: true, "bearer " + token: true, "BEARER " + token: true,
	} {
		if _, err := s.authenticate(t, header); (err == nil) != want || (err != nil && hermod.CodeOf(err) != hermod.CodeUnauthorized) {
			t.Errorf("%.12q...: %v", header, err)
		}
	}
}

func TestATokenEndsWhenItSaysAlsoWhileItIsRemembered(t *testing.T) {
	t.Parallel()
	s := newService()
	token := s.issue(t)
	s.advance(auth.TokenLife - time.Second)
	if _, err := s.authenticate(t, "Bearer "+token); err != nil {
		t.Fatal(err)
	}
	s.advance(time.Second)
	if _, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("after its end: %v", err)
	}
}

func TestAClientLosesWhatItLostWithinAMinute(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(c *hermod.Credential)
		want   hermod.Code
	}{
		"revoked":         {func(c *hermod.Credential) { c.RevokedAt = start }, hermod.CodeUnauthorized},
		"moved elsewhere": {func(c *hermod.Credential) { c.Account = "a-spge-Two" }, hermod.CodeUnauthorized},
		"a scope less":    {func(c *hermod.Credential) { c.Scopes = []string{hermod.ScopePublish} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService()
			token := s.issue(t)
			if _, err := s.authenticate(t, "Bearer "+token); err != nil {
				t.Fatal(err)
			}
			c := *s.credentials["oauth:client"]
			tt.change(&c)
			s.put(c)
			s.advance(time.Minute)
			p, err := s.authenticate(t, "Bearer "+token)
			if hermod.CodeOf(err) != tt.want || (err == nil && p.Has(hermod.ScopeManage)) {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

func TestAFaultOfTheStoreSaysNothingAboutAToken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"a fault": errors.New("disk on fire"), "throttled": hermod.Errorf(hermod.CodeUnavailable, "try again"), "a caller that left": context.Canceled,
	} {
		s := newService()
		token := s.issue(t)
		s.fail(fault)
		if _, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeOf(fault) {
			t.Errorf("%s while reading the client: %v", name, err)
		}
		s.advance(6 * time.Minute) // the keys are read again
		s.fail(nil)
		token = s.issue(t)
		s.advance(6 * time.Minute)
		s.fail(fault)
		if _, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeOf(fault) {
			t.Errorf("%s while reading the keys: %v", name, err)
		}
		if _, _, err := s.Issuer.Issue(t.Context(), issuer, "client", "secret", nil); hermod.CodeOf(err) != hermod.CodeOf(fault) {
			t.Errorf("%s while issuing: %v", name, err)
		}
	}
}

func TestUnknownKeyIDsDoNotHammerTheStore(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	s.advance(time.Minute)
	before := s.keyReads
	for i := range 50 {
		token := forge(t, s.keys[0], func(header map[string]any, _ jwt.MapClaims) { header["kid"] = fmt.Sprint(i) })
		if _, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Fatal(err)
		}
	}
	if reads := s.keyReads - before; reads > 1 {
		t.Errorf("%d reads for 50 unknown keys at one moment", reads)
	}
}

func TestManyMayStartAtOnce(t *testing.T) {
	t.Parallel()
	s := newService()
	var wg sync.WaitGroup
	for range 4 {
		keys := s.newKeys()
		wg.Go(func() {
			if err := keys.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.authenticate(t, "Bearer "+s.issue(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestKeysOfCursorsAreEachProcesssTheSameAndNobodyElses(t *testing.T) {
	t.Parallel()
	s := newService()
	// Where nothing has been signed yet, whoever can makes the first key.
	reader := &auth.Keys{Store: s, Now: s.now}
	if _, err := reader.CursorKeys(t.Context()); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("without a signing key, and unable to make one: %v", err)
	}
	s.Keys.First = s.Keys.Ensure
	one, err := s.Keys.CursorKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.newKeys().CursorKeys(t.Context())
	if err != nil || len(one) != 1 || len(two) != 1 || !bytes.Equal(one[0], two[0]) || len(one[0]) != 32 {
		t.Errorf("%x and %x, %v", one, two, err)
	}
	if public := sha256.Sum256(s.keys[0].Public); bytes.Equal(one[0], public[:]) || bytes.Contains(s.keys[0].Public, one[0]) {
		t.Error("the key can be told from the public one")
	}
}
