//go:build cloud

package oracle_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// A reading is what the SDK makes of a request.
type reading struct {
	OK    bool           `json:"ok"`
	Error string         `json:"error"`
	Mode  string         `json:"mode"`
	Event map[string]any `json:"event"`
}

func startReader(t *testing.T) (p *program, url string) {
	t.Helper()
	p = start(t, "cloudevents.mjs")
	var ready struct {
		URL string `json:"url"`
	}
	p.read(t, &ready)
	return p, ready.URL
}

// cloudEvent is an event with all that a CloudEvent of Hermod's can say.
func cloudEvent() *hermod.Event {
	return &hermod.Event{
		ID: hermod.ID{1: 0x58, 15: 7}, Sender: "signature-api", Name: "order.completed", AccountID: "a-1", OrganizationID: "o-1",
		Timestamp: time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC), ExpiresAt: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		Data: json.RawMessage(`{"text":"<&> æ 🦉","list":[1,null]}`), Tags: []string{"one", "two"},
	}
}

// wantReading is what the SDK must say of cloudEvent.
func wantReading() map[string]any {
	return map[string]any{
		"specversion": "1.0", "id": cloudEvent().ID.String(), "source": "/signature-api", "type": "signature-api:order.completed",
		"time": "2026-03-01T12:00:00.123Z", "datacontenttype": "application/json", "accountid": "a-1", "organizationid": "o-1",
		"expiresat": "2026-03-02T00:00:00Z", "tags": "one,two", "data": map[string]any{"text": "<&> æ 🦉", "list": []any{1.0, nil}},
	}
}

func encoded(t *testing.T, format hermod.OutputFormat) deliver.Payload {
	t.Helper()
	s := &hermod.Subscription{Dialect: hermod.Signicat, Format: format}
	p, err := signicat.Encoder{}.Encode(t.Context(), deliver.Delivery{Event: cloudEvent(), Subscription: s, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r *reading) judge(t *testing.T, name, mode string) {
	t.Helper()
	if !r.OK || r.Mode != mode || !reflect.DeepEqual(r.Event, wantReading()) {
		t.Errorf("%s: got %+v, want %v", name, r, wantReading())
	}
}

func TestTheCloudEventsSDKReadsWhatWebhooksGet(t *testing.T) {
	t.Parallel()
	p, url := startReader(t)
	pushers := push.New(push.Options{Policy: push.Local()})
	t.Cleanup(pushers.CloseIdle)
	to := &hermod.Subscription{Type: hermod.Webhook, Secrets: hermod.Secrets{Configuration: json.RawMessage(`{"url":"` + url + `/hook"}`)}}
	for mode, format := range map[string]hermod.OutputFormat{"structured": hermod.CloudEventsStructured, "binary": hermod.CloudEventsBinary} {
		r := pushers.Push(t.Context(), to, encoded(t, format))
		var got reading
		if p.read(t, &got); !r.Succeeded() {
			t.Errorf("%s: %+v", mode, r)
		}
		got.judge(t, mode, mode)
	}
	r := pushers.Push(t.Context(), to, encoded(t, hermod.NativeFormat))
	var got reading
	if p.read(t, &got); got.OK || r.StatusCode != http.StatusBadRequest {
		t.Errorf("the native event is no CloudEvent: %+v, %+v", got, r)
	}
}

// The attributes of a message are named like the headers of a request, so that a
// consumer hands them to the SDK as they are.
func TestTheCloudEventsSDKReadsTheMessagesOfPubSub(t *testing.T) {
	t.Parallel()
	p, url := startReader(t)
	for mode, format := range map[string]hermod.OutputFormat{"structured": hermod.CloudEventsStructured, "binary": hermod.CloudEventsBinary} {
		attributes, body := published(t, encoded(t, format))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range attributes {
			if name == "content-type" || strings.HasPrefix(name, "ce-") {
				request.Header.Set(name, value)
			}
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		var got reading
		p.read(t, &got)
		got.judge(t, mode, mode)
	}
}

// published is the message that Pub/Sub gets.
func published(t *testing.T, p deliver.Payload) (attributes map[string]string, body string) {
	t.Helper()
	var got struct {
		Messages []struct {
			Data       []byte            `json:"data"`
			Attributes map[string]string `json:"attributes"`
		} `json:"messages"`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"messageIds":["1"]}`)
	}))
	t.Cleanup(server.Close)
	endpoints, err := push.ParseEndpoints("pubsub.googleapis.com=" + server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pushers := push.New(push.Options{Policy: push.Local(), Endpoints: endpoints})
	t.Cleanup(pushers.CloseIdle)
	r := pushers.Push(t.Context(), &hermod.Subscription{Type: hermod.GooglePubSub, Secrets: hermod.Secrets{Configuration: someTopic(t)}}, p)
	if !r.Succeeded() || len(got.Messages) != 1 {
		t.Fatalf("%+v, %+v", r, got)
	}
	return got.Messages[0].Attributes, string(got.Messages[0].Data)
}

// someTopic is the configuration of a topic, with a key that nobody knows.
func someTopic(t *testing.T) json.RawMessage {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := json.Marshal(map[string]any{"topicId": "orders", "credential": map[string]string{
		"type": "service_account", "project_id": "acme-prod", "private_key_id": "k", "client_email": "hermod@acme-prod.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return configuration
}
