package signicat_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

const (
	tokenPath = "/auth/open/connect/token"
	formMedia = "application/x-www-form-urlencoded"
)

func basic(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
}

// odd is a client whose id and secret hold all that forms and headers have a
// meaning for.
func odd() provision.Client {
	return provision.Client{ID: "odd+id é:", Secret: "p%41+s&s=w:ö \"", Account: local, Scopes: []string{hermod.ScopeManage}}
}

func TestTheTokenEndpointFollowsRFC6749(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := provision.Apply(t.Context(), w.DB, odd(), start); err != nil {
		t.Fatal(err)
	}
	const grant = "grant_type=client_credentials"
	const inBody = grant + "&client_id=local&client_secret=local-secret"
	oddID, oddSecret := url.QueryEscape(odd().ID), url.QueryEscape(odd().Secret)
	for name, tt := range map[string]struct {
		form   string
		header []string
		// want is the error's code, or "scope: " and the scopes.
		want   string
		status int
	}{
		"in the body":                   {inBody, nil, "scope: signicat-api events.publish", 200},
		"in the header":                 {grant, basic("local", "local-secret"), "scope: signicat-api events.publish", 200},
		"in a header in another case":   {grant, []string{"Authorization", strings.Replace(basic("local", "local-secret")[1], "Basic", "bASIC", 1)}, "scope: signicat-api events.publish", 200},
		"with a charset":                {inBody, []string{"Content-Type", formMedia + "; charset=UTF-8"}, "scope: signicat-api events.publish", 200},
		"beside another kind of header": {inBody, []string{"Authorization", "Bearer x"}, "scope: signicat-api events.publish", 200},
		"with the id in both":           {grant + "&client_id=local", basic("local", "local-secret"), "scope: signicat-api events.publish", 200},
		"a scope of two":                {inBody + "&scope=signicat-api", nil, "scope: signicat-api", 200},
		"scopes held and not":           {inBody + "&scope=openid+events.publish++events.publish.any", nil, "scope: events.publish", 200},
		"no scope asked for":            {inBody + "&scope=", nil, "scope: signicat-api events.publish", 200},
		"unknown parameters":            {inBody + "&resource=x&resource=y", nil, "scope: signicat-api events.publish", 200},
		"odd characters in the body":    {grant + "&client_id=" + oddID + "&client_secret=" + oddSecret, nil, "scope: signicat-api", 200},
		"odd characters in the header":  {grant, basic(oddID, oddSecret), "scope: signicat-api", 200},
		"odd ones without encoding":     {grant, basic(odd().ID, odd().Secret), "invalid_client", 401},
		"no scope of those held":        {inBody + "&scope=events.publish.any", nil, "invalid_scope", 400},
		"a wrong secret":                {grant + "&client_id=local&client_secret=x", nil, "invalid_client", 401},
		"a wrong secret in the header":  {grant, basic("local", "x"), "invalid_client", 401},
		"an unknown client":             {grant, basic("nobody", "x"), "invalid_client", 401},
		"another's secret":              {grant, basic("local", "other-secret"), "invalid_client", 401},
		"no secret":                     {grant + "&client_id=local", nil, "invalid_client", 401},
		"no client":                     {grant, nil, "invalid_client", 401},
		"a header that is no base64":    {inBody, []string{"Authorization", "Basic %%%"}, "invalid_client", 401},
		"a header that is no form":      {grant, basic("local%zz", "local-secret"), "invalid_client", 401},
		"an endless id":                 {grant, basic(strings.Repeat("x", 5000), "x"), "invalid_client", 401},
		"both":                          {inBody, basic("local", "local-secret"), "invalid_request", 400},
		"two clients":                   {grant + "&client_id=other", basic("local", "local-secret"), "invalid_request", 400},
		"a parameter twice":             {inBody + "&client_id=other", nil, "invalid_request", 400},
		"a grant twice":                 {inBody + "&" + grant, nil, "invalid_request", 400},
		"a scope twice":                 {inBody + "&scope=a&scope=b", nil, "invalid_request", 400},
		"no grant":                      {"client_id=local&client_secret=local-secret", nil, "invalid_request", 400},
		"nothing":                       {"", nil, "invalid_request", 400},
		"another grant":                 {"grant_type=password&client_id=local&client_secret=local-secret", nil, "unsupported_grant_type", 400},
		"the grant in another case":     {strings.Replace(inBody, "client_cred", "Client_Cred", 1), nil, "unsupported_grant_type", 400},
		"JSON":                          {`{"grant_type":"client_credentials"}`, []string{"Content-Type", "application/json"}, "invalid_request", 400},
		"no content type":               {inBody, []string{"Content-Type", ""}, "invalid_request", 400},
		"no form":                       {"%zz", nil, "invalid_request", 400},
	} {
		header := tt.header
		if len(header) == 0 || header[0] != "Content-Type" {
			header = append([]string{"Content-Type", formMedia}, header...)
		}
		a := w.do(t, "", http.MethodPost, tokenPath, tt.form, header...)
		var got struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
			Scope       string
			Error       string
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Errorf("%s: %v: %s", name, err, a.body)
			continue
		}
		code := got.Error
		if a.status == http.StatusOK {
			code = "scope: " + got.Scope
			if got.ExpiresIn != 600 || got.TokenType != "Bearer" || strings.Count(got.AccessToken, ".") != 2 {
				t.Errorf("%s: %s", name, a.body)
			}
		} else if got.Description == "" || got.AccessToken != "" {
			t.Errorf("%s: %s", name, a.body)
		}
		if a.status != tt.status || code != tt.want {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, tt.status, tt.want)
		}
		if (a.status == http.StatusUnauthorized) != (a.header.Get("WWW-Authenticate") != "") || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: header %v", name, a.header)
		}
	}
	if log := w.Lines.String(); strings.Contains(log, "secret") || strings.Contains(log, "eyJ") {
		t.Error("the log holds a secret or a token")
	}
}

func TestATokenThatWasIssuedOpensTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials&scope=signicat-api&client_id=other&client_secret=other-secret", "Content-Type", formMedia)
	token, _ := a.json(t, http.StatusOK)["access_token"].(string)
	// The .NET SDK takes the account out of the token and adds it to every request.
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Account string `json:"account_id"`
	}
	if err := json.Unmarshal(claims, &c); err != nil || c.Account != other {
		t.Fatalf("claims %s: %v", claims, err)
	}
	list := w.do(t, "", http.MethodGet, subscriptionsPath+"?signicat-accountId="+c.Account, "", "Authorization", "Bearer "+token, "Signicat-SDK", "dotnet 1.0.0")
	wantStatus(t, "list", list, http.StatusOK)
	wantStatus(t, "publish", w.do(t, "", http.MethodPost, eventsPath, event(""), "Authorization", "Bearer "+token), http.StatusForbidden)
}
