package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// create makes a credential of the caller's account. It is revoked when the test
// ends: an account has so many.
func (c *caller) create(kind string, scopes ...string) *answer {
	c.t.Helper()
	body := map[string]any{"type": kind, "name": "End to end", "scopes": scopes}
	made := c.api(http.MethodPost, "/credentials", body).want(http.StatusCreated)
	if location := made.header.Get("Location"); location != made.text("url") {
		c.t.Errorf("Location %q of %s", location, made.body)
	}
	c.t.Cleanup(func() {
		// The test's context has ended.
		r, err := http.NewRequest(http.MethodDelete, made.text("url"), nil)
		if err != nil {
			c.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		gone, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Error(err)
			return
		}
		if err := gone.Body.Close(); err != nil || gone.StatusCode != http.StatusNoContent {
			c.t.Errorf("revoking %s: %s, %v", made.text("id"), gone.Status, err)
		}
	})
	return made
}

func testAPIKey(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	made := c.create("apiKey", "events.publish")
	key := &caller{t: t, target: target, token: made.text("apiKey")}
	key.publish(event(s, "a", 1))
	key.api(http.MethodGet, "/events", nil).want(http.StatusForbidden)
	key.api(http.MethodPost, "/credentials", map[string]any{"type": "apiKey", "name": "Another"}).want(http.StatusForbidden)
	c.api(http.MethodPost, "/credentials", map[string]any{"type": "apiKey", "name": "Greedy", "scopes": []string{"events.publish.any"}}).
		want(http.StatusForbidden)

	// A revoked key is remembered for up to a minute where it was used: this one was not.
	unused := c.create("apiKey", "events.publish")
	path := strings.TrimPrefix(unused.text("url"), target.BaseURL+"/events-management")
	c.api(http.MethodDelete, path, nil).want(http.StatusNoContent)
	key.token = unused.text("apiKey")
	if code := key.api(http.MethodPost, "/events", event(s, "b", 1)).want(http.StatusUnauthorized).text("code"); code != "invalid_token" {
		t.Errorf("code %q", code)
	}
	read := c.api(http.MethodGet, path, nil).want(http.StatusOK)
	if read.value("revokedAt") == nil || read.value("apiKey") != nil || strings.Contains(string(read.body), "hk_") {
		t.Errorf("revoked %s", read.body)
	}
	other := target.as(t, "other")
	other.api(http.MethodGet, path, nil).want(http.StatusNotFound)
	other.api(http.MethodDelete, path, nil).want(http.StatusNotFound)
}

func testClientCredential(t *testing.T, target Target) {
	c := target.as(t, "local")
	made := c.create("client", "signicat-api", "events.publish")
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"signicat-api"},
		"client_id": {made.text("clientId")}, "client_secret": {made.text("clientSecret")},
	}.Encode()
	issue := func() *answer {
		anyone := &caller{t: t, target: target}
		return anyone.do(http.MethodPost, target.BaseURL+"/auth/open/connect/token", "application/x-www-form-urlencoded", form)
	}
	client := &caller{t: t, target: target, token: issue().want(http.StatusOK).text("access_token")}
	found := map[string]bool{}
	for link := "/credentials?limit=5"; link != ""; {
		page := client.api(http.MethodGet, link, nil).want(http.StatusOK)
		for _, item := range page.list("data") {
			id, _ := dig(item, "id").(string)
			found[id] = true
		}
		if strings.Contains(string(page.body), made.text("clientSecret")) {
			t.Error("the list shows a secret")
		}
		link, _ = page.value("next").(string)
	}
	if !found[made.text("id")] || !found["oauth:local"] || found["oauth:other"] {
		t.Errorf("listed %v", found)
	}
	client.api(http.MethodDelete, "/credentials/"+made.text("id"), nil).want(http.StatusNoContent)
	issue().want(http.StatusUnauthorized)
}

func testIssuer(t *testing.T, target Target) {
	anyone := &caller{t: t, target: target}
	get := func(link string) *answer {
		a := anyone.do(http.MethodGet, link, "", "").want(http.StatusOK)
		if !strings.HasPrefix(a.header.Get("Cache-Control"), "public") {
			t.Errorf("%s: Cache-Control %q", link, a.header.Get("Cache-Control"))
		}
		return a
	}
	issuer := target.BaseURL + "/auth/open"
	metadata := get(issuer + "/.well-known/openid-configuration")
	if metadata.text("issuer") != issuer || metadata.text("token_endpoint") != issuer+"/connect/token" {
		t.Errorf("metadata %s", metadata.body)
	}
	keys := get(metadata.text("jwks_uri"))
	if len(keys.list("keys")) == 0 || keys.text("keys.0.kty") != "RSA" || keys.text("keys.0.alg") != "RS256" || keys.value("keys.0.d") != nil {
		t.Errorf("keys %s", keys.body)
	}
}
