package auth_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

func TestOutsideKeysAreReadWhenTheyMustBe(t *testing.T) {
	t.Parallel()
	s := newService()
	p := newIDP(t, jwk("rsa", "RS256"))
	log := s.trust(t, p)
	outage := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	for i, step := range []struct {
		what  string
		after time.Duration
		do    func()
		key   string
		want  hermod.Code
		reads int
	}{
		{"the first token", 0, nil, "rsa", "", 1},
		{"another one", time.Minute, nil, "rsa", "", 1},
		{"an unknown key", time.Minute, nil, "rsa-2", hermod.CodeUnauthorized, 2},
		{"an unknown key again", 9 * time.Second, nil, "rsa-2", hermod.CodeUnauthorized, 2},
		{"a new key", time.Second, func() { p.keys = append(p.keys, jwk("rsa-2", "RS256")) }, "rsa-2", "", 3},
		{"five minutes later", 5 * time.Minute, nil, "rsa", "", 4},
		{"an outage", 5 * time.Minute, func() { p.answer = outage }, "rsa", "", 5},
		{"an outage, at once", time.Second, nil, "rsa-2", "", 5},
		{"an outage, ten seconds on", 10 * time.Second, nil, "rsa", "", 6},
		{"an unknown key in an outage", 0, nil, "ec", hermod.CodeUnavailable, 7},
		{"just under an hour of outage", 54 * time.Minute, nil, "rsa", "", 8},
		{"an hour of outage", time.Minute, nil, "rsa", hermod.CodeUnavailable, 9},
		{"back", 0, func() { p.answer = nil; p.keys = p.keys[1:] }, "rsa-2", "", 10},
		{"a key that was withdrawn", time.Minute, nil, "rsa", hermod.CodeUnauthorized, 11},
	} {
		s.advance(step.after)
		if step.do != nil {
			p.set(step.do)
		}
		alg := "RS256"
		if step.key == "ec" {
			alg = "ES256"
		}
		_, err := s.authenticate(t, "Bearer "+s.outside(t, alg, step.key, nil))
		if hermod.CodeOf(err) != step.want || p.count() != step.reads {
			t.Fatalf("step %d, %s: %v after %d reads, want %q after %d", i, step.what, hermod.Detail(err), p.count(), step.want, step.reads)
		}
	}
	if !strings.Contains(log.String(), "502 Bad Gateway") {
		t.Errorf("the log does not tell of the outage: %s", log)
	}
}

func TestTokensOfAnUnreachableIssuerDoNotDecideHowOftenItIsAsked(t *testing.T) {
	t.Parallel()
	s := newService()
	p := newIDP(t, jwk("rsa", "RS256"))
	s.trust(t, p)
	p.set(func() {
		p.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	})
	for i, reads := range []int{1, 1, 1, 2} {
		_, err := s.authenticate(t, "Bearer "+s.outside(t, "RS256", "rsa", nil))
		if hermod.CodeOf(err) != hermod.CodeUnavailable || p.count() != reads {
			t.Errorf("token %d: %v after %d reads, want %d", i, hermod.Detail(err), p.count(), reads)
		}
		s.advance(4 * time.Second)
	}
}

func TestAKeySetThatCannotBeUsedIsAFault(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := jwk("rsa", "RS256")
	change := func(members ...any) http.HandlerFunc {
		key := maps.Clone(good)
		for i := 0; i < len(members); i += 2 {
			key[members[i].(string)] = members[i+1]
		}
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + string(mustJSON(key)) + `]}`))
		}
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	target := newIDP(t, good)
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":                     text(""),
		"no JSON":                     text("<html>"),
		"no keys":                     text(`{"keys":[]}`),
		"keys of no kind":             text(`{"keys":[1,"x",null]}`),
		"another document":            text(`{"issuer":"x"}`),
		"more than 64 KB":             text(`{"keys":[` + string(mustJSON(good)) + `],"x":"` + strings.Repeat("x", 64<<10) + `"}`),
		"a redirect":                  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) },
		"another success":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a key to encrypt with":       change("use", "enc"),
		"a key of another algorithm":  change("alg", "RS512"),
		"a shared secret":             change("kty", "oct", "alg", "HS256", "k", "c2VjcmV0"),
		"a key without an id":         change("kid", ""),
		"a weak key":                  change("n", b64(weak.N.Bytes())),
		"an endless key":              change("n", strings.Repeat("_", 2000)),
		"an even modulus":             change("n", b64(append(bytes.Repeat([]byte{255}, 255), 254))),
		"an exponent of 1":            change("e", "AQ"),
		"an even exponent":            change("e", "Ag"),
		"an exponent that is no text": change("e", 65537),
		"a modulus that is no base64": change("n", "!"),
		"another curve":               change("kty", "EC", "crv", "P-521", "alg", "ES256"),
		"a point off the curve":       change("kty", "EC", "crv", "P-256", "alg", "ES256", "x", b64(make([]byte, 32)), "y", b64(make([]byte, 32))),
		"a short point":               change("kty", "EC", "crv", "P-256", "alg", "ES256", "x", "AQ", "y", "AQ"),
	} {
		s := newService()
		p := newIDP(t)
		p.answer = answer
		s.trust(t, p)
		_, err := s.authenticate(t, "Bearer "+s.outside(t, "RS256", "rsa", nil))
		if hermod.CodeOf(err) != hermod.CodeUnavailable || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if target.count() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestManyOutsideTokensOfANewKeyReadTheKeysOnce(t *testing.T) {
	t.Parallel()
	s := newService()
	p := newIDP(t, jwk("rsa", "RS256"))
	s.trust(t, p)
	if _, err := s.authenticate(t, "Bearer "+s.outside(t, "RS256", "rsa", nil)); err != nil {
		t.Fatal(err)
	}
	p.set(func() { p.keys = append(p.keys, jwk("ec", "ES256")) })
	s.advance(time.Minute)
	var wg sync.WaitGroup
	for range 20 {
		token := s.outside(t, "ES256", "ec", nil)
		wg.Go(func() {
			if _, err := s.authenticate(t, "Bearer "+token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.count(); n != 2 {
		t.Errorf("%d reads", n)
	}
}

func TestThePublishedKeysVerifyWhatIsSigned(t *testing.T) {
	t.Parallel()
	s := newService()
	token := s.issue(t)
	published, err := s.Keys.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set := auth.JWKSOf(published)
	if len(set.Keys) != 1 {
		t.Fatalf("%+v", set)
	}
	k := set.Keys[0]
	if k.Type != "RSA" || k.Use != "sig" || k.Algorithm != "RS256" || k.ID != kid(t, token) || k.Exponent != "AQAB" || strings.Contains(k.Modulus, "=") {
		t.Errorf("%+v", k)
	}
	if text := string(mustJSON(set)); !strings.HasPrefix(text, `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"`) || strings.Contains(text, `"d"`) {
		t.Errorf("%s", text)
	}
	if empty := string(mustJSON(auth.JWKSOf(nil))); empty != `{"keys":[]}` {
		t.Errorf("%s", empty)
	}
	if scopes := auth.Scopes(); !slices.Contains(scopes, hermod.ScopePublishAny) {
		t.Errorf("%v", scopes)
	}
}
