package push_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// binaryPayload is an event as a CloudEvent in binary mode.
func binaryPayload() deliver.Payload {
	p := eventPayload()
	p.Body = []byte(`{"a":1}`)
	p.CloudEvent = []deliver.Named{
		{Name: "specversion", Value: "1.0"}, {Name: "id", Value: p.Event.ID}, {Name: "source", Value: "/signature-api"},
		{Name: "type", Value: "signature-api:order.completed"}, {Name: "time", Value: "2026-03-01T12:00:00.123Z"}, {Name: "accountid", Value: "a-1"},
		{Name: "organizationid", Value: "o-1"}, {Name: "expiresat", Value: "2026-03-02T00:00:00Z"}, {Name: "tags", Value: `one, nøkkel "50%" ~🦉`},
	}
	return p
}

// received pushes to a server in the place of the kind's hosts, and gives the header
// and the body of the request that had the event.
func received(t *testing.T, c conformer, p deliver.Payload) (header http.Header, body string) {
	t.Helper()
	ps, s, _ := c.serving(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		header, body = r.Header.Clone(), string(raw)
		c.success(w)
	})
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("%s: %+v", c.kind, r)
	}
	return header, body
}

func TestABinaryCloudEventIsInTheHeaderOfAWebhookAndAFlow(t *testing.T) {
	t.Parallel()
	for _, c := range []conformer{webhookRow(), mintRow()} {
		header, body := received(t, c, binaryPayload())
		for name, want := range map[string]string{
			"ce-specversion": "1.0", "ce-id": "82fa52a9bc7549438b8c6aee71569fa7", "ce-source": "/signature-api", "ce-type": "signature-api:order.completed",
			"ce-time": "2026-03-01T12:00:00.123Z", "ce-accountid": "a-1", "ce-organizationid": "o-1", "ce-expiresat": "2026-03-02T00:00:00Z",
			"ce-tags": "one,%20n%C3%B8kkel%20%2250%25%22%20~%F0%9F%A6%89", "content-type": "application/json", "x-signicat-signature": "0123abcd",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.kind, name, got, want)
			}
		}
		if body != `{"a":1}` {
			t.Errorf("%s: %s", c.kind, body)
		}
	}
}

func TestACloudEventWinsOverHeadersOfTheSubscriberAndLeavesOutWhatIsTooLong(t *testing.T) {
	t.Parallel()
	c := webhookRow()
	c.configuration = func(server string) string { return `{"url":"` + server + `","headers":{"CE-ID":"forged"}}` }
	p := binaryPayload()
	p.CloudEvent[8].Value = strings.Repeat("ø", 1000)
	header, _ := received(t, c, p)
	if got := header.Values("ce-id"); len(got) != 1 || got[0] != p.Event.ID || len(header.Values("ce-tags")) != 0 {
		t.Errorf("got %v", header)
	}
}

func TestABinaryCloudEventIsInThePropertiesOfAMessageOfAzure(t *testing.T) {
	t.Parallel()
	header, body := received(t, azureRow(), binaryPayload())
	for name, want := range map[string]string{
		"cloudEvents_specversion": `"1.0"`, "cloudEvents_id": `"82fa52a9bc7549438b8c6aee71569fa7"`, "cloudEvents_type": `"signature-api:order.completed"`,
		"cloudEvents_tags": `"one, n\u00f8kkel \"50%\" ~\ud83e\udd89"`, "Content-Type": "application/json", "sender": `"signature-api"`,
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if header.Get("tags") != "" || body != `{"a":1}` {
		t.Errorf("got %v with %s", header, body)
	}
}

func TestABinaryCloudEventIsInTheAttributesOfAMessage(t *testing.T) {
	t.Parallel()
	want := map[string]string{"content-type": "application/json"}
	for _, a := range binaryPayload().CloudEvent {
		want["ce-"+a.Name] = a.Value
	}
	m := sqsMessageOf(t, sqsTo(queueURL, ""), binaryPayload())
	if len(m.MessageAttributes) != 10 || m.MessageBody != `{"a":1}` {
		t.Errorf("got %+v", m)
	}
	form := lastMessage(t, hermod.AWSSNS, `{"topicArn":"arn:aws:sns:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`, binaryPayload()).form(t)
	for name, value := range want {
		if got := m.MessageAttributes[name].StringValue; got != value {
			t.Errorf("SQS: %s is %q", name, got)
		}
	}
	n := 0
	for name, values := range form {
		if strings.HasSuffix(name, ".Value.StringValue") {
			if n++; want[form.Get(strings.TrimSuffix(name, "Value.StringValue")+"Name")] != values[0] {
				t.Errorf("SNS: %s is %v", name, values)
			}
		}
	}
	if n != 10 {
		t.Errorf("SNS: %d attributes", n)
	}
}

func TestACloudEventToPubSubHasItsAttributes(t *testing.T) {
	t.Parallel()
	_, body := received(t, pubsubRow(), binaryPayload())
	var got struct {
		Messages []struct {
			Data       []byte
			Attributes map[string]string
		}
	}
	unmarshal(t, []byte(body), &got)
	a := got.Messages[0].Attributes
	if a["ce-specversion"] != "1.0" || a["ce-type"] != "signature-api:order.completed" || a["ce-tags"] != `one, nøkkel "50%" ~🦉` || a["content-type"] != "application/json" ||
		string(got.Messages[0].Data) != `{"a":1}` {
		t.Errorf("got %s", body)
	}
}

func TestAStructuredCloudEventIsTheBodyEverywhere(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	p.Body, p.ContentType = []byte(`{"specversion":"1.0"}`), "application/cloudevents+json"
	for _, c := range []conformer{webhookRow(), mintRow(), azureRow()} {
		if header, body := received(t, c, p); body != string(p.Body) || header.Get("Content-Type") != p.ContentType {
			t.Errorf("%s: %v with %s", c.kind, header, body)
		}
	}
	m := sqsMessageOf(t, sqsTo(queueURL, ""), p)
	if m.MessageBody != string(p.Body) || m.MessageAttributes["content-type"].StringValue != p.ContentType || m.MessageAttributes["sender"].StringValue != "signature-api" {
		t.Errorf("got %+v", m)
	}
	var entry struct{ Entries []struct{ Detail string } }
	unmarshal(t, lastMessage(t, hermod.AWSEventBridge, `{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","roleArn":"`+roleARN+`"}`, p).body, &entry)
	if entry.Entries[0].Detail != string(p.Body) {
		t.Errorf("got %+v", entry)
	}
}
