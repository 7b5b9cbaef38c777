package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

const tenant = "11111111-1111-4111-8111-111111111111"

// withLogin adds a login of the tenant to the service.
func withLogin(s *service) *auth.Sessions {
	s.put(hermod.Credential{
		ID: auth.LoginID(tenant, "ann"), SecretHash: auth.HashSecret("password"), Account: account, Tenant: tenant, CreatedAt: start,
		Scopes: []string{hermod.ScopeTeliaSign},
	})
	return s.sessions(s.Keys)
}

func (s *service) sessions(keys *auth.Keys) *auth.Sessions {
	return &auth.Sessions{Keys: keys, Credentials: s, Now: s.now}
}

func open(t *testing.T, sessions *auth.Sessions) string {
	t.Helper()
	token, p, err := sessions.Open(t.Context(), tenant, "ann", "password")
	if err != nil || p.Account != account || p.Tenant != tenant {
		t.Fatalf("%+v, %v", p, err)
	}
	return token
}

// TestASessionHasTheClaimsOfTheDocumentedToken is wire facts, 3.1.
func TestASessionHasTheClaimsOfTheDocumentedToken(t *testing.T) {
	t.Parallel()
	s := newService()
	parts := strings.Split(open(t, withLogin(s)), ".")
	var header, claims map[string]any
	for i, v := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	if len(header) != 2 || header["alg"] != "HS256" || header["typ"] != "JWT" {
		t.Errorf("header %v", header)
	}
	const user = "http://schemas.microsoft.com/ws/2008/06/identity/claims/userdata"
	guid, _ := claims[user].(string)
	if _, err := hermod.ParseGUID(guid); err != nil {
		t.Errorf("the user is %q", guid)
	}
	delete(claims, user)
	want := map[string]any{
		"unique_name": "ann", "role": "Basic user", "http://vincitsign.com/2016/10/identity/claims/tenant": tenant,
		"aud": "http://www.javerdel.fi/", "nbf": float64(start.Unix()), "exp": float64(start.Unix() + 1800),
	}
	if !maps.Equal(claims, want) {
		t.Errorf("claims %v, want %v", claims, want)
	}
}

func TestASessionIsItsLogins(t *testing.T) {
	t.Parallel()
	s := newService()
	token := open(t, withLogin(s))
	p, err := s.sessions(s.newKeys()).Resolve(t.Context(), token) // of another process
	if err != nil || p.CredentialID != auth.LoginID(tenant, "ann") || p.Account != account || p.Tenant != tenant || !p.Has(hermod.ScopeTeliaSign) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAWrongLoginOpensNothing(t *testing.T) {
	t.Parallel()
	s := newService()
	sessions := withLogin(s)
	s.put(hermod.Credential{ID: auth.LoginID(tenant, "gone"), SecretHash: auth.HashSecret("password"), Account: account, Tenant: tenant, RevokedAt: start})
	s.put(hermod.Credential{ID: auth.LoginID(tenant, "moved"), SecretHash: auth.HashSecret("password"), Account: account, Tenant: "another"})
	for name, tt := range map[string][3]string{
		"a wrong password":   {tenant, "ann", "Password"},
		"no password":        {tenant, "ann", ""},
		"an unknown login":   {tenant, "bob", "password"},
		"no login":           {tenant, "", "password"},
		"no tenant":          {"", "ann", "password"},
		"another tenant":     {"22222222-2222-4222-8222-222222222222", "ann", "password"},
		"a revoked login":    {tenant, "gone", "password"},
		"another's row":      {tenant, "moved", "password"},
		"a split elsewhere":  {tenant[:5], tenant[5:] + "/ann", "password"},
		"what is no text":    {tenant, "\xff", "password"},
		"a login too long":   {tenant, strings.Repeat("x", 300), "password"},
		"a password no read": {tenant, "ann", strings.Repeat("x", 2000)},
	} {
		if token, p, err := sessions.Open(t.Context(), tt[0], tt[1], tt[2]); token != "" || p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %q, %+v, %v", name, token, p, err)
		}
	}
}

const sessionPurpose = "hermod telia-sign session v1"

