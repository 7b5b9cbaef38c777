package main_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	localAccount = "a-spge-LocalAccount00000001"
	newTenant    = "33333333-3333-4333-8333-333333333333"
)

// status is what the node answers to a GET with the headers, which are pairs.
func (p *process) status(path string, header ...string) int {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode
}

func TestCredentialsOfOtherAPIsAreMadeByCommand(t *testing.T) {
	t.Parallel()
	s := stop(t)
	create := func(kind, tenant string, args ...string) string {
		return s.keys("create", append([]string{"-account", localAccount, "-name", "Made by command", "-type", kind, "-tenant", tenant}, args...)...)
	}
	universign := word(t, create("universignKey", "wsp_new", "-role", "admin"), "key")
	plain := word(t, create("universignKey", "wsp_new", "-role", "none"), "key")
	signly := word(t, create("signlyKey", newTenant), "key")
	hmac := word(t, create("signlyHmac", newTenant), "key")
	teliaKey := word(t, create("teliaKey", newTenant), "key")
	login := create("teliaLogin", newTenant, "-login", "robot")
	password := word(t, login, "password")
	for prefix, secret := range map[string]string{"apikey_": universign, "sk_": signly} {
		if !strings.HasPrefix(secret, prefix) {
			t.Errorf("%s does not begin with %s", secret, prefix)
		}
	}
	twice := []string{"keys", "create", "-data", s.data, "-account", localAccount, "-name", "Again", "-type", "teliaLogin", "-tenant", newTenant, "-login", "robot"}
	if said, ok := s.do(twice...); ok || !strings.Contains(said, `has a login "robot"`) {
		t.Errorf("the same login twice: %s", said)
	}
	list := s.keys("list", "-account", localAccount)
	for _, row := range []string{
		`(?m)^telia-login:` + newTenant + `/robot +"Made by command" +` + newTenant + ` +telia-sign +\S+Z +-$`,
		`(?m)^universign-key:[0-9a-f]{32} +"Made by command" +wsp_new +universign +\S+Z +-$`,
	} {
		if !regexp.MustCompile(row).MatchString(list) {
			t.Errorf("no row %s in\n%s", row, list)
		}
	}
	for _, secret := range []string{universign, plain, signly, hmac, teliaKey, password} {
		if strings.Contains(list, secret) {
			t.Error("the list shows a secret")
		}
	}
	s.running(func(p *process) {
		keys := "/universign/v1/api-keys"
		body, _ := json.Marshal(map[string]string{"login": "robot", "password": password, "tenantid": newTenant})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+"/identity/login", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Ocp-Apim-Subscription-Key", teliaKey)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string][2]int{
			"the admin's key": {p.status(keys, "Authorization", "Bearer "+universign), http.StatusOK},
			"the plain key":   {p.status(keys, "Authorization", "Bearer "+plain), http.StatusForbidden},
			"the login":       {answer.StatusCode, http.StatusOK},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: status %d, want %d", what, got[0], got[1])
			}
		}
	})
}

func TestTheKeysOfWebhooksAreRotatedApartFromThoseOfTokens(t *testing.T) {
	t.Parallel()
	s := stop(t)
	s.keys("rotate", "-use", "universign")
	s.keys("rotate", "-use", "universign")
	list := s.keys("list")
	for _, row := range []string{
		`(?m)^[0-9a-f]{16} +access +\S+Z +signing$`, `(?m)^scd_[0-9a-f]{16} +universign +\S+Z +signing$`, `(?m)^scd_[0-9a-f]{16} +universign +\S+Z +next$`,
	} {
		if n := len(regexp.MustCompile(row).FindAllString(list, -1)); n != 1 {
			t.Errorf("%d rows %s in\n%s", n, row, list)
		}
	}
	s.running(func(p *process) {
		published := func(path string) (ids []string) {
			answer, err := http.Get(p.base + path)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close() //nolint:errcheck // it was read
			var set struct{ Keys []struct{ Kid string } }
			if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
				t.Fatal(err)
			}
			for _, k := range set.Keys {
				ids = append(ids, k.Kid)
			}
			return ids
		}
		isWebhooks := func(id string) bool { return strings.HasPrefix(id, "scd_") }
		if keys := published("/universign/v1/webhooks/jwks.json"); len(keys) != 2 || !isWebhooks(keys[0]) || !isWebhooks(keys[1]) {
			t.Errorf("published for webhooks: %v", keys)
		}
		if keys := published("/auth/open/.well-known/openid-configuration/jwks"); slices.ContainsFunc(keys, isWebhooks) {
			t.Errorf("published for tokens: %v", keys)
		}
	})
}

func TestABadCredentialOfAnotherAPIIsToldInOneLine(t *testing.T) {
	t.Parallel()
	s := stop(t)
	for want, args := range map[string][]string{
		"-tenant is required":                         {"-type", "signlyKey"},
		"-tenant must be a GUID":                      {"-type", "teliaKey", "-tenant", "x"},
		"-tenant must begin with wsp_":                {"-type", "universignKey", "-tenant", "x", "-role", "none"},
		"-login is for teliaLogin":                    {"-type", "signlyKey", "-tenant", "x", "-login", "y"},
		"which needs one of at most":                  {"-type", "teliaLogin", "-tenant", newTenant},
		`-role "": want owner`:                        {"-type", "universignKey", "-tenant", "wsp_x"},
		"-role is for universignKey":                  {"-type", "signlyKey", "-tenant", "x", "-role", "none"},
		"-scopes is not for signlyKey":                {"-type", "signlyKey", "-tenant", "x", "-scopes", "signly"},
		"-tenant, -login and -role are":               {"-tenant", "x"},
		`-type "x": want apiKey, client or signlyKey`: {"-type", "x"},
	} {
		said, ok := s.do(append([]string{"keys", "create", "-data", s.data, "-account", localAccount, "-name", "Bad"}, args...)...)
		if ok || !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: %q, want %q", args, said, want)
		}
	}
	if said, ok := s.do("keys", "rotate", "-data", s.data, "-use", "x"); ok || !strings.Contains(said, `-use "x"`) {
		t.Errorf("%q", said)
	}
}
