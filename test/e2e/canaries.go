package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// canary makes a secret that stands nowhere else, and keeps it. It has what a log would
// escape.
func (target Target) canary(where string) string {
	secret := "canary-" + rand.Text() + `<"/+=&é>`
	target.Vault.Keep(where, secret)
	return secret
}

// plainCanary is one of letters and digits, for where no others may stand.
func (target Target) plainCanary(where string) string {
	secret := "canary" + rand.Text()
	target.Vault.Keep(where, secret)
	return secret
}

// testCanaries puts a secret wherever a caller, a producer or an endpoint can put one,
// and has as much as possible go wrong with it. What comes of it is other tests'; the log
// is searched when the suite has ended.
func testCanaries(t *testing.T, target Target) {
	c := target.as(t, "local")
	target.badCredentials(t)
	target.badSubscriptions(t, c)
	target.badEvents(t, c)
	target.badDeliveries(t, c)
}

// badCredentials presents credentials that are nobody's.
func (target Target) badCredentials(t *testing.T) {
	t.Helper()
	anyone := &caller{t: t, target: target}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"local"}, "client_secret": {target.canary("client secret")}}
	anyone.do(http.MethodPost, target.BaseURL+"/auth/open/connect/token", "application/x-www-form-urlencoded", form.Encode())
	login := toJSON(t, map[string]any{"login": "local", "password": target.canary("password"), "tenantid": localTenant})
	(&teliaClient{caller: anyone, key: "local-key"}).call(http.MethodPost, "/identity/login", login)
	for _, path := range []string{"/events-management/events", "/signly/v1/webhooks", "/hooks/v1", "/universign/v1/events"} {
		plain := target.plainCanary("credential")
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(plain+":"+target.plainCanary("password")))
		for _, header := range []string{"Bearer " + plain, "Bearer e30." + plain + ".e30", "Bearer hk_" + plain, basic} {
			anyone.do(http.MethodGet, target.BaseURL+path+"?token="+plain, "", "",
				"Authorization", header, "X-Auth-Signly", plain, "X-Tenant-Signly", localTenant, "Ocp-Apim-Subscription-Key", plain, "Cookie", plain)
		}
	}
}

// badSubscriptions writes configurations that hold secrets and are refused for it, or for
// something else.
func (target Target) badSubscriptions(t *testing.T, c *caller) {
	t.Helper()
	secret, plain := target.canary("configuration"), target.plainCanary("configuration")
	headers := func(name, value string) map[string]any {
		return map[string]any{"url": "https://receiver.example/?token=" + plain, "headers": map[string]string{name: value}}
	}
	for _, tt := range []struct {
		kind          string
		configuration any
	}{
		{"Webhook", secret},
		{"Webhook", map[string]any{"url": "https://user:" + plain + "@receiver.example/"}},
		{"Webhook", map[string]any{"url": "https://10.0.0.1/?token=" + plain}},
		{"Webhook", map[string]any{"url": "https://receiver.example/" + plain + "#fragment"}},
		{"Webhook", map[string]any{"url": secret}},
		{"Webhook", headers("X-A", plain+"\r\nX-B: v")},
		{"Webhook", headers("Host", plain)},
		{"Webhook", headers("X-A", strings.Repeat(plain, 100))},
		{"AzureServiceBus", map[string]any{"connectionString": secret, "queueName": "q"}},
		{"AzureServiceBus", map[string]any{"connectionString": "Endpoint=sb://x.example/;SharedAccessKeyName=a;SharedAccessKey=" + plain, "queueName": "q"}},
		{"GooglePubSub", map[string]any{"credential": secret, "topicId": "topic"}},
		{"GooglePubSub", map[string]any{"credential": map[string]any{"type": "service_account", "private_key": secret, "client_email": "a@b"}, "topicId": "topic"}},
		{"Nothing", map[string]any{"secret": secret}},
	} {
		a := c.api(http.MethodPost, "/subscriptions", map[string]any{
			"name": "Canary", "type": tt.kind, "typeConfiguration": tt.configuration, "eventNameFilter": []string{"a:b"},
			"messageAuthentication": map[string]any{"authenticationType": "HmacSha256", "hmacSha256": map[string]any{"secret": secret}},
		}).want(http.StatusBadRequest)
		if strings.Contains(string(a.body), plain) {
			t.Errorf("the answer quotes a secret: %s", a.body)
		}
	}
	c.api(http.MethodPost, "/subscriptions", `{"name":"`+plain+`","typeConfiguration":`).want(http.StatusBadRequest)
	target.subscribeEach(t, "https://10.0.0.1/?token="+plain, map[string]string{"X-A": plain})
}

