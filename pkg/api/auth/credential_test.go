package auth_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// registry makes credentials with random bytes that count up.
func (s *service) registry() *auth.Registry {
	return &auth.Registry{Store: s, Now: s.now, Random: func(p []byte) {
		for i := range p {
			s.drawn += 7
			p[i] = s.drawn
		}
	}}
}

func (s *service) apiKey(t testing.TB, scopes ...string) *auth.Created {
	t.Helper()
	made, err := s.registry().CreateAPIKey(t.Context(), hermod.Credential{
		Name: "key", Account: account, Organization: organization, Scopes: scopes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAnAPIKeyIsOneWordAndOpensWhatItHolds(t *testing.T) {
	t.Parallel()
	s := newService()
	made := s.apiKey(t, hermod.ScopePublish)
	if !regexp.MustCompile(`^hk_[a-z2-7]{16}_[a-z2-7]{52}$`).MatchString(made.Secret) {
		t.Errorf("key %q", made.Secret)
	}
	p, err := s.authenticate(t, "Bearer "+made.Secret)
	want := hermod.Principal{CredentialID: made.ID, Account: account, Organization: organization, Scopes: []string{hermod.ScopePublish}}
	if err != nil || fmt.Sprint(*p) != fmt.Sprint(want) || !strings.HasPrefix(made.ID, "apikey:") {
		t.Errorf("%+v, %v", p, err)
	}
	kept := s.credentials[made.ID]
	if secret := made.Secret[strings.LastIndexByte(made.Secret, '_')+1:]; !slices.Equal(kept.SecretHash, auth.HashSecret(secret)) || strings.Contains(kept.ID, secret) {
		t.Errorf("kept %+v", kept)
	}
}

func TestOnlyTheWholeAPIKeyOpens(t *testing.T) {
	t.Parallel()
	s := newService()
	made := s.apiKey(t, hermod.ScopePublish)
	s.put(hermod.Credential{ID: auth.APIKey("client"), SecretHash: auth.HashSecret("secret"), Account: account})
	client, err := s.registry().CreateClient(t.Context(), hermod.Credential{Account: account, Scopes: []string{hermod.ScopePublish}})
	if err != nil {
		t.Fatal(err)
	}
	public, secret := made.Secret[3:19], made.Secret[20:]
	clientID, _ := auth.ClientID(client.ID)
	for name, token := range map[string]string{
		"another secret":           "hk_" + public + "_" + strings.Repeat("a", 52),
		"no secret":                "hk_" + public + "_",
		"the public part":          "hk_" + public,
		"an unknown id":            "hk_" + strings.Repeat("b", 16) + "_" + secret,
		"the secret alone":         secret,
		"a longer one":             made.Secret + "a",
		"in capitals":              strings.ToUpper(made.Secret),
		"another prefix":           "HK" + made.Secret[2:],
		"what is kept of it":       "hk_" + public + "_" + string(auth.HashSecret(secret)),
		"a short one":              "hk_client_secret",
		"a client as a key":        "hk_" + clientID + "_" + client.Secret,
		"the id of the credential": made.ID,
		"nothing of it":            "hk_",
		"not the last bit":         made.Secret[:71] + string(made.Secret[71]^1),
	} {
		if p, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, _, err := s.Issuer.Issue(t.Context(), issuer, public, secret, nil); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("a token for an API key: %v", err)
	}
	if _, err := s.authenticate(t, "Bearer "+made.Secret); err != nil {
		t.Errorf("the whole key: %v", err)
	}
}

func TestARevokedAPIKeyOpensNothingWithinAMinute(t *testing.T) {
	t.Parallel()
	s := newService()
	used, unused := s.apiKey(t, hermod.ScopePublish), s.apiKey(t)
	if _, err := s.authenticate(t, "Bearer "+used.Secret); err != nil {
		t.Fatal(err)
	}
	registry := s.registry()
	for _, made := range []*auth.Created{used, unused} {
		if err := registry.Revoke(t.Context(), &made.Credential); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.authenticate(t, "Bearer "+unused.Secret); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("one that was not used: %v", err)
	}
	s.advance(time.Minute)
	if _, err := s.authenticate(t, "Bearer "+used.Secret); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("one that was: %v", err)
	}
	at := s.credentials[used.ID].RevokedAt
	s.advance(time.Hour)
	if err := registry.Revoke(t.Context(), s.credentials[used.ID]); err != nil || !s.credentials[used.ID].RevokedAt.Equal(at) {
		t.Errorf("revoked again at %v: %v", s.credentials[used.ID].RevokedAt, err)
	}
}

func TestAFaultOfTheStoreSaysNothingAboutAnAPIKey(t *testing.T) {
	t.Parallel()
	s := newService()
	made := s.apiKey(t, hermod.ScopePublish)
	s.fail(hermod.Errorf(hermod.CodeUnavailable, "try again"))
	if _, err := s.authenticate(t, "Bearer "+made.Secret); hermod.CodeOf(err) != hermod.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestAClientMadeByTheRegistryGetsTokens(t *testing.T) {
	t.Parallel()
	s := newService()
	made, err := s.registry().CreateClient(t.Context(), hermod.Credential{Account: account, Scopes: []string{hermod.ScopePublish}})
	if err != nil {
		t.Fatal(err)
	}
	clientID, ok := auth.ClientID(made.ID)
	token, _, err := s.Issuer.Issue(t.Context(), issuer, clientID, made.Secret, nil)
	if err != nil || !ok {
		t.Fatal(err)
	}
	if p, err := s.authenticate(t, "Bearer "+token); err != nil || p.CredentialID != made.ID || !p.Has(hermod.ScopePublish) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnAccountHasSoManyCredentials(t *testing.T) {
	t.Parallel()
	s := newService()
	create := func() error {
		_, err := s.registry().CreateAPIKey(t.Context(), hermod.Credential{Account: account})
		return err
	}
	for i := range auth.MaxCredentials - 1 { // newService made one
		s.put(hermod.Credential{ID: auth.APIKey(fmt.Sprint(i)), Account: account})
		s.put(hermod.Credential{ID: auth.APIKey("other" + fmt.Sprint(i)), Account: "a-spge-Two"})
	}
	if err := create(); hermod.CodeOf(err) != hermod.CodeConflict {
		t.Errorf("one more: %v", err)
	}
	if err := s.registry().Revoke(t.Context(), s.credentials[auth.APIKey("7")]); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Errorf("after a revocation: %v", err)
	}
	s.fail(errors.New("away"))
	if err := create(); hermod.CodeOf(err) != hermod.CodeInternal {
		t.Errorf("with the store away: %v", err)
	}
}

func TestCredentialsAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	s := newService()
	for i, id := range []string{"b", "c", "a"} {
		s.put(hermod.Credential{ID: auth.APIKey(id), Account: account, CreatedAt: start.Add(time.Duration(i/2) * time.Second)})
	}
	all, err := s.registry().List(context.Background(), account)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	if got := fmt.Sprint(ids); got != "[apikey:a apikey:c apikey:b oauth:client]" {
		t.Errorf("%s", got)
	}
}

func TestASecretAloneIsFoundByItsHashAndCountedByItsKind(t *testing.T) {
	t.Parallel()
	s := newService()
	of := func(tenant string, kind auth.Kind) (*auth.Created, error) {
		return s.registry().CreateSecret(t.Context(), kind, "apikey_", 2, hermod.Credential{Account: account, Tenant: tenant, Scopes: []string{"s"}})
	}
	create := func(kind auth.Kind) (*auth.Created, error) { return of("wsp_1", kind) }
	first, err := create(auth.UniversignKey)
	if err != nil || !regexp.MustCompile(`^apikey_[a-z2-7]{52}$`).MatchString(first.Secret) || first.ID != auth.SecretID(auth.UniversignKey, first.Secret) {
		t.Fatalf("%+v, %v", first, err)
	}
	hash, ok := auth.SecretHash(auth.UniversignKey, first.ID)
	if _, other := auth.SecretHash(auth.SignlyKey, first.ID); !ok || other || auth.HashID(auth.UniversignKey, hash) != first.ID {
		t.Errorf("%s is %s", first.ID, hash)
	}
	for _, kind := range []auth.Kind{auth.UniversignKey, auth.SignlyKey, auth.SignlyKey} {
		if _, err := create(kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := create(auth.UniversignKey); hermod.CodeOf(err) != hermod.CodeConflict {
		t.Errorf("a third: %v", err)
	}
	if _, err := of("wsp_2", auth.UniversignKey); err != nil {
		t.Errorf("the first of another tenant: %v", err)
	}
	if err := s.registry().Revoke(t.Context(), &first.Credential); err != nil {
		t.Fatal(err)
	}
	if _, err := create(auth.UniversignKey); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	live, err := s.registry().Live(t.Context(), auth.UniversignKey, account, "wsp_1")
	if err != nil || len(live) != 2 {
		t.Errorf("%d live, %v", len(live), err)
	}
}

func TestALoginIsMadeOnceUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	s := newService()
	create := func() (*auth.Created, error) {
		return s.registry().CreateLogin(t.Context(), "robot", hermod.Credential{Account: account, Tenant: "t"})
	}
	made, err := create()
	if err != nil || made.ID != auth.LoginID("t", "robot") || made.Secret == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := create(); hermod.CodeOf(err) != hermod.CodeConflict {
		t.Errorf("again: %v", err)
	}
	if err := s.registry().Revoke(t.Context(), &made.Credential); err != nil {
		t.Fatal(err)
	}
	if again, err := create(); err != nil || again.Secret == made.Secret {
		t.Errorf("after it was revoked: %v", err)
	}
}