// sessionKey is the key of sessions by the rule of Sessions, written out once more: HKDF
// (RFC 5869) of the private key.
func sessionKey(t *testing.T, k hermod.SigningKey, purpose string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private(t, k))
	if err != nil {
		t.Fatal(err)
	}
	mac := func(key, text []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return h.Sum(nil)
	}
	return mac(mac(make([]byte, sha256.Size), der), append([]byte(purpose), 1))
}

// sealedKey is a key by the rule of cursors, which whoever can read the table can make.
func sealedKey(k hermod.SigningKey, purpose string) []byte {
	sum := sha256.Sum256(append([]byte(purpose+"\x00"), k.Sealed...))
	return sum[:]
}

// TestOnlySessionsOfThisServiceAreBelieved forges tokens of every kind.
func TestOnlySessionsOfThisServiceAreBelieved(t *testing.T) {
	t.Parallel()
	s := newService()
	sessions := withLogin(s)
	good := open(t, sessions)
	k := s.keys[0]
	right := sessionKey(t, k, sessionPurpose)
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	forge := func(header map[string]any, key []byte, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{}
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		change(claims)
		text := encode(t, header) + "." + encode(t, claims)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	hs := map[string]any{"alg": "HS256", "typ": "JWT"}
	same := func(jwt.MapClaims) {}
	with := func(name string, value any) string {
		return forge(hs, right, func(c jwt.MapClaims) { c[name] = value })
	}
	without := func(name string) string { return forge(hs, right, func(c jwt.MapClaims) { delete(c, name) }) }
	const tenantClaim, userClaim = "http://vincitsign.com/2016/10/identity/claims/tenant", "http://schemas.microsoft.com/ws/2008/06/identity/claims/userdata"
	if _, err := sessions.Resolve(t.Context(), forge(hs, right, same)); err != nil {
		t.Fatalf("the test's own token: %v", err)
	}
	for name, token := range map[string]string{
		"no algorithm":                  encode(t, map[string]any{"alg": "none"}) + "." + parts[1] + ".",
		"no algorithm, with a MAC":      forge(map[string]any{"alg": "none"}, right, same),
		"another algorithm's name":      forge(map[string]any{"alg": "HS512"}, right, same),
		"an asymmetric one's name":      forge(map[string]any{"alg": "RS256"}, right, same),
		"a key of cursors":              forge(hs, sealedKey(k, "hermod cursor v1"), same),
		"a key of what is in the table": forge(hs, sealedKey(k, sessionPurpose), same),
		"a key for something else":      forge(hs, sessionKey(t, k, "hermod cursor v1"), same),
		"the public key":                forge(hs, k.Public, same),
		"the sealed key":                forge(hs, k.Sealed, same),
		"no key":                        forge(hs, nil, same),
		"a token for the native API":    s.issue(t),
		"another login":                 with("unique_name", "bob"),
		"another tenant":                with(tenantClaim, "22222222-2222-4222-8222-222222222222"),
		"a login split elsewhere":       forge(hs, right, func(c jwt.MapClaims) { c[tenantClaim], c["unique_name"] = tenant[:5], tenant[5:]+"/ann" }),
		"another user":                  with(userClaim, tenant),
		"another audience":              with("aud", issuer+"/resources"),
		"no audience":                   without("aud"),
		"expired":                       with("exp", start.Unix()),
		"no end":                        without("exp"),
		"an end as text":                with("exp", "never"),
		"not yet valid":                 with("nbf", start.Add(time.Second).Unix()),
		"no beginning":                  without("nbf"),
		"claims of another token":       parts[0] + "." + encode(t, map[string]any{"unique_name": "ann"}) + "." + parts[2],
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    good + ".x",
		"nothing":                       "",
		"far too long":                  forge(hs, right, func(c jwt.MapClaims) { c["x"] = strings.Repeat("x", 5000) }),
		"the id of the login as a text": auth.LoginID(tenant, "ann"),
	} {
		if p, err := sessions.Resolve(t.Context(), token); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 4
		if p, err := sessions.Resolve(t.Context(), string(changed)); i%7 == 0 && (p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized) {
			t.Fatalf("with byte %d changed: %+v, %v", i, p, err)
		}
	}
}

// TestASessionIsNoTokenOfTheNativeAPI is the other way round.
func TestASessionIsNoTokenOfTheNativeAPI(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	token := open(t, withLogin(s))
	if p, err := s.authenticate(t, "Bearer "+token); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("%+v, %v", p, err)
	}
	// With what the native API looks at in its header and its claims, under that key.
	k := s.keys[0]
	claims := jwt.MapClaims{
		"iss": issuer, "client_id": "client", "account_id": account, "scope": []string{hermod.ScopeManage},
		"nbf": start.Unix(), "exp": start.Add(time.Minute).Unix(),
	}
	dressed := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	dressed.Header["typ"], dressed.Header["kid"] = "at+jwt", k.ID
	signed, err := dressed.SignedString(sessionKey(t, k, sessionPurpose))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.authenticate(t, "Bearer "+signed); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("dressed up: %+v, %v", p, err)
	}
}

