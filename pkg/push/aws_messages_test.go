package push_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// lastMessage pushes and gives what the service got.
func lastMessage(t *testing.T, kind, configuration string, p deliver.Payload) *awsRequest {
	t.Helper()
	url, got := awsServer(t, nil)
	succeed(t, newPushers(t, awsOptions(t, url)), awsSubscription(kind, configuration), p)
	all := got.list()
	return all[len(all)-1]
}

func unmarshal(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

// A sqsMessage is the body of SendMessage.
type sqsMessage struct {
	QueueURL                                            string `json:"QueueUrl"`
	MessageBody, MessageGroupID, MessageDeduplicationID string
	MessageAttributes                                   map[string]struct{ DataType, StringValue string }
}

func sqsMessageOf(t *testing.T, configuration string, p deliver.Payload) (m sqsMessage) {
	t.Helper()
	unmarshal(t, lastMessage(t, hermod.AWSSQS, configuration, p).body, &m)
	return m
}

const queueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"

func sqsTo(queue, more string) string {
	return `{"queueUrl":"` + queue + `","roleArn":"` + roleARN + `"` + more + `}`
}

func TestAMessageOfSQSSaysWhatItsEventIs(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	m := sqsMessageOf(t, sqsTo(queueURL, ""), p)
	got := map[string]string{}
	for name, value := range m.MessageAttributes {
		if got[name] = value.StringValue; value.DataType != "String" {
			t.Errorf("%s is a %s", name, value.DataType)
		}
	}
	want := map[string]string{
		"sender": "signature-api", "eventName": "order.completed", "eventId": "82fa52a9bc7549438b8c6aee71569fa7", "tags": `one,nøkkel,"q"`,
		"content-type": "application/json", "x-signicat-signature": "0123abcd",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || m.MessageBody != string(p.Body) || m.QueueURL != queueURL || m.MessageGroupID != "" || m.MessageDeduplicationID != "" {
		t.Errorf("got %+v", m)
	}
}

func TestAMessageHasNoMoreAttributesThanAQueueTakes(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	p.Event.Tags = []string{"line\nbreak"} // no attribute can hold it
	for i := range 20 {
		p.Header.Set(fmt.Sprintf("X-%d", i), "v")
	}
	m := sqsMessageOf(t, sqsTo(queueURL, ""), p)
	if _, there := m.MessageAttributes["tags"]; there || len(m.MessageAttributes) != 10 {
		t.Errorf("got %v", m.MessageAttributes)
	}
}

func TestWhatKeepsAnOrderHasGroupsAndTellsRunsApart(t *testing.T) {
	t.Parallel()
	const id = "82fa52a9bc7549438b8c6aee71569fa7"
	replayed, ofNobody := eventPayload(), eventPayload()
	replayed.Event.Run = 2
	ofNobody.Event.Account, ofNobody.Event.Organization = "", "o 1"
	for name, tt := range map[string]struct {
		queue, more string
		payload     deliver.Payload
		group, once string
	}{
		"a standard queue":           {queueURL, "", eventPayload(), "", ""},
		"a standard queue's group":   {queueURL, `,"messageGroupId":"g"`, eventPayload(), "g", ""},
		"in order":                   {queueURL + ".fifo", "", eventPayload(), "a-1", id},
		"in order, with a group":     {queueURL + ".fifo", `,"messageGroupId":"g"`, eventPayload(), "g", id},
		"a replay":                   {queueURL + ".fifo", "", replayed, "a-1", id + ":2"},
		"no account that is a group": {queueURL + ".fifo", "", ofNobody, "hermod", id},
	} {
		m := sqsMessageOf(t, sqsTo(tt.queue, tt.more), tt.payload)
		if m.MessageGroupID != tt.group || m.MessageDeduplicationID != tt.once {
			t.Errorf("%s: got %q and %q", name, m.MessageGroupID, m.MessageDeduplicationID)
		}
		topic := "arn:aws:sns:eu-west-1:123456789012:" + tt.queue[strings.LastIndex(tt.queue, "/")+1:]
		form := lastMessage(t, hermod.AWSSNS, `{"topicArn":"`+topic+`","roleArn":"`+roleARN+`"`+tt.more+`}`, tt.payload).form(t)
		if form.Get("MessageGroupId") != tt.group || form.Get("MessageDeduplicationId") != tt.once {
			t.Errorf("%s: a topic got %v", name, form)
		}
	}
}

func TestAMessageOfSNSHasTagsThatFiltersCanLookInto(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	q := lastMessage(t, hermod.AWSSNS, `{"topicArn":"arn:aws:sns:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`, p)
	form := q.form(t)
	if q.host != "sns.eu-west-1.amazonaws.com" || form.Get("Action") != "Publish" || form.Get("Message") != string(p.Body) || form.Get("TopicArn") != "arn:aws:sns:eu-west-1:123456789012:orders" {
		t.Errorf("got %s", q.body)
	}
	got := map[string]string{}
	for i := 1; form.Has(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)); i++ {
		entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		got[form.Get(entry+"Name")] = form.Get(entry+"Value.DataType") + " " + form.Get(entry+"Value.StringValue")
	}
	want := map[string]string{
		"sender": "String signature-api", "eventName": "String order.completed", "eventId": "String 82fa52a9bc7549438b8c6aee71569fa7",
		"tags": `String.Array ["one","nøkkel","\"q\""]`, "content-type": "String application/json", "x-signicat-signature": "String 0123abcd",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
}

func TestAnEntryOfEventBridgeIsWhatHermodItselfTakes(t *testing.T) {
	t.Parallel()
	type entry struct {
		EventBusName, Source, DetailType, Detail string
		Time                                     float64
	}
	p := eventPayload()
	const bus = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
	at := float64(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Unix()) + 0.123
	for more, want := range map[string]entry{
		"": {bus, "signature-api", "order.completed", string(p.Body), at},
		`,"source":"com.example.hermod","detailType":"An order"`: {bus, "com.example.hermod", "An order", string(p.Body), at},
	} {
		q := lastMessage(t, hermod.AWSEventBridge, `{"eventBusArn":"`+bus+`","roleArn":"`+roleARN+`"`+more+`}`, p)
		var got struct{ Entries []entry }
		unmarshal(t, q.body, &got)
		if len(got.Entries) != 1 || got.Entries[0] != want || q.target != "AWSEvents.PutEvents" || q.contentType != "application/x-amz-json-1.1" || q.host != "events.eu-west-1.amazonaws.com" {
			t.Errorf("got %s", q.body)
		}
	}
}

func TestARecordOfKinesisIsTheBodyByteForByte(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	const stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
	for more, key := range map[string]string{"": p.Event.ID, `,"partitionKey":"ordered"`: "ordered"} {
		q := lastMessage(t, hermod.AWSKinesis, `{"streamArn":"`+stream+`","roleArn":"`+roleARN+`"`+more+`}`, p)
		var got struct {
			StreamARN, StreamName, PartitionKey string
			Data                                []byte
		}
		unmarshal(t, q.body, &got)
		if got.StreamARN != stream || got.StreamName != "orders" || got.PartitionKey != key || string(got.Data) != string(p.Body) || q.target != "Kinesis_20131202.PutRecord" {
			t.Errorf("got %s", q.body)
		}
	}
}

func TestAnAnswerOfEventBridgeIsKeptAsThatOfOthersIs(t *testing.T) {
	t.Parallel()
	url, _ := awsServer(t, nil)
	s := awsSubscription(hermod.AWSEventBridge, `{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","roleArn":"`+roleARN+`"}`)
	r := newPushers(t, awsOptions(t, url)).Push(t.Context(), s, eventPayload())
	if !r.Succeeded() || r.StatusCode != http.StatusOK || r.Response != `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}` {
		t.Errorf("got %+v", r)
	}
}
