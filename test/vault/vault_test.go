package vault_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hermod/test/vault"
)

func TestAVaultFindsASecretInEveryForm(t *testing.T) {
	t.Parallel()
	const secret = `hunter2 "é<&>/+=?`
	inJSON, _ := json.Marshal(map[string]string{"a": secret})
	twice, _ := json.Marshal(string(inJSON))
	shown := map[string]string{
		"plain": secret, "JSON": string(inJSON), "JSON in JSON": string(twice), "Go": fmt.Sprintf("%q", secret), "bytes": fmt.Sprintf("%d", []byte("x"+secret)),
		"a query": url.QueryEscape(secret), "a path": url.PathEscape(secret), "hex": hex.EncodeToString([]byte(secret)), "HEX": fmt.Sprintf("%X", secret),
	}
	for shift := range 3 {
		text := []byte(strings.Repeat("x", shift) + secret + "more")
		shown[fmt.Sprint("base64 ", shift)] = base64.StdEncoding.EncodeToString(text)
		shown[fmt.Sprint("base64url ", shift)] = base64.RawURLEncoding.EncodeToString(text)
	}
	var v vault.Vault
	v.Keep("test", secret)
	for form, text := range shown {
		if leaks := v.Leaks([]byte("{\"msg\":\"before\"}\nline " + text + " ends\nafter\n")); len(leaks) == 0 {
			t.Errorf("not found as %s: %s", form, text)
		}
	}
	if leaks := v.Leaks([]byte("hunter2 is not all of it\n")); len(leaks) != 0 {
		t.Errorf("found %q", leaks)
	}
}

func TestAVaultKeepsWhatBodiesHold(t *testing.T) {
	t.Parallel()
	var v vault.Vault
	v.KeepJSON([]byte(`{"typeConfiguration":{"url":"https://u:pw-pw-pw-pw@h/?token=query-query","headers":{"X-A":"header-value"},
		"credential":"{\"private_key\":\"key-in-a-text\"}","connectionString":"connection"},
		"data":[{"clientSecret":"client-secret","name":"not a secret"}],"eventData":{"a":"canary-data","b":"not a secret"}}`))
	for _, secret := range []string{"pw-pw-pw-pw", "token=query-query", "header-value", "key-in-a-text", "connection", "client-secret", "canary-data"} {
		if len(v.Leaks([]byte(secret))) == 0 {
			t.Errorf("%s is not kept", secret)
		}
	}
	if leaks := v.Leaks([]byte("not a secret")); len(leaks) != 0 {
		t.Errorf("found %q", leaks)
	}
}
