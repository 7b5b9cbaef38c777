package signicat_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
	"hermod/pkg/schema"
)

// asserting makes assertions where nothing is reached.
type asserting struct{}

func (asserting) Assertion(context.Context, hermod.Ref, string) (string, error) { return "", nil }

// agree holds the schema of a type and push against each other.
func agree(t *testing.T, kind string, s *schema.Schema, configurations map[string]bool) {
	t.Helper()
	pushers := push.New(push.Options{Assertions: asserting{}})
	for configuration, takes := range configurations {
		if err := pushers.Check(kind, json.RawMessage(configuration)); (err == nil) != takes {
			t.Errorf("push says of %.200s: %v", configuration, err)
		}
		if got := s.Check([]byte(configuration)); (len(got) == 0) != takes {
			t.Errorf("the schema says of %.200s: %v", configuration, got)
		}
	}
}

// accountKey is a key file of a service account, as an object of JSON.
func accountKey(t *testing.T) map[string]any {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"type": "service_account", "project_id": "acme-prod", "private_key_id": "1", "client_email": "hermod@acme-prod.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
}

func textOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestTheSchemaOfAGooglePubSubIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	s, supported := typeSchema(t, newWorld(t), "GooglePubSub")
	if !supported {
		t.Error("not supported")
	}
	file := accountKey(t)
	with := func(members string) string { return `{"credential":` + textOf(t, file) + members + `}` }
	topic := func(name string) string { return with(`,"topicId":` + textOf(t, name)) }
	and := func(member string) string { return with(`,"topicId":"events",` + member) }
	key := func(member string, value any) string {
		changed := map[string]any{}
		for name, v := range file {
			changed[name] = v
		}
		changed[member] = value
		return `{"credential":` + textOf(t, changed) + `,"topicId":"events"}`
	}
	agree(t, "GooglePubSub", s, map[string]bool{
		topic("events"): true,
		`{"credential":` + textOf(t, textOf(t, file)) + `,"topic":"events","more":[1]}`: true,
		with(`,"topicName":"projects/example.com:other-1/topics/ev.~+%_-1"`):            true,
		with(`,"topicId":"events","topic":null,"topicName":"","workloadIdentity":null`): true,
		and(`"projectId":"acme-test"`):                                        true,
		and(`"projectId":null,"attributes":null,"orderingKey":null`):          true,
		and(`"attributes":{"stage":"test","empty":"","null":null}`):           true,
		and(`"attributes":{` + strings.TrimSuffix(attributes(50), ",") + `}`): true,
		and(`"orderingKey":"{account}"`):                                      true,
		and(`"orderingKey":"{type}"`):                                         true,
		and(`"orderingKey":"orders"`):                                         true,
		and(`"orderingKey":""`):                                               true,
		`{}`:                                                                  false,
		`[]`:                                                                  false,
		`null`:                                                                false,
		`{"topicId":"events"}`:                                                false,
		`{"credential":null,"topicId":"events"}`:                              false,
		`{"credential":"","topicId":"events"}`:                                false,
		`{"credential":7,"topicId":"events"}`:                                 false,
		`{"credential":[],"topicId":"events"}`:                                false,
		`{"credential":{},"topicId":"events"}`:                                false,
		with(``):                                                              false,
		topic(""):                                                             false,
		topic("ab"):                                                           false,
		topic("1ab"):                                                          false,
		topic("google"):                                                       false,
		topic("a b c"):                                                        false,
		topic("projects/acme-prod/topics/goog-x"):                             false,
		topic("projects/ACME/topics/events"):                                  false,
		topic("projects/acme-prod/subscriptions/events"):                      false,
		topic("projects//topics/events"):                                      false,
		topic(strings.Repeat("t", 255)):                                       true,
		topic(strings.Repeat("t", 256)):                                       false,
		with(`,"topicId":null`):                                               false,
		with(`,"topicId":7`):                                                  false,
		and(`"topic":"ab"`):                                                   false,
		and(`"projectId":"ACME"`):                                             false,
		and(`"projectId":".."`):                                               false,
		and(`"projectId":7`):                                                  false,
		and(`"orderingKey":"{event}"`):                                        false,
		and(`"orderingKey":"` + strings.Repeat("k", 1025) + `"`):              false,
		and(`"attributes":{"goog":"x"}`):                                      false,
		and(`"attributes":{"":"x"}`):                                          false,
		and(`"attributes":{"sender":"x"}`):                                    false,
		and(`"attributes":{"content-type":"x"}`):                              false,
		and(`"attributes":{"a":1}`):                                           false,
		and(`"attributes":[]`):                                                false,
		and(`"attributes":{"a":"` + strings.Repeat("v", 1025) + `"}`):         false,
		and(`"attributes":{"` + strings.Repeat("n", 257) + `":"v"}`):          false,
		and(`"attributes":{` + strings.TrimSuffix(attributes(51), ",") + `}`): false,
		key("type", "authorized_user"):                                        false,
		key("type", nil):                                                      false,
		key("client_email", ""):                                               false,
		key("client_email", "nobody"):                                         false,
		key("client_email", "a b@c"):                                          false,
		key("private_key", ""):                                                false,
		key("private_key", nil):                                               false,
	})
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"a%d":"v",`, i)
	}
	return b.String()
}

func TestTheSchemaOfAWorkloadIdentityIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const provider = "projects/123456789/locations/global/workloadIdentityPools/partners/providers/hermod"
	google := func(identity, more string) string {
		return `{"workloadIdentity":` + identity + `,"projectId":"acme-prod","topicId":"events"` + more + `}`
	}
	s, _ := typeSchema(t, w, "GooglePubSub")
	agree(t, "GooglePubSub", s, map[string]bool{
		google(`{"provider":"`+provider+`"}`, ""):                                                                       true,
		google(`{"provider":"//iam.googleapis.com/`+provider+`"}`, ""):                                                  true,
		google(`{"audience":"https://iam.googleapis.com/`+provider+`","provider":null}`, ""):                            true,
		google(`{"provider":"`+provider+`","serviceAccountEmail":"a@b.iam.gserviceaccount.com"}`, `,"credential":null`): true,
		google(`{"provider":"`+provider+`","serviceAccountEmail":null}`, `,"credential":""`):                            true,
		google(`{}`, ""):              false,
		google(`[]`, ""):              false,
		google(`"x"`, ""):             false,
		google(`null`, ""):            false,
		google(`{"provider":""}`, ""): false,
		google(`{"provider":7}`, ""):  false,
		google(`{"provider":"https://example.com/x"}`, ""):                                 false,
		google(`{"provider":"`+provider+`/x"}`, ""):                                        false,
		google(`{"provider":"`+strings.Replace(provider, "123456789", "acme", 1)+`"}`, ""): false,
		google(`{"provider":"`+provider+`","serviceAccountEmail":"nobody"}`, ""):           false,
		google(`{"provider":"`+provider+`","serviceAccountEmail":"a@b/c"}`, ""):            false,
		google(`{"provider":"`+provider+`"}`, `,"credential":`+textOf(t, accountKey(t))):   false,
		google(`{"provider":"`+provider+`"}`, `,"credential":"x"`):                         false,
	})
	const ids = `"tenantId":"7c9e6679-7425-40de-944b-e07fc1f90ae7","clientId":"0f8fad5b-d9cb-469f-a165-70867728950e"`
	azure := func(identity, namespace, more string) string {
		return `{"workloadIdentity":` + identity + `,"namespace":` + namespace + more + `}`
	}
	const queue = `,"queueName":"orders"`
	s, _ = typeSchema(t, w, "AzureServiceBus")
	agree(t, "AzureServiceBus", s, map[string]bool{
		azure(`{`+ids+`}`, `"contoso"`, queue): true,
		azure(`{`+ids+`}`, `"Contoso.ServiceBus.windows.net"`, `,"topicName":"orders","connectionString":null`):               true,
		azure(`{"tenantId":"contoso.onmicrosoft.com","clientId":"0F8FAD5B-d9cb-469f-a165-70867728950e"}`, `"contoso"`, queue): true,
		azure(`{`+ids+`}`, `"contoso"`, queue+`,"connectionString":""`):                                                       true,
		azure(`{`+ids+`}`, `"contoso"`, ""):                                false,
		azure(`{`+ids+`}`, `""`, queue):                                    false,
		azure(`{`+ids+`}`, `null`, queue):                                  false,
		azure(`{`+ids+`}`, `7`, queue):                                     false,
		azure(`{`+ids+`}`, `"contoso.example.com"`, queue):                 false,
		azure(`{`+ids+`}`, `"contoso.servicebus.chinacloudapi.cn"`, queue): false,
		azure(`{`+ids+`}`, `"a/b"`, queue):                                 false,
		azure(`{`+ids+`}`, `"contoso"`, queue+`,"connectionString":"Endpoint=sb://a.servicebus.windows.net/"`): false,
		azure(`null`, `"contoso"`, queue): false,
		azure(`{}`, `"contoso"`, queue):   false,
		azure(`{"tenantId":"common","clientId":"0f8fad5b-d9cb-469f-a165-70867728950e"}`, `"contoso"`, queue): false,
		azure(`{"tenantId":"contoso.onmicrosoft.com","clientId":"me"}`, `"contoso"`, queue):                  false,
		azure(`{"tenantId":"contoso.onmicrosoft.com"}`, `"contoso"`, queue):                                  false,
	})
}

// What is a secret of the configuration is hidden in both its forms, and kept where the
// mask comes back.
func TestAServiceAccountsKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := accountKey(t)
	for form, value := range map[string]any{"object": file, "text": textOf(t, file)} {
		body := map[string]any{"name": "abc", "type": "GooglePubSub", "typeConfiguration": map[string]any{
			"credential": value, "topicId": "events", "attributes": map[string]any{"stage": "test"},
		}}
		a := w.do(t, "local", http.MethodPost, subscriptionsPath, textOf(t, body))
		created := a.json(t, http.StatusOK)
		id := created["id"].(string)
		for _, shown := range []answer{a, w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, ""), w.do(t, "local", http.MethodGet, subscriptionsPath, "")} {
			if strings.Contains(string(shown.body), "PRIVATE KEY") || strings.Contains(string(shown.body), "client_email") {
				t.Errorf("%s: shown as %.300s", form, shown.body)
			}
		}
		configuration := created["typeConfiguration"].(map[string]any)
		if configuration["credential"] != "********" || configuration["topicId"] != "events" {
			t.Errorf("%s: %v", form, configuration)
		}
		configuration["topicId"] = "others"
		change := map[string]any{"type": "GooglePubSub", "typeConfiguration": configuration}
		wantStatus(t, form, w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, textOf(t, change)), http.StatusOK)
		kept, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: local, ID: id})
		if err != nil || !strings.Contains(string(kept.Secrets.Configuration), "PRIVATE KEY") || !strings.Contains(string(kept.Secrets.Configuration), "others") {
			t.Errorf("%s: kept %.100s, %v", form, kept.Secrets.Configuration, err)
		}
	}
}
