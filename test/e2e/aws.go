package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/push"
)

// Region is that of the clouds' AWS, and of a target's identity there.
const Region = "us-east-1"

// OnAWS is what a target must be on AWS, with the prefix of roles that template.yaml has. What it signs nobody checks here: AWS' own
// SDK does so in test/oracle.
func OnAWS(t *testing.T) *push.AWS {
	t.Helper()
	own := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAHERMOD", SecretAccessKey: "hermods-own"}, nil
	})
	as, err := push.NewAWS(Region, own, "hermod-target-")
	if err != nil {
		t.Fatal(err)
	}
	return as
}

// An awsAccount is a subscriber's account, with a role that the local account may have
// Hermod use.
type awsAccount struct {
	mu       sync.Mutex
	refuse   int // sessions that SQS takes for ended first
	sessions int
	sent     map[string][]map[string]any // messages by the host of their service
}

const awsRole = "arn:aws:iam::123456789012:role/hermod-target-events"

func newAWSAccount(target Target) *awsAccount {
	a := &awsAccount{sent: map[string][]map[string]any{}}
	target.Clouds.answer("sts."+Region+".amazonaws.com", a.assume)
	for _, service := range []string{"sqs", "sns", "events", "kinesis"} {
		target.Clouds.answer(service+"."+Region+".amazonaws.com", a.take)
	}
	return a
}

// assume lets Hermod into the role for the local account alone.
func (a *awsAccount) assume(w http.ResponseWriter, _ *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("RoleArn") != awsRole || form.Get("ExternalId") != localAccount {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions++
	_, _ = fmt.Fprintf(w, "<Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>k</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials>",
		a.sessions, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func (a *awsAccount) take(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	service, _, _ := strings.Cut(r.Host, ".")
	if service == "sqs" && a.refuse > 0 {
		a.refuse--
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazon.coral.service#ExpiredTokenException"}`)
		return
	}
	message := map[string]any{}
	if service == "sns" {
		form, _ := url.ParseQuery(string(body)) // what is missing is seen below
		message["Message"], message["TopicArn"] = form.Get("Message"), form.Get("TopicArn")
	} else if err := json.Unmarshal(body, &message); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.sent[service] = append(a.sent[service], message)
	_, _ = io.WriteString(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}],"MessageId":"m"}`)
}

func (a *awsAccount) got(service string) []map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]map[string]any(nil), a.sent[service]...)
}

// wait waits until a service has n messages.
func (a *awsAccount) wait(t *testing.T, target Target, service string, n int) []map[string]any {
	t.Helper()
	target.eventually(t, func() string {
		if m := len(a.got(service)); m < n {
			return fmt.Sprintf("%s has %d messages, want %d", service, m, n)
		}
		return ""
	})
	return a.got(service)
}

func testAWS(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	a := newAWSAccount(target)
	a.refuse = 1
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":" + Region + ":123456789012:" + resource
	}
	queue := c.subscribeTo("AwsSqs", s+":*", map[string]any{"queueArn": arn("sqs", "orders.fifo"), "roleArn": awsRole})
	c.subscribeTo("AwsSns", s+":*", map[string]any{"topicArn": arn("sns", "orders"), "roleArn": awsRole})
	c.subscribeTo("AwsEventBridge", s+":*", map[string]any{"eventBusArn": arn("events", "event-bus/orders"), "roleArn": awsRole})
	c.subscribeTo("AwsKinesis", s+":*", map[string]any{"streamArn": arn("kinesis", "stream/orders"), "roleArn": awsRole})
	shown := c.api(http.MethodGet, "/subscriptions/"+queue, nil).want(http.StatusOK)
	if shown.text("externalId") != localAccount || shown.text("typeConfiguration.roleArn") != awsRole {
		t.Errorf("shown as %s", shown.body)
	}
	id := c.publish(event(s, "a", map[string]any{"text": "æ<&>"}))
	message := a.wait(t, target, "sqs", 1)[0]
	if message["MessageDeduplicationId"] != id || message["MessageGroupId"] != localAccount || !strings.Contains(fmt.Sprint(message["MessageBody"]), id) {
		t.Errorf("queue %v", message)
	}
	if topic := a.wait(t, target, "sns", 1)[0]; !strings.Contains(fmt.Sprint(topic["Message"]), id) {
		t.Errorf("topic %v", topic)
	}
	if bus := fmt.Sprint(a.wait(t, target, "events", 1)[0]); !strings.Contains(bus, "Source:"+s) || !strings.Contains(bus, id) {
		t.Errorf("bus %s", bus)
	}
	if stream := a.wait(t, target, "kinesis", 1)[0]; stream["PartitionKey"] != id {
		t.Errorf("stream %v", stream)
	}
	row := c.waitForRows(queue, 1)[0]
	if row.text("properties.url") != "https://sqs."+Region+".amazonaws.com/123456789012/orders.fifo" || row.value("success") != true {
		t.Errorf("log %s", row.body)
	}
	c.api(http.MethodPost, "/events/"+id+"/replay", nil).want(http.StatusAccepted)
	if again := a.wait(t, target, "sqs", 2)[1]; again["MessageDeduplicationId"] != id+":1" {
		t.Errorf("replayed %v", again)
	}
	check := c.api(http.MethodPost, "/subscriptions/"+queue+"/check", nil).want(http.StatusOK)
	if check.value("reachable") != true || !strings.Contains(string(check.body), `"name":"external id","ok":true`) {
		t.Errorf("check %s", check.body)
	}
	closed := target.as(t, "other")
	of := closed.subscribeTo("AwsSqs", s+":*", map[string]any{"queueArn": arn("sqs", "orders"), "roleArn": awsRole})
	check = closed.api(http.MethodPost, "/subscriptions/"+of+"/check", nil).want(http.StatusOK)
	if check.value("reachable") != false || !strings.Contains(string(check.body), `"name":"role","ok":false`) {
		t.Errorf("another account by the role of this one: %s", check.body)
	}
}
