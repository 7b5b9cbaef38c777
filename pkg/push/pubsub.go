package push

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// pubsubHost is where topics are published to. No other host is ever connected to,
// whatever the credential says.
const pubsubHost = "pubsub.googleapis.com"

// pubsubTopics open topics of Google Cloud Pub/Sub.
type pubsubTopics struct {
	exchanger  *exchanger
	now        func() time.Time
	assertions Assertions // nil for none
}

func (ts *pubsubTopics) open(ref hermod.Ref, configuration json.RawMessage) (place, error) {
	var c pubsubConfiguration
	if err := decode(configuration, &c, pubsubForm); err != nil {
		return nil, err
	}
	var f faults
	renew, ofCredential := ts.access(ref, &c, &f)
	project, topic := c.names(ofCredential, &f)
	c.checkMessage(&f)
	if err := f.err(); err != nil {
		return nil, err
	}
	t := &pubsubTopic{
		exchanger: ts.exchanger, now: ts.now, renew: renew, tokens: newTokenKeeper[string](), attributes: c.Attributes, orderingKey: c.OrderingKey,
		topic: &url.URL{Scheme: "https", Host: pubsubHost, Path: "/v1/projects/" + project + "/topics/" + topic},
	}
	t.batches = &batcher{send: t.send, maxMessages: maxPubsubBatch, maxBytes: maxPubsubBytes}
	return t, nil
}

// access gives what makes tokens, and the project that the credential names: of a
// service account's key, or of what Hermod asserts.
func (ts *pubsubTopics) access(ref hermod.Ref, c *pubsubConfiguration, f *faults) (renew renewal, project string) {
	if c.WorkloadIdentity == nil {
		account := parseServiceAccount(c.Credential, f)
		return func(context.Context) (token[string], deliver.Result) { return account.token(ts.now()) }, account.project
	}
	if reason := identityFault(ts.assertions, !absent(c.Credential), credentialField); reason != "" {
		f.add(identityField, reason)
	}
	provider := c.WorkloadIdentity.provider(f)
	c.WorkloadIdentity.checkServiceAccount(f)
	by := federation{exchanger: ts.exchanger, now: ts.now, assertions: ts.assertions}
	return c.WorkloadIdentity.federate(by, ref, provider).renew, ""
}

// The bounds of one publish. Pub/Sub takes 1,000 messages and 10 MB; of an answer no
// more than maxAnswer bytes are read, which hold the ids of some 600.
const (
	maxPubsubBatch = 500
	maxPubsubBytes = 8 << 20
)

// A pubsubTopic is a topic of Google Cloud Pub/Sub.
type pubsubTopic struct {
	exchanger *exchanger
	now       func() time.Time
	topic     *url.URL
	// renew makes the value of the Authorization header.
	renew  renewal
	tokens *tokenKeeper[string]
	// attributes and orderingKey are the subscriber's.
	attributes  map[string]string
	orderingKey string
	// batches have a lane an ordering key: all messages of one publish must have the
	// same (REST reference, "PubsubMessage").
	batches *batcher
}

// A pubsubMessage is a PubsubMessage.
type pubsubMessage struct {
	Data        []byte            `json:"data"` // in base64
	Attributes  map[string]string `json:"attributes"`
	OrderingKey string            `json:"orderingKey,omitempty"`
}

// push publishes one message, together with those that come at the same time.
func (t *pubsubTopic) push(ctx context.Context, p deliver.Payload) deliver.Result {
	m := pubsubMessage{Data: p.Body, Attributes: t.attributesOf(&p), OrderingKey: t.orderingKeyOf(&p)}
	raw, _ := json.Marshal(m) // of bytes and texts: it cannot fail
	return t.batches.push(ctx, m.OrderingKey, raw)
}

// The attributes of a message that are Hermod's. Consumers see them, and subscriptions
// filter by them, under these names.
const (
	pubsubSender      = "sender"
	pubsubEventName   = "eventName"
	pubsubEventID     = "eventId"
	pubsubTags        = "tags" // with commas between them
	pubsubContentType = "content-type"
)

// The bounds of attributes (Pub/Sub quotas: 100 a message, 256 and 1,024 bytes).
const (
	maxPubsubOwnAttributes = 50 // the subscriber's
	maxPubsubName          = 256
	maxPubsubValue         = 1024
)

// attributesOf are those of a message: Hermod's, the subscriber's, and the headers,
// the signature among them, in lower case as the binding of CloudEvents to Pub/Sub
// writes them. What is longer than Pub/Sub takes is left out: the body says it too.
func (t *pubsubTopic) attributesOf(p *deliver.Payload) map[string]string {
	all := make(map[string]string, len(t.attributes)+len(p.Header)+5)
	maps.Copy(all, t.attributes)
	add := func(name, value string) {
		if value != "" && len(value) <= maxPubsubValue {
			all[name] = value
		}
	}
	for name, values := range p.Header {
		add(strings.ToLower(name), strings.Join(values, ", "))
	}
	add(pubsubContentType, p.ContentType)
	add(pubsubSender, p.Event.Sender)
	add(pubsubEventName, p.Event.Name)
	add(pubsubEventID, p.Event.ID)
	add(pubsubTags, strings.Join(p.Event.Tags, ","))
	for _, a := range p.CloudEvent {
		add(cloudAttribute+a.Name, a.Value)
	}
	return all
}