// badEvents publishes data that nobody but its subscribers may see, with faults around it.
func (target Target) badEvents(t *testing.T, c *caller) {
	t.Helper()
	s, secret := sender(), target.canary("event data")
	c.register(s+":checked", map[string]any{
		"description": "Checked.", "validation": "enforce", "schema": map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"const": 1}}},
	})
	quoted := toJSON(t, secret)
	for _, body := range []string{
		`{"sender":"` + s + `","eventName":"checked","eventData":{"a":` + quoted + `}}`,
		`{"sender":"` + s + `","eventName":"a b","eventData":` + quoted + `}`,
		`{"sender":"` + s + `","eventName":"n","eventData":` + quoted + `,"timestamp":` + quoted + `}`,
		`{"sender":"` + s + `","eventName":"n","eventData":` + quoted + `,"tags":{"x":` + quoted + `}}`,
		`{"sender":"` + s + `","eventName":"n","eventData":` + quoted,
		`{"sender":"` + s + `","eventName":"n","eventData":` + quoted + `,"eventData":` + quoted + `}`,
		`{"events":[` + quoted + `]}`,
		quoted,
	} {
		if a := c.api(http.MethodPost, "/events", body); a.status < 400 {
			t.Errorf("%d for %s", a.status, body)
		}
		if err := target.SendIngest(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	bus := fmt.Sprintf(`{"accountId":%s,"eventData":%s}`, quoted, quoted)
	if err := target.PutBusEvent(t.Context(), s, "n", []byte(bus)); err != nil {
		t.Fatal(err)
	}
}

// badDeliveries delivers secrets to endpoints that fail in all ways.
func (target Target) badDeliveries(t *testing.T, c *caller) {
	t.Helper()
	for name, respond := range map[string]func(int, http.ResponseWriter){
		"answers": nil,
		"fails": func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:9/?"+target.plainCanary("location"))
			http.Error(w, target.canary("answer"), http.StatusInternalServerError)
		},
		"redirects": func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:9/?"+target.plainCanary("location"))
			w.WriteHeader(http.StatusFound)
		},
		"hangs up": func(_ int, w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte(target.plainCanary("garbage") + "\r\n\r\n"))
				_ = conn.Close()
			}
		},
		"is gone": func(_ int, w http.ResponseWriter) {
			http.Error(w, target.canary("answer"), http.StatusGone)
		},
	} {
		r, s := target.receive(t, respond), sender()
		id := c.subscribe(r, s+":*", func(body map[string]any) {
			body["typeConfiguration"] = map[string]any{
				"url":     r.server.URL + "/hook?token=" + target.plainCanary("query"),
				"headers": map[string]string{"Authorization": "Bearer " + target.plainCanary("custom header")},
			}
			body["messageAuthentication"] = map[string]any{"authenticationType": "HmacSha256", "hmacSha256": map[string]any{"secret": target.plainCanary("signing secret")}}
		})
		c.publish(event(s, "a", map[string]any{"text": target.canary("event data"), target.plainCanary("member of event data"): 1}))
		rows := c.waitForRows(id, 1)
		c.api(http.MethodPost, "/subscriptions/"+id+"/check", nil)
		if len(rows) == 0 {
			t.Errorf("an endpoint that %s got nothing", name)
		}
	}
}
