package signicat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/hermod"
)

// stored is the subscription as deliveries have it.
func (w *world) stored(t *testing.T, owner, id string) *hermod.Subscription {
	t.Helper()
	s, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: owner, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const secretful = `{"url":"https://receiver.example/?a=<1>","headers":{"Authorization":"Bearer hunter2","X-Plain":"hunter2"},
	"apiKey":"hunter2","nested":[{"Password":"hunter2","plain":12345678901234567890,"float":1e999}],"clientSecret":{"a":"hunter2"}}`

// secretfulShown is how an answer shows secretful.
const secretfulShown = `{"apiKey":"********","clientSecret":"********","headers":{"Authorization":"********","X-Plain":"********"},` +
	`"nested":[{"Password":"********","float":1e999,"plain":12345678901234567890}],"url":"https://receiver.example/?a=<1>"}`

func TestSecretsOfAConfigurationAreMaskedInEveryAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := `{"name":"abc","type":"Webhook","typeConfiguration":` + secretful + `}`
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, body)
	id := created.json(t, http.StatusOK)["id"].(string)
	path := subscriptionsPath + "/" + id
	for name, a := range map[string]answer{
		"create": created, "read": w.do(t, "local", http.MethodGet, path, ""),
		"update": w.do(t, "local", http.MethodPut, path, body), "list": w.do(t, "local", http.MethodGet, subscriptionsPath, ""),
	} {
		if strings.Contains(string(a.body), "hunter2") {
			t.Errorf("%s shows a secret: %s", name, a.body)
		}
		if name != "list" && !strings.Contains(string(a.body), secretfulShown) {
			t.Errorf("%s shows %s", name, a.body)
		}
	}
	equalJSON(t, w.stored(t, local, id).Secrets.Configuration, secretful)
	if strings.Contains(w.Lines.String(), "hunter2") {
		t.Error("the log shows a secret")
	}
}

func TestAConfigurationThatWasReadCanBeWrittenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.do(t, "local", http.MethodPost, subscriptionsPath,
		`{"name":"abc","type":"Webhook","typeConfiguration":`+secretful+`}`).json(t, http.StatusOK)["id"].(string)
	write := func(configuration string) answer {
		return w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, `{"type":"Webhook","typeConfiguration":`+configuration+`}`)
	}
	wantStatus(t, "back", write(secretfulShown), http.StatusOK)
	equalJSON(t, w.stored(t, local, id).Secrets.Configuration, secretful)

	changed := strings.Replace(secretfulShown, `"X-Plain":"********"`, `"X-Plain":"new"`, 1)
	wantStatus(t, "one header new", write(changed), http.StatusOK)
	equalJSON(t, w.stored(t, local, id).Secrets.Configuration, strings.Replace(secretful, `"X-Plain":"hunter2"`, `"X-Plain":"new"`, 1))

	for name, configuration := range map[string]string{
		"a header that was not there": `{"url":"https://receiver.example/","headers":{"X-New":"********"}}`,
		"a secret that was not there": `{"url":"https://receiver.example/","token":"********"}`,
		"another host":                `{"url":"https://elsewhere.example/","headers":{"Authorization":"********"}}`,
		"another host, spelled so":    `{"url":"https://receiver.example/","URL":"https://elsewhere.example/","headers":{"Authorization":"********"}}`,
		"another host, only so":       `{"uRL":"https://elsewhere.example/","headers":{"Authorization":"********"}}`,
		"one element further":         `{"url":"https://receiver.example/","nested":[{},{"Password":"********"}]}`,
	} {
		if a := write(configuration); a.status != http.StatusBadRequest || fmt.Sprint(a.wrong(t)) != "[typeConfiguration]" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// equalJSON compares two texts as JSON, numbers by their letters.
func equalJSON(t *testing.T, got json.RawMessage, want string) {
	t.Helper()
	read := func(text string) string {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return fmt.Sprint(v)
	}
	if a, b := read(string(got)), read(want); a != b {
		t.Errorf("got %s, want %s", a, b)
	}
}

// authentication is what an answer says of how deliveries are signed.
func authentication(t *testing.T, a answer) (kind, secret string) {
	t.Helper()
	m, ok := a.json(t, http.StatusOK)["messageAuthentication"].(map[string]any)
	if !ok {
		return "", ""
	}
	kind = m["authenticationType"].(string)
	inner, _ := m[strings.ToLower(kind[:1])+kind[1:]].(map[string]any)
	secret, _ = inner["secret"].(string)
	return kind, secret
}

func TestTheHMACSecretIsEchoedAsTheContractHasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := webhook(`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"E*wl1K87LYnUoZSm"}}`)
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, body)
	path := subscriptionsPath + "/" + created.json(t, http.StatusOK)["id"].(string)
	for name, a := range map[string]answer{
		"create": created, "read": w.do(t, "local", http.MethodGet, path, ""), "update": w.do(t, "local", http.MethodPut, path, body),
	} {
		if kind, secret := authentication(t, a); kind != "HmacSha256" || secret != "E*wl1K87LYnUoZSm" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if list := w.do(t, "local", http.MethodGet, subscriptionsPath, ""); strings.Contains(string(list.body), "E*wl1K87LYnUoZSm") {
		t.Errorf("the list shows it: %s", list.body)
	}
}

func TestAGeneratedSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := webhook(`,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`)
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, body)
	id := created.json(t, http.StatusOK)["id"].(string)
	path := subscriptionsPath + "/" + id
	put := func(members string) answer { return w.do(t, "local", http.MethodPut, path, webhook(members)) }

	kind, secret := authentication(t, created)
	if kind != "StandardWebhooks" || !strings.HasPrefix(secret, "whsec_") || w.stored(t, local, id).Secrets.SigningSecret != secret {
		t.Fatalf("created %s", created.body)
	}
	for name, a := range map[string]answer{
		"read":                       w.do(t, "local", http.MethodGet, path, ""),
		"an update without a secret": put(`,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`),
		"an update with the mask":    put(`,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":{"secret":"********"}}`),
	} {
		if _, shown := authentication(t, a); shown != "********" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if got := w.stored(t, local, id).Secrets.SigningSecret; got != secret {
		t.Errorf("the secret became %q", got)
	}
	if _, shown := authentication(t, put(`,"messageAuthentication":{"authenticationType":"StandardWebhooks","standardWebhooks":{"secret":"mine"}}`)); shown != "********" {
		t.Errorf("the subscriber's own is shown as %q", shown)
	}
	if got := w.stored(t, local, id).Secrets.SigningSecret; got != "mine" {
		t.Errorf("the secret became %q", got)
	}
	if kind, _ := authentication(t, put("")); kind != "" {
		t.Errorf("still signed by %s", kind)
	}
	if s := w.stored(t, local, id); s.Signing != hermod.Unsigned || s.Secrets.SigningSecret != "" {
		t.Errorf("still signed: %v", s.Signing)
	}
	if _, shown := authentication(t, put(`,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`)); !strings.HasPrefix(shown, "whsec_") || shown == secret {
		t.Errorf("signed anew under %q, was %q", shown, secret)
	}
}

func TestAnHMACSecretDoesNotBecomeOneOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", `,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"s"}}`)
	a := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(`,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`))
	if _, secret := authentication(t, a); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("%s", a.body)
	}
}
