package auth_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A service is all of auth over a store in memory, with a clock moved by hand.
type service struct {
	mu          sync.Mutex
	at          time.Time
	keys        []hermod.SigningKey
	credentials map[string]*hermod.Credential
	keyReads    int
	drawn       byte
	// fault fails every read of the store.
	fault error

	Keys   *auth.Keys
	Issuer *auth.Issuer
	Bearer *auth.Bearer
}

const (
	account      = "a-spge-One"
	organization = "o-p-Org"
	issuer       = "http://host/auth/open"
)

func newService() *service {
	s := &service{at: start, credentials: map[string]*hermod.Credential{}}
	s.put(hermod.Credential{
		ID: auth.OAuthClient("client"), SecretHash: auth.HashSecret("secret"), Account: account, Organization: organization,
		Scopes: []string{hermod.ScopeManage, hermod.ScopePublish},
	})
	s.Keys = s.newKeys()
	s.Issuer = &auth.Issuer{Keys: s.Keys, Credentials: s, Now: s.now, TokenID: func() string { return "jti" }}
	s.Bearer = &auth.Bearer{Keys: s.Keys, Credentials: s, Now: s.now}
	return s
}

// newKeys are the keys as another process over the same store has them.
func (s *service) newKeys() *auth.Keys { return &auth.Keys{Store: s, Sealer: boxes{}, Now: s.now} }

func (s *service) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *service) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

func (s *service) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *service) put(c hermod.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credentials[c.ID] = &c
}

func (s *service) Credential(_ context.Context, id string) (*hermod.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return nil, s.fault
	}
	c, ok := s.credentials[id]
	if !ok {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no credential")
	}
	return c, nil
}

func (s *service) SigningKeys(context.Context) ([]hermod.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyReads++
	return slices.Clone(s.keys), s.fault
}

func (s *service) PutSigningKey(_ context.Context, k hermod.SigningKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.Insert(s.keys, 0, k)
	return nil
}

func (s *service) DeleteSigningKey(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.DeleteFunc(s.keys, func(k hermod.SigningKey) bool { return k.ID == id })
	return s.fault
}

// stored are the rows of the signing keys, the newest first.
func (s *service) stored() []hermod.SigningKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

func (s *service) Credentials(_ context.Context, account string) ([]*hermod.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*hermod.Credential
	for _, id := range slices.Sorted(maps.Keys(s.credentials)) {
		if c := s.credentials[id]; c.Account == account {
			all = append(all, c)
		}
	}
	return all, s.fault
}

func (s *service) PutCredential(_ context.Context, c *hermod.Credential) error {
	s.put(*c)
	return nil
}

// boxes seal by writing for whom on the lid.
type boxes struct{}

func (boxes) Seal(_ context.Context, owner, name string, plaintext []byte) ([]byte, error) {
	return append([]byte(owner+"|"+name+"|"), plaintext...), nil
}

func (boxes) Open(_ context.Context, owner, name string, sealed []byte) ([]byte, error) {
	plaintext, ok := bytes.CutPrefix(sealed, []byte(owner+"|"+name+"|"))
	if !ok {
		return nil, errors.New("not sealed for this one")
	}
	return plaintext, nil
}

// private opens a stored signing key, which no caller could.
func private(t *testing.T, k hermod.SigningKey) *rsa.PrivateKey {
	t.Helper()
	der, err := boxes{}.Open(t.Context(), "hermod", k.ID, k.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

func (s *service) issue(t testing.TB) string {
	t.Helper()
	token, _, err := s.Issuer.Issue(t.Context(), issuer, "client", "secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *service) authenticate(t *testing.T, header string) (*hermod.Principal, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", header)
	return s.Bearer.Authenticate(r)
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
