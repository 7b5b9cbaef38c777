package auth_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/hermod"
)

// FuzzBearer: of all tokens, those are believed that Hermod or the trusted issuer has made,
// and no others, whatever they look like.
func FuzzBearer(f *testing.F) {
	s := newService()
	p := newIDP(f, jwk("rsa", "RS256"), jwk("ec", "ES256"))
	s.trust(f, p)
	good := []string{s.issue(f), s.apiKey(f, hermod.ScopePublish).Secret, s.outside(f, "RS256", "rsa", nil), s.outside(f, "ES256", "ec", nil)}
	for _, token := range good {
		f.Add(token)
		f.Add(token + ".")
		f.Add(strings.Replace(token, ".", "..", 1))
		if parts := strings.Split(token, "."); len(parts) == 3 {
			f.Add(parts[0] + "." + parts[1] + ".")
			f.Add("eyJhbGciOiJub25lIn0." + parts[1] + "." + parts[2])
		}
	}
	for _, seed := range []string{"", ".", "..", "hk_", "null.null.null", "e30.e30.e30", "eyJhbGciOltdfQ.e30.", "a b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + token}
		got, err := s.Bearer.Authenticate(r)
		if known := slices.Contains(good, strings.TrimSpace(token)); err == nil && (!known || got.Account != account) {
			t.Fatalf("%q is believed: %+v", token, got)
		}
		if err != nil && hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Fatalf("%q: %v", token, err)
		}
	})
}

// FuzzKeySet: whatever the outside issuer's server answers for its keys, a token is
// believed only if its key is among them, and the caller hears nothing of what went wrong.
func FuzzKeySet(f *testing.F) {
	s := newService()
	p := newIDP(f)
	token := s.outside(f, "RS256", "rsa", nil)
	modulus, _ := jwk("rsa", "RS256")["n"].(string)
	good := `{"keys":[` + string(mustJSON(jwk("rsa", "RS256"))) + `]}`
	for _, body := range []string{
		good, "", "{}", "null", `{"keys":null}`, `{"keys":[{}]}`, strings.Replace(good, "AQAB", "", 1), strings.Replace(good, "AQAB", "AA", 1), strings.Replace(good, "AQAB", "AQAAAAAAAAAB", 1),
		strings.Replace(good, `"RSA"`, `"oct"`, 1), strings.Replace(good, modulus, modulus[:20], 1), strings.Replace(good, "RS256", "none", 1), `{"keys":[{"kty":"EC","crv":"P-256","kid":"rsa","x":"AA","y":"AA"}]}`,
	} {
		f.Add(200, []byte(body))
	}
	f.Add(302, []byte(good))
	f.Add(500, []byte(good))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		p.set(func() {
			p.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write(body)
			}
		})
		s.trust(t, p)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := s.Bearer.Authenticate(r)
		if err == nil && (status != http.StatusOK || !strings.Contains(string(body), modulus)) {
			t.Fatalf("believed by the keys %d %q", status, body)
		}
		if code := hermod.CodeOf(err); err != nil && code != hermod.CodeUnauthorized && code != hermod.CodeUnavailable {
			t.Fatalf("%d %q: %v", status, body, err)
		}
	})
}
