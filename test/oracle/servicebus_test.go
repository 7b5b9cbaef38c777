//go:build cloud

package oracle_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// A message is what the stand-in for Service Bus says of a request.
type message struct {
	Status      int            `json:"status"`
	Reason      string         `json:"reason"`
	Duplicate   bool           `json:"duplicate"`
	MessageID   string         `json:"messageId"`
	Label       string         `json:"label"`
	ContentType string         `json:"contentType"`
	Properties  map[string]any `json:"properties"`
	Body        string         `json:"body"`
}

// A namespace is the stand-in, and what pushes to it.
type namespace struct {
	*program
	pushers *push.Pushers
}

func startNamespace(t *testing.T, connection string) namespace {
	t.Helper()
	p := start(t, "servicebus.mjs", connection, "orders")
	var ready struct {
		URL string `json:"url"`
	}
	p.read(t, &ready)
	endpoints, err := push.ParseEndpoints("servicebus.windows.net=" + ready.URL + ",servicebus.usgovcloudapi.net=" + ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	pushers := push.New(push.Options{Policy: push.Local(), Endpoints: endpoints})
	t.Cleanup(pushers.CloseIdle)
	return namespace{p, pushers}
}

// queueAt is a subscription to a queue.
func queueAt(t *testing.T, connection, queue string) *hermod.Subscription {
	t.Helper()
	configuration, err := json.Marshal(map[string]string{"connectionString": connection, "queueName": queue})
	if err != nil {
		t.Fatal(err)
	}
	return &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: hermod.AzureServiceBus, Dialect: hermod.Signicat, Signing: hermod.HMACSHA256,
		Secrets: hermod.Secrets{Configuration: configuration, SigningSecret: "s"},
	}
}

// delivered is what a subscription gets of an event.
func delivered(t *testing.T, s *hermod.Subscription) (*hermod.Event, deliver.Payload) {
	t.Helper()
	e := &hermod.Event{
		ID: hermod.ID{1: 0x58, 15: 7}, Sender: "signature-api", Name: "order.completed", AccountID: "a-1", Timestamp: time.Now(),
		Data: []byte(`{"text":"<&> æ 🦉"}`), Tags: []string{"one", "nøkkel", `quoted "q"`, "12"},
	}
	p, err := signicat.Encoder{}.Encode(t.Context(), deliver.Delivery{Event: e, Subscription: s, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return e, p
}

func TestMicrosoftsLibrariesTakeOurConnectionStringsAndTokens(t *testing.T) {
	t.Parallel()
	for name, connection := range map[string]string{
		"as the portal shows it":  "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=Signicat;SharedAccessKey=9zX+/Qz0mVb1c2hMv0Jr5kq3n8y7w6u5t4s3r2q1p0o=",
		"of the namespace's root": "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=a=",
		"in another cloud":        "Endpoint=sb://contoso.servicebus.usgovcloudapi.net/;SharedAccessKeyName=Signicat;SharedAccessKey=k",
		"with the queue":          "Endpoint=sb://contoso.servicebus.windows.net;SharedAccessKeyName=Signicat;SharedAccessKey=k;EntityPath=orders",
		"an odd policy":           "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a b_c-d.e~f;SharedAccessKey=+/+/==",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, s := startNamespace(t, connection), queueAt(t, connection, "orders")
			e, p := delivered(t, s)
			for i := range 2 {
				r := n.pushers.Push(t.Context(), s, p)
				var m message
				n.read(t, &m)
				if !r.Succeeded() || r.StatusCode != http.StatusCreated || m.Status != http.StatusCreated || m.Duplicate != (i > 0) {
					t.Errorf("push %d: %+v, the namespace: %+v", i, r, m)
				}
				if m.MessageID != e.ID.String() || m.Label != e.Type() || m.ContentType != "application/json" || m.Body != string(p.Body) {
					t.Errorf("got %+v", m)
				}
				names := slices.Sorted(maps.Keys(m.Properties))
				want := []string{"X-Signicat-Delivery-Attempt-Id", "X-Signicat-Event-Id", "X-Signicat-Signature", "eventName", "sender", "tags"}
				names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "webhook-") })
				if !slices.Equal(names, want) || m.Properties["tags"] != strings.Join(e.Tags, ",") ||
					m.Properties["sender"] != e.Sender || m.Properties["eventName"] != e.Name ||
					m.Properties["X-Signicat-Signature"] != p.Header.Get("X-Signicat-Signature") {
					t.Errorf("properties %v", m.Properties)
				}
			}
			found := n.pushers.Probe(t.Context(), s)
			if last := found[len(found)-2]; last.Name != "credential" || last.Verdict != deliver.Passed {
				t.Errorf("a probe: %+v", found)
			}
		})
	}
}

func TestMicrosoftsLibrariesRefuseAnotherKey(t *testing.T) {
	t.Parallel()
	const good = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=Signicat;SharedAccessKey=abc="
	n := startNamespace(t, good)
	for name, tt := range map[string]struct{ connection, queue, class string }{
		"another key":    {strings.Replace(good, "abc=", "abd=", 1), "orders", deliver.ClassCredential},
		"another policy": {strings.Replace(good, "Signicat", "signicat", 1), "orders", deliver.ClassCredential},
		"another queue":  {good, "none", deliver.ClassNotFound},
	} {
		s := queueAt(t, tt.connection, tt.queue)
		_, p := delivered(t, s)
		r := n.pushers.Push(t.Context(), s, p)
		var m message
		n.read(t, &m)
		if r.Class != tt.class || r.Permanent == "" {
			t.Errorf("%s: %+v, the namespace: %+v", name, r, m)
		}
		found := n.pushers.Probe(t.Context(), s)
		n.read(t, &m)
		if failed := found[len(found)-1]; tt.class == deliver.ClassCredential && (failed.Name != "credential" || failed.Verdict != deliver.Failed) {
			t.Errorf("%s: a probe: %+v", name, found)
		}
	}
}
