package signicat_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

const credentialsPath = signicat.Base + "/credentials"

// credential creates a credential of the local account and gives the answer.
func (w *world) credential(t *testing.T, members string) map[string]any {
	t.Helper()
	return w.do(t, "local", http.MethodPost, credentialsPath, "{"+members+"}").json(t, http.StatusCreated)
}

// bearer asks with a bearer token.
func (w *world) bearer(t *testing.T, token, method, target, body string) answer {
	t.Helper()
	return w.do(t, "", method, target, body, "Authorization", "Bearer "+token)
}

func TestACredentialIsCreatedAndItsSecretShownOnce(t *testing.T) {
	t.Parallel()
	for kind, secrets := range map[string][]string{"client": {"clientSecret"}, "apiKey": {"apiKey"}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.advance(time.Second)
			a := w.do(t, "local", http.MethodPost, credentialsPath, `{"type":"`+kind+`","name":"Billing","scopes":["events.publish"],"unknown":1}`)
			made := a.json(t, http.StatusCreated)
			id, _ := made["id"].(string)
			link := "http://host" + credentialsPath + "/" + id
			if a.header.Get("Location") != link || a.header.Get("Cache-Control") != "no-store" || made["url"] != link {
				t.Errorf("headers %v of %s", a.header, a.body)
			}
			want := map[string]any{
				"type": kind, "name": "Billing", "scopes": []any{"events.publish"}, "accountId": local, "organizationId": organization,
				"createdAt": "2026-03-01T12:00:01Z", "revokedAt": nil, "id": id, "url": link,
			}
			if kind == "client" {
				want["clientId"] = strings.TrimPrefix(id, "oauth:")
			}
			read := w.do(t, "local", http.MethodGet, credentialsPath+"/"+id, "")
			if got := read.json(t, http.StatusOK); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("read %v, want %v", got, want)
			}
			list := w.do(t, "local", http.MethodGet, credentialsPath, "")
			data := list.json(t, http.StatusOK)["data"].([]any)
			if fmt.Sprint(data[0]) != fmt.Sprint(want) {
				t.Errorf("listed %v, want %v", data[0], want)
			}
			for _, name := range secrets {
				secret, _ := made[name].(string)
				if len(secret) < 52 || strings.Contains(string(read.body)+string(list.body)+w.Lines.String(), secret) {
					t.Errorf("%s %q is shown again", name, secret)
				}
				want[name] = secret
			}
			if fmt.Sprint(made) != fmt.Sprint(want) {
				t.Errorf("created %v, want %v", made, want)
			}
		})
	}
}

func TestACredentialOpensWhatItHoldsUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.credential(t, `"type":"apiKey","name":"Publisher","scopes":["events.publish"]`)
	client := w.credential(t, `"type":"client","name":"Publisher","scopes":["events.publish"]`)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client["clientId"].(string)}, "client_secret": {client["clientSecret"].(string)}}
	issue := func() answer {
		return w.do(t, "", http.MethodPost, tokenPath, form.Encode(), "Content-Type", formMedia)
	}
	tokens := map[string]string{
		"an API key": key["apiKey"].(string), "a client": issue().json(t, http.StatusOK)["access_token"].(string),
	}
	for what, token := range tokens {
		wantStatus(t, what+" publishes", w.bearer(t, token, http.MethodPost, eventsPath, event("")), http.StatusAccepted)
		wantStatus(t, what+" manages", w.bearer(t, token, http.MethodGet, credentialsPath, ""), http.StatusForbidden)
	}
	for _, made := range []map[string]any{key, client} {
		path := credentialsPath + "/" + made["id"].(string)
		for range 2 { // it is idempotent
			wantStatus(t, "revoke", w.do(t, "local", http.MethodDelete, path, ""), http.StatusNoContent)
			w.advance(time.Minute)
		}
		if at := w.do(t, "local", http.MethodGet, path, "").json(t, http.StatusOK)["revokedAt"]; at == nil {
			t.Errorf("%s: revokedAt is null", path)
		}
	}
	for what, token := range tokens {
		wantStatus(t, what+" that was revoked", w.bearer(t, token, http.MethodPost, eventsPath, event("")), http.StatusUnauthorized)
	}
	wantStatus(t, "a token for a revoked client", issue(), http.StatusUnauthorized)
}

func TestACredentialHoldsNoMoreThanItsMaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		scopes, want string
		status       int
	}{
		"its own":          {`,"scopes":["events.publish","signicat-api"]`, "[events.publish signicat-api]", 201},
		"one twice":        {`,"scopes":["events.publish","events.publish"]`, "[events.publish]", 201},
		"none said":        {"", "[signicat-api events.publish]", 201},
		"null":             {`,"scopes":null`, "[signicat-api events.publish]", 201},
		"one more":         {`,"scopes":["events.publish","events.publish.any"]`, "", 403},
		"one of nobody":    {`,"scopes":["admin"]`, "", 403},
		"one in capitals":  {`,"scopes":["Signicat-Api"]`, "", 403},
		"an empty one":     {`,"scopes":[""]`, "", 403},
		"no scope":         {`,"scopes":[]`, "", 400},
		"a text of scopes": {`,"scopes":"events.publish"`, "", 400},
	} {
		a := w.do(t, "local", http.MethodPost, credentialsPath, `{"type":"apiKey","name":"abc"`+tt.scopes+`}`)
		if got := a.json(t, tt.status)["scopes"]; tt.status == 201 && fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	// What was asked for in the token bounds it too, not what its client holds.
	token, _, err := w.issuer.Issue(t.Context(), "http://host/auth/open", "local", "local-secret", []string{hermod.ScopeManage})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "with a narrower token", w.bearer(t, token, http.MethodPost, credentialsPath, `{"type":"apiKey","name":"abc","scopes":["events.publish"]}`), http.StatusForbidden)
	made := w.bearer(t, token, http.MethodPost, credentialsPath, `{"type":"apiKey","name":"abc"}`).json(t, http.StatusCreated)
	if fmt.Sprint(made["scopes"]) != "[signicat-api]" {
		t.Errorf("%v", made)
	}
}

func TestABadCredentialIsRefusedMemberByMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]string{
		`{}`: "[type name]",
		`{"type":"password","name":"ab","scopes":7}`:                   "[type name scopes]",
		`{"type":"apikey","name":"` + strings.Repeat("n", 65) + `"}`:   "[type name]",
		`{"type":1,"name":2}`:                                          "[type name]",
		`{"type":null,"name":null}`:                                    "[type name]",
		`{"type":"client","name":"abc","name":"def"}`:                  "[name]",
		`{"type":"client","name":"` + strings.Repeat("é", 2) + `"}`:    "[name]",
		`{"type":"apiKey","name":"abc","scopes":["events.publish",7]}`: "[scopes]",
	} {
		got := w.do(t, "local", http.MethodPost, credentialsPath, body).wrong(t)
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	for _, body := range []string{"", "[]", "{", `"x"`} {
		wantStatus(t, body, w.do(t, "local", http.MethodPost, credentialsPath, body), http.StatusBadRequest)
	}
	wantStatus(t, "a form", w.do(t, "local", http.MethodPost, credentialsPath, "type=client", "Content-Type", formMedia), http.StatusUnsupportedMediaType)
}

func TestCredentialsAreListedNewestFirstByThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := []string{"oauth:local", "oauth:reader"} // of the first start, at the same moment
	for range 5 {
		w.advance(time.Second)
		want = append(want, w.credential(t, `"type":"apiKey","name":"abc"`)["id"].(string))
	}
	wantStatus(t, "revoke", w.do(t, "local", http.MethodDelete, credentialsPath+"/"+want[3], ""), http.StatusNoContent)
	slices.Reverse(want)
	var got []string
	for link := credentialsPath + "?limit=2"; link != ""; {
		page := w.do(t, "local", http.MethodGet, strings.TrimPrefix(link, "http://host"), "").json(t, http.StatusOK)
		for _, item := range page["data"].([]any) {
			item := item.(map[string]any)
			got = append(got, item["id"].(string))
			if revoked := item["revokedAt"] != nil; revoked != (item["id"] == want[3]) {
				t.Errorf("%v", item)
			}
		}
		link, _ = page["next"].(string)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "page=x"} {
		wantStatus(t, query, w.do(t, "local", http.MethodGet, credentialsPath+"?"+query, ""), http.StatusBadRequest)
	}
}

