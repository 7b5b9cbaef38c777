package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// azureConfiguration is typeConfiguration of an AzureServiceBus. Unknown members are
// tolerated.
type azureConfiguration struct {
	ConnectionString string `json:"connectionString"`
	QueueName        string `json:"queueName"`
	TopicName        string `json:"topicName"`
	Topic            string `json:"topic"` // another name of topicName
	// WorkloadIdentity stands in the place of a connection string, with Namespace.
	WorkloadIdentity *azureIdentity `json:"workloadIdentity"`
	Namespace        string         `json:"namespace"`
}

// azureQueues open queues and topics of Azure Service Bus.
type azureQueues struct {
	exchanger  *exchanger
	now        func() time.Time
	assertions Assertions // nil for none
}

func (a *azureQueues) open(ref hermod.Ref, configuration json.RawMessage) (place, error) {
	var c azureConfiguration
	if err := decode(configuration, &c, "must be an object with a text connectionString, or with a workloadIdentity and a namespace"); err != nil {
		return nil, err
	}
	var f faults
	q := &azureQueue{exchanger: a.exchanger, now: a.now, tokens: newTokenKeeper[string]()}
	if c.WorkloadIdentity != nil {
		host, entity := a.federated(&c, &f), azureEntity(&c, "", &f)
		q.entity = &url.URL{Scheme: "https", Host: host, Path: "/" + entity}
		q.renew = c.WorkloadIdentity.federate(federation{exchanger: a.exchanger, now: a.now, assertions: a.assertions}, ref).renew
		return q, f.err()
	}
	conn := parseAzureConnection(c.ConnectionString, &f)
	q.entity = &url.URL{Scheme: "https", Host: conn.host, Path: "/" + azureEntity(&c, conn.entity, &f)}
	key := sasKey{resource: q.entity.String(), name: conn.keyName, key: conn.key}
	q.renew = func(context.Context) (token[string], deliver.Result) {
		value, renew := key.token(a.now())
		return token[string]{value, renew}, deliver.Result{}
	}
	return q, f.err()
}

// federated judges what stands in the place of a connection string, and gives the
// namespace's host.
func (a *azureQueues) federated(c *azureConfiguration, f *faults) string {
	if reason := identityFault(a.assertions, c.ConnectionString != "", connectionField); reason != "" {
		f.add(identityField, reason)
	}
	c.WorkloadIdentity.check(f)
	return azureNamespace(c.Namespace, f)
}

// azureEntity gives the queue or topic. It may be named several times, but only one.
func azureEntity(c *azureConfiguration, fromConnection string, f *faults) string {
	entity, from := fromConnection, "the connection string's EntityPath"
	for _, named := range []struct{ member, value string }{
		{"queueName", c.QueueName}, {"topicName", c.TopicName}, {"topic", c.Topic},
	} {
		switch {
		case named.value == "":
		case !validAzureEntity(named.value):
			f.add(named.member, "must be the name of a queue or a topic: up to 260 letters, digits, '.', '-', '_', '~' and '/' between them")
		case entity != "" && !strings.EqualFold(entity, named.value):
			f.add(named.member, "must be what "+from+" names")
		default:
			entity, from = named.value, named.member
		}
	}
	if entity == "" && len(*f) == 0 {
		f.add("queueName", "is required where a connection string has no EntityPath; for a topic, topicName")
	}
	return entity
}

// maxAzureEntity bounds the path of an entity (Azure Service Bus quotas).
const maxAzureEntity = 260

// validAzureEntity reports whether a name can be a queue's or a topic's. What it lets
// through stands in a URL as it is.
func validAzureEntity(name string) bool {
	if len(name) > maxAzureEntity {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, func(r rune) bool { return !unreserved(r) }) {
			return false
		}
	}
	return true
}

// An azureQueue is a queue or a topic of Azure Service Bus.
type azureQueue struct {
	exchanger *exchanger
	now       func() time.Time
	// entity is its URL: https, one of the hosts of azureClouds, no query.
	entity *url.URL
	renew  renewal
	tokens *tokenKeeper[string]
}

// push sends one message (REST API reference, "Send Message"). It is not found out
// whether it was a queue or a topic.
func (q *azureQueue) push(ctx context.Context, p deliver.Payload) deliver.Result {
	token, failed := q.tokens.get(ctx, q.now, q.renew)
	if !failed.Succeeded() {
		return failed
	}
	to := *q.entity
	to.Path += "/messages"
	to.RawQuery = "api-version=2015-01"
	a := q.exchanger.do(ctx, request{url: &to, header: azureHeader(&p, token), body: p.Body, older: true})
	azureJudge(&a)
	if a.StatusCode == http.StatusUnauthorized {
		q.tokens.forget()
	}
	return a.Result
}