func TestASessionEndsWithItsLogin(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*hermod.Credential){
		"revoked":           func(c *hermod.Credential) { c.RevokedAt = start },
		"of another tenant": func(c *hermod.Credential) { c.Tenant = "another" },
		// Also where nothing but the moment tells the new login from the old one.
		"revoked and made anew": func(c *hermod.Credential) { c.CreatedAt = c.CreatedAt.Add(time.Microsecond) },
	} {
		s := newService()
		sessions := withLogin(s)
		token := open(t, sessions)
		if _, err := sessions.Resolve(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		changed := *s.credentials[auth.LoginID(tenant, "ann")]
		change(&changed)
		s.put(changed)
		s.advance(59 * time.Second)
		if _, err := sessions.Resolve(t.Context(), token); err != nil {
			t.Errorf("%s: within a minute: %v", name, err)
		}
		s.advance(2 * time.Second)
		if p, err := sessions.Resolve(t.Context(), token); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestASessionOutlivesARotationAndLoginsAreEnoughToRotate(t *testing.T) {
	t.Parallel()
	s := newService()
	sessions := withLogin(s)
	token := open(t, sessions)
	if _, err := s.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.advance(20 * time.Minute)
	for name, keys := range map[string]*auth.Keys{"here": s.Keys, "elsewhere": s.newKeys()} {
		if _, err := s.sessions(keys).Resolve(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	before := len(s.stored())
	s.advance(auth.RotateAfter)
	open(t, sessions)
	if got := len(s.stored()); got != before+1 {
		t.Errorf("%d keys after a login, %d before", got, before)
	}
}

func TestAStoreThatIsAwayDeniesNobodysSession(t *testing.T) {
	t.Parallel()
	s := newService()
	sessions := withLogin(s)
	token := open(t, sessions)
	fault := hermod.Errorf(hermod.CodeUnavailable, "the store is away")
	s.fail(fault)
	if _, err := s.sessions(s.Keys).Resolve(t.Context(), token); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("resolving: %v", err)
	}
	if _, _, err := sessions.Open(t.Context(), tenant, "ann", "password"); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("opening: %v", err)
	}
	s.fail(nil)
	if _, err := s.sessions(s.newKeys()).Resolve(t.Context(), token); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// TestARetiredKeyMakesNoSession: its row is kept for cursors, and whoever stole it could
// sign for ever.
func TestARetiredKeyMakesNoSession(t *testing.T) {
	t.Parallel()
	s := newService()
	sessions := withLogin(s)
	open(t, sessions)
	stolen := sessionKey(t, s.stored()[0], sessionPurpose)
	for range 2 {
		s.advance(auth.RotateAfter)
		open(t, sessions)
	}
	if len(s.stored()) != 3 {
		t.Fatalf("%d keys", len(s.stored()))
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(open(t, sessions), claims); err != nil {
		t.Fatal(err)
	}
	sign := func(key []byte) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if p, err := sessions.Resolve(t.Context(), sign(stolen)); p != nil || hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("%+v, %v", p, err)
	}
	for i, k := range s.stored()[:2] { // the next one and the one that signs
		if _, err := sessions.Resolve(t.Context(), sign(sessionKey(t, k, sessionPurpose))); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
}
