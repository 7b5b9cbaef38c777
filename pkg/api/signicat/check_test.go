package signicat_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// endpoint is a receiver on this machine, and how often it was asked for anything
// but its header.
func endpoint(t *testing.T, status int) (url string, deliveries *atomic.Int64) {
	t.Helper()
	deliveries = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.Header.Get("Authorization") != "Bearer hunter2" {
			deliveries.Add(1)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, deliveries
}

// verdicts are the checks of an answer: their names, and what they say.
func verdicts(t *testing.T, a answer) (reachable bool, checks string) {
	t.Helper()
	body := a.json(t, http.StatusOK)
	var all []string
	for _, check := range body["checks"].([]any) {
		check := check.(map[string]any)
		all = append(all, fmt.Sprint(check["name"], " ", check["ok"]))
	}
	return body["reachable"].(bool), strings.Join(all, ", ")
}

// checkOf creates a subscription and checks it.
func (w *world) checkOf(t *testing.T, kind, configuration string) answer {
	t.Helper()
	body := `{"name":"abc","type":"` + kind + `","active":false,"typeConfiguration":` + configuration + `}`
	id := w.do(t, "local", http.MethodPost, subscriptionsPath, body).json(t, http.StatusOK)["id"].(string)
	return w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+id+"/check", "")
}

func TestACheckSaysWhatADeliveryWouldMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url, deliveries := endpoint(t, http.StatusMethodNotAllowed)
	webhookTo := func(url string) string {
		return `{"url":"` + url + `/hook?token=hunter2","headers":{"Authorization":"Bearer hunter2"}}`
	}
	const azure = `{"connectionString":"Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=hunter2","queueName":"q"}`
	for name, tt := range map[string]struct {
		kind, configuration string
		reachable           bool
		checks              string
	}{
		"a webhook":      {"Webhook", webhookTo(url), true, "configuration true, connection true, answer true, delivery <nil>"},
		"nobody listens": {"Webhook", webhookTo("http://127.0.0.1:1"), false, "configuration true, connection false"},
		"no such name":   {"Webhook", webhookTo("http://receiver.example"), false, "configuration true, name false"},
		"Azure":          {"AzureServiceBus", azure, false, "configuration true, name false"},
	} {
		a := w.checkOf(t, tt.kind, tt.configuration)
		if reachable, checks := verdicts(t, a); reachable != tt.reachable || checks != tt.checks {
			t.Errorf("%s: %s", name, a.body)
		}
		if strings.Contains(string(a.body), "hunter2") {
			t.Errorf("%s shows a secret: %s", name, a.body)
		}
	}
	if n := deliveries.Load(); n != 0 {
		t.Errorf("%d requests were no question", n)
	}
	if strings.Contains(w.Lines.String(), "hunter2") {
		t.Error("the log shows a secret")
	}
}

func TestSecretsOfQueuesAreMaskedAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const secret = `"connectionString":"Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=hunter2"`
	body := func(members string) string {
		return `{"name":"abc","type":"AzureServiceBus","typeConfiguration":{` + members + `}}`
	}
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, body(secret+`,"queueName":"q"`))
	id := created.json(t, http.StatusOK)["id"].(string)
	path := subscriptionsPath + "/" + id
	written := w.do(t, "local", http.MethodPut, path, body(`"connectionString":"********","queueName":"other"`))
	for name, a := range map[string]answer{"create": created, "read": w.do(t, "local", http.MethodGet, path, ""), "update": written} {
		if wantStatus(t, name, a, http.StatusOK); strings.Contains(string(a.body), "hunter2") || !strings.Contains(string(a.body), `"connectionString":"********"`) {
			t.Errorf("%s shows %s", name, a.body)
		}
	}
	equalJSON(t, w.stored(t, local, id).Secrets.Configuration, `{`+secret+`,"queueName":"other"}`)
	bad := w.do(t, "local", http.MethodPut, path, body(`"connectionString":"Endpoint=sb://hunter2.example/;SharedAccessKey=hunter2","queueName":"a b"`))
	if got := fmt.Sprint(bad.wrong(t)); got != "[typeConfiguration.connectionString typeConfiguration.queueName]" || strings.Contains(string(bad.body), "hunter2") {
		t.Errorf("%s", bad.body)
	}
}
