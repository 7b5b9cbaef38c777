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
		`{"url":"https://receiver.example/","verifyEndpoint":true}`:         true,
		`{"url":"https://receiver.example/","verifyEndpoint":null}`:         true,
		`{"url":"https://receiver.example/","verifyEndpoint":"yes"}`:        false,
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

func TestTheSchemaOfAnAzureServiceBusIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	s, supported := typeSchema(t, newWorld(t), "AzureServiceBus")
	if !supported {
		t.Error("not supported")
	}
	pushers := push.New(push.Options{})
	const key = ";SharedAccessKeyName=Signicat;SharedAccessKey=c2VjcmV0"
	const ns = "Endpoint=sb://contoso.servicebus.windows.net/"
	conn := func(connection, more string) string {
		return fmt.Sprintf(`{"connectionString":%q%s}`, connection, more)
	}
	for configuration, takes := range map[string]bool{
		conn(ns+key+";EntityPath=orders", ""):                             true,
		conn(ns+key, `,"queueName":"orders"`):                             true,
		conn(ns+key, `,"topicName":"orders/eu.v1_~-x"`):                   true,
		conn(ns+key, `,"topic":"orders","unknown":[1]`):                   true,
		conn(ns+key, `,"queueName":"orders","topicName":null,"topic":""`): true,
		conn(ns+key+";EntityPath=orders", `,"queueName":"orders"`):        true,
		conn("EntityPath=o;sharedaccesskey=k==;SHAREDACCESSKEYNAME=a b ; endpoint = https://Ns1.SERVICEBUS.usgovcloudapi.net;;", ""): true,
		conn("Endpoint=amqps://ns.servicebus.chinacloudapi.cn"+key+";EntityPath=o", ""):                                              true,
		`{}`:                                       false,
		`null`:                                     false,
		`[]`:                                       false,
		`{"connectionString":null}`:                false,
		`{"connectionString":7}`:                   false,
		conn("", `,"queueName":"q"`):               false,
		conn(ns+key, ""):                           false,
		conn(ns+key, `,"queueName":""`):            false,
		conn(ns+key, `,"queueName":null`):          false,
		conn(ns+key, `,"queueName":7`):             false,
		conn(ns+key, `,"queueName":"a b"`):         false,
		conn(ns+key, `,"queueName":"a//b"`):        false,
		conn(ns+key, `,"queueName":"../b"`):        false,
		conn(ns+key, `,"queueName":"/a"`):          false,
		conn(ns+key, `,"queueName":"a?b"`):         false,
		conn(ns+key, `,"queueName":"$management"`): false,
		conn(ns+key, `,"queueName":"`+strings.Repeat("q", 261)+`"`):                           false,
		conn(ns+key+";EntityPath=a b", `,"queueName":"q"`):                                    false,
		conn(ns+";SharedAccessKeyName=a;EntityPath=o", ""):                                    false,
		conn(ns+";SharedAccessKey=a;EntityPath=o", ""):                                        false,
		conn(ns+";SharedAccessSignature=SharedAccessSignature sr=x;EntityPath=o", ""):         false,
		conn("Endpoint=sb://servicebus.windows.net/"+key+";EntityPath=o", ""):                 false,
		conn("Endpoint=sb://a.b.servicebus.windows.net/"+key+";EntityPath=o", ""):             false,
		conn("Endpoint=sb://ns.servicebus.windows.net.evil.example/"+key+";EntityPath=o", ""): false,
		conn("Endpoint=sb://evil.example/.servicebus.windows.net"+key+";EntityPath=o", ""):    false,
		conn("Endpoint=sb://u@ns.servicebus.windows.net/"+key+";EntityPath=o", ""):            false,
		conn("Endpoint=sb://ns.servicebus.windows.net:1234/"+key+";EntityPath=o", ""):         false,
		conn("Endpoint=http://ns.servicebus.windows.net/"+key+";EntityPath=o", ""):            false,
		conn("Endpoint=sb://169.254.169.254/"+key+";EntityPath=o", ""):                        false,
		conn("Endpoint=sb://localhost;UseDevelopmentEmulator=true"+key+";EntityPath=o", ""):   false,
	} {
		if err := pushers.Check("AzureServiceBus", json.RawMessage(configuration)); (err == nil) != takes {
			t.Errorf("push says of %.150s: %v", configuration, err)
		}
		// What only push knows: that the EntityPath inside is no name beside a queueName.
		if got := s.Check([]byte(configuration)); (len(got) == 0) != takes && !strings.Contains(configuration, "EntityPath=a b") {
			t.Errorf("the schema says of %.150s: %v", configuration, got)
		}
	}
}

func TestTheSchemaOfAMintIsWhatPushTakes(t *testing.T) {
	t.Parallel()
	s, supported := typeSchema(t, newWorld(t), "Mint")
	if supported {
		t.Error("supported without a trigger")
	}
	mint, err := push.ParseMint("https://mint.example/flows/{flowId}", push.Strict())
	if err != nil {
		t.Fatal(err)
	}
	configured, not := push.New(push.Options{Mint: mint}), push.New(push.Options{})
	for configuration, takes := range map[string]bool{
		`{"flowId":"f"}`:                true,
		`{"flowId":"a-B_1.~","more":1}`: true,
		`{"flowId":"..a"}`:              true,
		`{}`:                            false,
		`null`:                          false,
		`{"flowId":""}`:                 false,
		`{"flowId":7}`:                  false,
		`{"flowId":".."}`:               false,
		`{"flowId":"a/b"}`:              false,
		`{"flowId":"a?b"}`:              false,
		`{"flowId":"a b"}`:              false,
		`{"flowId":"æ"}`:                false,
		`{"flowId":"` + strings.Repeat("f", 129) + `"}`: false,
	} {
		if err := configured.Check("Mint", json.RawMessage(configuration)); (err == nil) != takes {
			t.Errorf("push says of %.100s: %v", configuration, err)
		}
		if got := s.Check([]byte(configuration)); (len(got) == 0) != takes {
			t.Errorf("the schema says of %.100s: %v", configuration, got)
		}
		if not.Check("Mint", json.RawMessage(configuration)) == nil {
			t.Errorf("taken without a trigger: %s", configuration)
		}
	}
}

func TestTypesThatAreNotServedHereAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for kind, configuration := range map[string]string{
		"Mint": `{"flowId":"f"}`,
	} {
		s, supported := typeSchema(t, w, kind)
		if supported || len(s.Check([]byte(configuration))) != 0 || len(s.Check([]byte(`{}`))) == 0 {
			t.Errorf("%s: supported %v, %v", kind, supported, s.Check([]byte(configuration)))
		}
		body := `{"name":"abc","type":"` + kind + `","typeConfiguration":` + configuration + `}`
		a := w.do(t, "local", http.MethodPost, subscriptionsPath, body)
		if wantStatus(t, kind, a, http.StatusBadRequest); fmt.Sprint(a.wrong(t)) != "[type]" {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
}