func TestFirstStartCredentialsAreListedInTheirAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, client := range []string{"local", "other"} {
		a := w.do(t, client, http.MethodGet, credentialsPath, "")
		a.json(t, http.StatusOK)
		if !strings.Contains(string(a.body), `"clientId":"`+client+`"`) || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s", a.body)
		}
	}
}

func TestACredentialOfAClientWithAnOddIDIsFoundByItsLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := auth.OAuthClient("odd+id é:?#%41")
	if err := w.DB.PutCredential(t.Context(), &hermod.Credential{ID: id, Account: local}); err != nil {
		t.Fatal(err)
	}
	path := credentialsPath + "/" + url.PathEscape(id)
	a := w.do(t, "local", http.MethodGet, path, "").json(t, http.StatusOK)
	if a["id"] != id || a["url"] != "http://host"+path || fmt.Sprint(a["scopes"]) != "[]" || a["name"] != nil || a["createdAt"] != nil {
		t.Errorf("%v", a)
	}
	for _, missing := range []string{"apikey:nobody", "local", "oauth:", "oauth:%FF", "oauth:" + strings.Repeat("x", 1000), "signing-keys"} {
		wantStatus(t, missing, w.do(t, "local", http.MethodGet, credentialsPath+"/"+missing, ""), http.StatusNotFound)
	}
}

func TestCredentialsOfOtherDialectsDoNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, secret := range provision.LocalSecrets() {
		if err := provision.ApplySecret(t.Context(), w.DB, secret, start); err != nil {
			t.Fatal(err)
		}
	}
	all, err := w.DB.Credentials(t.Context(), local)
	if err != nil || len(all) < 7 {
		t.Fatalf("%d credentials, %v", len(all), err)
	}
	list := w.do(t, "local", http.MethodGet, credentialsPath, "")
	for _, c := range all {
		_, client := auth.ClientID(c.ID)
		if shown := strings.Contains(string(list.body), c.ID); shown != client {
			t.Errorf("%s is shown: %v", c.ID, shown)
		}
		if !client {
			wantStatus(t, c.ID, w.do(t, "local", http.MethodDelete, credentialsPath+"/"+url.PathEscape(c.ID), ""), http.StatusNotFound)
		}
	}
}

func TestTheCredentialOneCallsWithCanBeRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.credential(t, `"type":"apiKey","name":"Mine"`)
	key, path := made["apiKey"].(string), credentialsPath+"/"+made["id"].(string)
	wantStatus(t, "revoke", w.bearer(t, key, http.MethodDelete, path, ""), http.StatusNoContent)
	w.advance(time.Minute)
	wantStatus(t, "afterwards", w.bearer(t, key, http.MethodGet, path, ""), http.StatusUnauthorized)
}

func TestACredentialIsRevokedByOneThatHoldsAllItsScopesOrByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(scopes string) (path string) {
		made := w.do(t, "privileged", http.MethodPost, credentialsPath, `{"type":"apiKey","name":"Key","scopes":[`+scopes+`]}`).json(t, http.StatusCreated)
		return credentialsPath + "/" + made["id"].(string)
	}
	all := create(`"signicat-api","events.publish","events.internal","events.global"`)
	one := create(`"events.global"`)
	equal := create(`"signicat-api","events.publish"`)
	for path, want := range map[string]int{
		credentialsPath + "/oauth:privileged": 403, all: 403, one: 403, equal: 204,
	} {
		wantStatus(t, path, w.do(t, "ordinary", http.MethodDelete, path, ""), want)
		at := w.do(t, "privileged", http.MethodGet, path, "").json(t, http.StatusOK)["revokedAt"]
		if (at != nil) != (want == http.StatusNoContent) {
			t.Errorf("%s: revokedAt is %v", path, at)
		}
	}
	wantStatus(t, "by its better", w.do(t, "privileged", http.MethodDelete, all, ""), http.StatusNoContent)
	// The token of a client may hold less than the client.
	narrow, _, err := w.issuer.Issue(t.Context(), "http://host/auth/open", "privileged", "s", []string{hermod.ScopeManage})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "with a narrow token", w.bearer(t, narrow, http.MethodDelete, one, ""), http.StatusForbidden)
	wantStatus(t, "itself", w.bearer(t, narrow, http.MethodDelete, credentialsPath+"/oauth:privileged", ""), http.StatusNoContent)
}

func TestAnAccountHasAHundredCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const body = `{"type":"client","name":"abc"}`
	for i := range auth.MaxCredentials - 1 { // other has one
		if err := w.DB.PutCredential(t.Context(), &hermod.Credential{ID: auth.APIKey(fmt.Sprint(i)), Account: other, CreatedAt: start}); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, "one more", w.do(t, "other", http.MethodPost, credentialsPath, body), http.StatusConflict)
	wantStatus(t, "of another account", w.do(t, "local", http.MethodPost, credentialsPath, body), http.StatusCreated)
	wantStatus(t, "revoke", w.do(t, "other", http.MethodDelete, credentialsPath+"/apikey:7", ""), http.StatusNoContent)
	wantStatus(t, "after a revocation", w.do(t, "other", http.MethodPost, credentialsPath, body), http.StatusCreated)
}

// TestNoSecretIsEverLogged looks for every secret of these requests in all that was
// logged, as it is and in the forms a log would write it in.
func TestNoSecretIsEverLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.credential(t, `"type":"apiKey","name":"abc"`)["apiKey"].(string)
	client := w.credential(t, `"type":"client","name":"abc"`)
	clientSecret := client["clientSecret"].(string)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client["clientId"].(string)}, "client_secret": {clientSecret}}
	token := w.do(t, "", http.MethodPost, tokenPath, form.Encode(), "Content-Type", formMedia).json(t, http.StatusOK)["access_token"].(string)
	secrets := []string{key, key[strings.LastIndexByte(key, '_')+1:], clientSecret, token, token[strings.LastIndexByte(token, '.')+1:], "local-secret"}
	for _, secret := range slices.Clone(secrets) {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(secret)), string(auth.HashSecret(secret)), fmt.Sprintf("%x", auth.HashSecret(secret)))
		for _, bearer := range []string{secret, secret + "x", "hk_" + secret} {
			for _, target := range []string{credentialsPath, eventsPath, subscriptionsPath, "/nothing"} {
				w.bearer(t, bearer, http.MethodGet, target, "")
				w.bearer(t, bearer, http.MethodPost, target, "{")
			}
		}
		w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials&client_id=local&client_secret="+secret, "Content-Type", formMedia)
		w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials", append(basic(client["clientId"].(string), secret), "Content-Type", formMedia)...)
		w.do(t, "", http.MethodPost, tokenPath, "grant_type=x&client_secret="+secret, "Content-Type", formMedia)
	}
	log := w.Lines.String()
	if lines := strings.Count(log, "\n"); lines < 100 {
		t.Fatalf("%d lines were logged", lines)
	}
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.12q...", secret)
		}
	}
}

func TestTheIssuerDescribesItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/auth/open/.well-known/openid-configuration", "/auth/open/.well-known/openid-configuration/jwks"} {
		if a := w.do(t, "", http.MethodGet, path, ""); a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", path, a.header)
		}
	}
	got := w.do(t, "", http.MethodGet, "/auth/open/.well-known/openid-configuration", "").json(t, http.StatusOK)
	want := map[string]any{
		"issuer": "http://host/auth/open", "token_endpoint": "http://host/auth/open/connect/token",
		"jwks_uri":              "http://host/auth/open/.well-known/openid-configuration/jwks",
		"grant_types_supported": []any{"client_credentials"}, "token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post"},
		"scopes_supported":         []any{"signicat-api", "events.publish", "events.publish.any", "events.internal", "events.global"},
		"response_types_supported": []any{"id_token"}, "subject_types_supported": []any{"public"},
		"id_token_signing_alg_values_supported": []any{"RS256"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	keys := w.do(t, "", http.MethodGet, strings.TrimPrefix(want["jwks_uri"].(string), "http://host"), "").json(t, http.StatusOK)["keys"].([]any)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(w.token(t, "local"), ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Kid string }
	if err := json.Unmarshal(header, &h); err != nil || len(keys) != 1 || keys[0].(map[string]any)["kid"] != h.Kid {
		t.Errorf("%v for %s: %v", keys, header, err)
	}
}