// The properties of a message that are Hermod's. Consumers see them by these names,
// in this case.
const (
	azureSender    = "sender"
	azureEventName = "eventName"
	azureTags      = "tags"
)

// maxAzureTags bounds the property that lists the tags, in bytes. Some 16 KB is all
// that the header of a request may have, and the body lists them all.
const maxAzureTags = 4 << 10

// azureHeader makes the header of a message: what the broker goes by in
// BrokerProperties, and every other name a property of the message's own (REST API
// reference, "Message headers and properties"). The signature is among them.
func azureHeader(p *deliver.Payload, token string) http.Header {
	broker, _ := json.Marshal(struct { // of two texts: it cannot fail
		MessageID string `json:"MessageId"` // by which duplicates are detected
		Label     string
	}{p.Event.ID, p.Event.Sender + ":" + p.Event.Name})
	header := make(http.Header, len(p.Header)+8)
	for name, values := range p.Header {
		header[name] = []string{quoted(strings.Join(values, ", "))}
	}
	header["Authorization"] = []string{token}
	header["Content-Type"] = []string{p.ContentType}
	header["BrokerProperties"] = []string{ascii(broker)}
	header[azureSender] = []string{quoted(p.Event.Sender)}
	header[azureEventName] = []string{quoted(p.Event.Name)}
	for _, a := range p.CloudEvent {
		if value := quoted(a.Value); len(value) <= maxCloudHeader {
			header[cloudProperty+a.Name] = []string{value}
		}
	}
	if len(p.Event.Tags) > 0 && p.CloudEvent == nil { // a CloudEvent has them already
		if tags := quoted(strings.Join(p.Event.Tags, ",")); len(tags) <= maxAzureTags {
			header[azureTags] = []string{tags}
		}
	}
	return header
}

// quoted makes a property a text whatever is in it: without quotes 12 is a number
// and a date is a date.
func quoted(text string) string {
	raw, _ := json.Marshal(text) // a text: it cannot fail
	return ascii(raw)
}

// ascii escapes what a header cannot carry in JSON.
func ascii(raw []byte) string {
	if !slices.ContainsFunc(raw, func(b byte) bool { return b >= 0x7f }) {
		return string(raw)
	}
	var b strings.Builder
	for _, r := range string(raw) {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b.String()
}

// azureJudge sharpens what Azure answered. Its 403 is documented as a quota that is
// used up or a message that is too large; a key that does not fit is a 401.
func azureJudge(a *answer) {
	if a.StatusCode != http.StatusForbidden {
		a.refine()
		return
	}
	said := strings.ToLower(a.Response)
	switch {
	case containsAny(said, "messagesizeexceeded", "message size", "exceeds the limit", "too large"):
		a.refuseTooLarge()
	case containsAny(said, "quota", "maximum entity size", "size has been reached"):
		a.throttle() // until its consumers have read some
	}
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

// probe asks for the description of the queue. The key of a sender may not see it, but
// how that is refused tells whether Azure knows the key. The words are those of
// Azure's answers, not documented: what is not understood stays unknown.
func (q *azureQueue) probe(ctx context.Context) []deliver.Finding {
	token, failure := q.tokens.get(ctx, q.now, q.renew)
	if !failure.Succeeded() {
		return []deliver.Finding{failed("credential", failure.Message)}
	}
	ask := *q.entity
	ask.RawQuery = "api-version=2017-04"
	a, findings, arrived := q.exchanger.reach(ctx, request{
		method: http.MethodGet, url: &ask, older: true, keep: maxAnswer, header: http.Header{"Authorization": {token}},
	})
	if !arrived {
		return findings
	}
	const credential, entity = "credential", "queue or topic"
	said := strings.ToLower(a.Response)
	unseen := unknown(entity, "whether it exists is not shown to a key that may only send; a mocked event tells")
	switch {
	case a.Class == "" && containsAny(string(a.body), "<QueueDescription", "<TopicDescription"):
		return append(findings, passed(credential, "the key is valid and may even manage the queue: one that may only send is safer"),
			passed(entity, "it exists"))
	case a.Class == "", a.StatusCode == http.StatusNotFound, a.StatusCode == http.StatusGone: // a list, of what the path begins
		return append(findings, failed(entity, "it does not exist"))
	case a.StatusCode != http.StatusUnauthorized:
		return append(findings, unknown(credential, "Azure did not say whether it takes the key"), unseen)
	case containsAny(said, "claims required", "claim is required", "failed for specified action"):
		return append(findings, passed(credential, "Azure knows the key; whether it may send is not known: no event was sent"), unseen)
	case containsAny(said, "40103", "invalid authorization token signature", "invalidsignature", "invalid signature"):
		return append(findings, failed(credential, "Azure does not take the key: SharedAccessKeyName or SharedAccessKey is wrong, or the key was changed"))
	default:
		return append(findings, unknown(credential, "Azure did not say whether it takes the key"), unseen)
	}
}