// The ordering keys that stand for something of the event.
const (
	orderByAccount = "{account}"
	orderByType    = "{type}"
)

func (t *pubsubTopic) orderingKeyOf(p *deliver.Payload) string {
	switch t.orderingKey {
	case orderByAccount:
		return p.Event.Account
	case orderByType:
		return p.Event.Sender + ":" + p.Event.Name
	default:
		return t.orderingKey
	}
}

func (t *pubsubTopic) send(ctx context.Context, messages [][]byte) []deliver.Result {
	authorization, failed := t.tokens.get(ctx, t.now, t.renew)
	if !failed.Succeeded() {
		return repeat(failed, len(messages))
	}
	return t.publish(ctx, authorization, messages)
}

// publish publishes all of the messages or, where Pub/Sub finds fault with one, each
// half of them: a topic may have a schema, and the message that does not match it must
// not take the others along.
func (t *pubsubTopic) publish(ctx context.Context, authorization string, messages [][]byte) []deliver.Result {
	body := append([]byte(`{"messages":[`), bytes.Join(messages, []byte{','})...)
	body = append(body, "]}"...)
	a := t.exchanger.do(ctx, request{url: t.method("publish"), header: jsonHeader(authorization), body: body, keep: maxAnswer})
	if n := len(messages); n > 1 && (a.StatusCode == http.StatusBadRequest || a.StatusCode == http.StatusRequestEntityTooLarge) {
		return append(t.publish(ctx, authorization, messages[:n/2]), t.publish(ctx, authorization, messages[n/2:])...)
	}
	googleJudge(&a)
	if a.StatusCode == http.StatusUnauthorized {
		t.tokens.forget()
	}
	results := repeat(a.Result, len(messages))
	var published struct {
		MessageIDs []string `json:"messageIds"`
	}
	if a.Class == "" && json.Unmarshal(a.body, &published) == nil && len(published.MessageIDs) == len(messages) {
		for i, id := range published.MessageIDs {
			results[i].Response = cut(`{"messageIds":["`+id+`"]}`, hermod.MaxResponseKept)
		}
	}
	return results
}

// method is the URL of a method of the topic.
func (t *pubsubTopic) method(name string) *url.URL {
	to := *t.topic
	to.Path += ":" + name
	return &to
}

func repeat(r deliver.Result, n int) []deliver.Result {
	results := make([]deliver.Result, n)
	for i := range results {
		results[i] = r
	}
	return results
}

// googleJudge sharpens what an API of Google answered. Each status of HTTP stands for
// one of google.rpc.Code; what it says beside that is INVALID_ARGUMENT's alone.
func googleJudge(a *answer) {
	if a.StatusCode == http.StatusBadRequest && containsAny(strings.ToLower(a.Response), "payload size", "message_size", "message size", "too large") {
		a.refuseTooLarge()
		return
	}
	a.refine()
}

// probe asks which of its permissions the credential has: Pub/Sub tells anybody about
// himself.
func (t *pubsubTopic) probe(ctx context.Context) []deliver.Finding {
	const credential, topic, publish = "credential", "topic", "pubsub.topics.publish"
	authorization, failure := t.tokens.get(ctx, t.now, t.renew)
	if !failure.Succeeded() {
		return []deliver.Finding{failed(credential, failure.Message)}
	}
	a, findings, arrived := t.exchanger.reach(ctx, request{
		url: t.method("testIamPermissions"), header: jsonHeader(authorization), body: []byte(`{"permissions":["` + publish + `"]}`), keep: maxAnswer,
	})
	if !arrived {
		return findings
	}
	var held struct {
		Permissions []string `json:"permissions"`
	}
	switch {
	case a.StatusCode == http.StatusUnauthorized:
		t.tokens.forget()
		return append(findings, failed(credential, "Google does not take it: the key was deleted, or its account was"))
	case a.StatusCode == http.StatusNotFound:
		return append(findings, passed(credential, "Google takes it"), failed(topic, "it does not exist"))
	case a.Class != "" || json.Unmarshal(a.body, &held) != nil:
		return append(findings, unknown(credential, "Google did not say whether it may publish"+said(a.StatusCode)))
	case len(held.Permissions) == 0:
		return append(findings, passed(credential, "Google takes it"),
			failed(topic, "it does not exist, or the credential lacks the permission "+publish+", which the role roles/pubsub.publisher gives"))
	default:
		return append(findings, passed(credential, "Google takes it"), passed(topic, "it exists, and the credential may publish to it"))
	}
}

func said(status int) string { return fmt.Sprintf(": it answered %d", status) }
