package signly_test

import (
	"net/http"
	"strings"
	"testing"
)

// What is secret stands in no answer and no log: credentials, header values, the signing
// secret, and what a URL's query holds where it is not the webhook's own.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), receive(t, http.StatusOK)
	secrets := []string{"v4lue-of-header", "s3cret-of-signature", localKey.credential, localHMAC.credential, "sk_wrong_guess"}
	var said strings.Builder
	ask := func(c caller, method, path, body string) {
		said.Write(w.do(t, c, method, path, body).body)
	}
	const members = `,"customHeaders":{"X-A":"v4lue-of-header"},"signingSecret":"s3cret-of-signature"`
	path := w.create(t, localKey, r.URL+"/hook", members)
	for _, c := range []caller{localKey, {localKey.tenant, "HMAC " + localHMAC.credential}, {localKey.tenant, "sk_wrong_guess"}} {
		ask(c, http.MethodGet, webhooksPath, "")
		ask(c, http.MethodPost, webhooksPath, webhook(r.URL, members))
		ask(c, http.MethodGet, path, "")
		ask(c, http.MethodPut, path, `{"customHeaders":{"X-A":"v4lue-of-header","X B":"v4lue-of-header","X-C":"v4lue-of-header\n"},"signingSecret":"s3cret-of-signature"}`)
		ask(c, http.MethodPost, path+"/test", "")
		ask(c, http.MethodPost, webhooksPath, webhook("http://127.0.0.1:9/?token=v4lue-of-header", members))
		ask(c, http.MethodPost, webhooksPath, webhook("http://user:v4lue-of-header@127.0.0.1:9/", members))
	}
	for _, secret := range secrets {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s stands in an answer", secret)
		}
		if strings.Contains(w.Lines.String(), secret) {
			t.Errorf("%s stands in the log", secret)
		}
	}
	if !strings.Contains(w.Lines.String(), `"route":"/signly/v1/webhooks/{webhookId}"`) {
		t.Error("nothing was logged")
	}
	rows, err := w.DB.Subscriptions(t.Context(), local)
	if err != nil || len(rows) == 0 {
		t.Fatal(rows, err)
	}
	for _, s := range rows {
		for _, secret := range append(secrets, r.URL) {
			if strings.Contains(string(s.Sealed), secret) {
				t.Errorf("%s is stored in the clear", secret)
			}
		}
	}
}
