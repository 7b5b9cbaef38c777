// Package vault keeps the secrets that tests have used and searches logs for them.
package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Vault keeps every secret that a suite has used, as its own requests and their answers
// show them, so that a log can be searched for all of them. Safe for concurrent use.
// The nil Vault keeps nothing.
type Vault struct {
	mu sync.Mutex
	// secrets says of each secret where it was used.
	secrets map[string]string
}

// minSecret is the length below which a text could stand in a log by chance.
const minSecret = 8

// Keep takes a secret into the vault; where says what it is.
func (v *Vault) Keep(where, secret string) {
	if v == nil || len(secret) < minSecret {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secrets == nil {
		v.secrets = map[string]string{}
	}
	if v.secrets[secret] == "" {
		v.secrets[secret] = where
	}
}

// secretHeaders present a credential.
var secretHeaders = []string{"X-Auth-Signly", "Ocp-Apim-Subscription-Key", "Cookie"}

// KeepRequest keeps what a request presents and what its body holds.
func (v *Vault) KeepRequest(r *http.Request, body []byte) {
	if v == nil {
		return
	}
	for _, name := range secretHeaders {
		v.Keep("header "+name, r.Header.Get(name))
	}
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	v.Keep("header Authorization", credential)
	if user, password, ok := r.BasicAuth(); ok && password == "" {
		v.Keep("API key in the place of a user", user)
	} else if ok {
		v.Keep("password", password)
	}
	if form, err := url.ParseQuery(string(body)); err == nil && !json.Valid(body) {
		for name, values := range form {
			for _, value := range values {
				v.keepMember(name, value)
			}
		}
	}
	v.KeepJSON(body)
}

// KeepJSON keeps the secrets in a body, by the names of its members.
func (v *Vault) KeepJSON(body []byte) {
	var whole any
	if v == nil || json.Unmarshal(body, &whole) != nil {
		return
	}
	v.walk("", whole)
}

func (v *Vault) walk(name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for member, inner := range value {
			if text, leaf := inner.(string); leaf && inherits(name) {
				v.keepMember(name, text)
			}
			v.walk(member, inner)
		}
	case []any:
		for _, inner := range value {
			v.walk(name, inner)
		}
	case string:
		v.keepMember(name, value)
	}
}

// inherits reports whether all members of an object are as secret as it is.
func inherits(name string) bool {
	switch strings.ToLower(name) {
	case "headers", "customheaders", "eventdata", "data":
		return true
	}
	return false
}

// keepMember keeps a text by the name of the member that holds it.
func (v *Vault) keepMember(name, value string) {
	lower := strings.ToLower(name)
	switch {
	case lower == "url" || lower == "uri":
		v.keepURL(value)
	case inherits(name) && strings.HasPrefix(value, "canary-"):
		v.Keep(name, value)
	case lower == "headers" || lower == "customheaders":
		v.Keep("custom header", value)
	case lower == "eventdata" || lower == "data": // what is no canary may be anything
	case slices.ContainsFunc([]string{"secret", "password", "token", "apikey", "api_key", "connectionstring", "credential", "private_key"},
		func(part string) bool { return strings.Contains(lower, part) }) && !strings.HasSuffix(lower, "type") && !strings.HasSuffix(lower, "id"):
		v.Keep("member "+name, value)
		v.KeepJSON([]byte(value)) // the contents of a key file
	}
}

// keepURL keeps the query and the userinfo of a target.
func (v *Vault) keepURL(raw string) {
	u, err := url.Parse(raw)
	if err != nil {
		return
	}
	for name, values := range u.Query() {
		for _, value := range values {
			v.Keep("query of a URL", name+"="+value)
		}
	}
	if password, ok := u.User.Password(); ok {
		v.Keep("userinfo of a URL", password)
	}
}

// forms are the ways in which a log could show a secret.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string always can
	escaped := string(quoted[1 : len(quoted)-1])
	twice, _ := json.Marshal(escaped)
	all := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.ToLower(url.QueryEscape(secret)),
		escaped, string(twice[1 : len(twice)-1]), strings.Trim(fmt.Sprintf("%q", secret), `"`),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
	}
	// In the base64 of a longer text a secret has one of three forms, but for the
	// characters at its ends, which hold bits of its neighbours.
	for shift := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(append(make([]byte, shift), secret...))
			all = append(all, text[[]int{0, 2, 3}[shift]:len(text)-1])
		}
	}
	return all
}

// Leaks says which of the secrets the log shows, and how.
func (v *Vault) Leaks(log []byte) (leaks []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	type form struct{ text, where string }
	byStart := map[[minSecret]byte][]form{}
	for secret, where := range v.secrets {
		for _, text := range forms(secret) {
			if len(text) >= minSecret {
				start := [minSecret]byte([]byte(text))
				byStart[start] = append(byStart[start], form{text, where})
			}
		}
	}
	for i := 0; i+minSecret <= len(log); i++ {
		for _, f := range byStart[[minSecret]byte(log[i:])] {
			if bytes.HasPrefix(log[i:], []byte(f.text)) {
				from, to := max(0, bytes.LastIndexByte(log[:i], '\n')+1), i+len(f.text)
				if end := bytes.IndexByte(log[i:], '\n'); end >= 0 {
					to = i + end
				}
				leaks = append(leaks, fmt.Sprintf("%s, as %s: %s", f.where, f.text, log[from:to]))
			}
		}
	}
	slices.Sort(leaks)
	return slices.Compact(leaks)
}

// Len is how many secrets there are.
func (v *Vault) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.secrets)
}
