package signicat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/push"
	"hermod/pkg/schema"
)

// typeSchema is the schema of a type's configuration.
func typeSchema(t *testing.T, w *world, kind string) (*schema.Schema, bool) {
	t.Helper()
	for _, row := range w.do(t, "local", http.MethodGet, signicat.Base+"/metadata/subscription-types", "").json(t, http.StatusOK)["data"].([]any) {
		row := row.(map[string]any)
		if row["type"] != kind {
			continue
		}
		text, err := json.Marshal(row["schema"])
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Compile(text)
		if err != nil || row["description"] == "" {
			t.Fatalf("%s: %v", kind, err)
		}
		return s, row["supported"].(bool)
	}
	t.Fatalf("no type %s", kind)
	return nil, false
}

func TestTheSchemaOfAWebhookIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	s, supported := typeSchema(t, newWorld(t), "Webhook")
	if !supported {
		t.Error("not supported")
	}
	pushers := push.New(push.Options{Policy: push.Local()})
	headers := func(h string) string { return `{"url":"https://receiver.example/","headers":` + h + `}` }
	for configuration, takes := range map[string]bool{
		`{"url":"https://receiver.example/hook?a=b@c"}`:                     true,
		`{"url":"HTTP://receiver.example:8080"}`:                            true,
		`{"url":"https://receiver.example?x"}`:                              true,
		`{"url":"https://receiver.example/","more":[1e999],"timeout":"5s"}`: true,
		`{"url":"https://receiver.example/","timeout":2.5}`:                 true,
		`{}`:                                     false,
		`[]`:                                     false,
		`null`:                                   false,
		`"https://receiver.example/"`:            false,
		`{"url":null}`:                           false,
		`{"url":7}`:                              false,
		`{"url":""}`:                             false,
		`{"url":"receiver.example"}`:             false,
		`{"url":"/hook"}`:                        false,
		`{"url":"ftp://receiver.example/"}`:      false,
		`{"url":"https:///hook"}`:                false,
		`{"url":"https://receiver.example/#x"}`:  false,
		`{"url":"https://receiver.example/a b"}`: false,
		`{"url":"https://receiver.example\\@x/"}`: false,
		`{"url":"https://user@receiver.example"}`: false,
		`{"url":"https://receiver.example/` + strings.Repeat("x", 2048-len("https://receiver.example/")) + `"}`: true,
		`{"url":"https://receiver.example/` + strings.Repeat("x", 2049-len("https://receiver.example/")) + `"}`: false,
		headers(`null`): true,
		headers(`{}`):   true,
		headers(`{"Authorization":"Bearer x","X-A":"","User-Agent":"tab\tand é","X-B":null}`): true,
		headers(`[]`):                                          false,
		headers(`{"X-A":1}`):                                   false,
		headers(`{"":"x"}`):                                    false,
		headers(`{"X A":"x"}`):                                 false,
		headers(`{"X-Ä":"x"}`):                                 false,
		headers(`{"X-A":"a\r\nb"}`):                            false,
		headers(`{"X-A":"\u0000"}`):                            false,
		headers(`{"X-A":"\u007f"}`):                            false,
		headers(`{"Host":"x"}`):                                false,
		headers(`{"hOST":"x"}`):                                false,
		headers(`{"Hosts":"x"}`):                               true,
		headers(`{"TE":"x"}`):                                  false,
		headers(`{"X-Te":"x"}`):                                true,
		headers(`{"Keep-Alive":"x"}`):                          false,
		headers(`{"Content-Type":"x"}`):                        false,
		headers(`{"WEBHOOK-ID":"x"}`):                          false,
		headers(`{"X-Amz-Date":"x"}`):                          false,
		headers(`{"Proxy-X":"x"}`):                             false,
		headers(`{"X-A":"` + strings.Repeat("x", 1025) + `"}`): false,
		headers(`{` + numbered(10) + `}`):                      true,
		headers(`{` + numbered(11) + `}`):                      false,
	} {
		if err := pushers.Check("Webhook", json.RawMessage(configuration)); (err == nil) != takes {
			t.Errorf("push says of %.100s: %v", configuration, err)
		}
		if got := s.Check([]byte(configuration)); (len(got) == 0) != takes {
			t.Errorf("the schema says of %.100s: %v", configuration, got)
		}
	}
}

func numbered(n int) string {
	var headers []string
	for i := range n {
		headers = append(headers, fmt.Sprintf(`"X-%d":"x"`, i))
	}
	return strings.Join(headers, ",")
}

func TestTheOtherTypesOfSubscriptionsAreDescribedAndNotServedYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for kind, configuration := range map[string]string{
		"AzureServiceBus": `{"connectionString":"Endpoint=sb://ns.servicebus.windows.net/;EntityPath=queue"}`,
		"GooglePubSub":    `{"credential":{"type":"service_account"},"topicId":"t","projectId":"p"}`,
		"Mint":            `{"flowId":"f"}`,
	} {
		s, supported := typeSchema(t, w, kind)
		if supported || len(s.Check([]byte(configuration))) != 0 || len(s.Check([]byte(`{}`))) == 0 {
			t.Errorf("%s: supported %v, %v", kind, supported, s.Check([]byte(configuration)))
		}
		body := `{"name":"abc","type":"` + kind + `","typeConfiguration":` + configuration + `}`
		wantStatus(t, kind, w.do(t, "local", http.MethodPost, subscriptionsPath, body), http.StatusBadRequest)
	}
}
