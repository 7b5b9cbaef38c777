package push_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// hermodOnAWS is Hermod's identity in these tests.
func hermodOnAWS(t testing.TB) *push.AWS {
	t.Helper()
	own := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAHERMOD", SecretAccessKey: "own-s3cret", SessionToken: "own-token-s3cret"}, nil
	})
	as, err := push.NewAWS("eu-north-1", own, "hermod-")
	if err != nil {
		t.Fatal(err)
	}
	return as
}

const roleARN = "arn:aws:iam::123456789012:role/hermod-events"

// sessionUntil is an answer to AssumeRole.
func sessionUntil(key string, until time.Time) string {
	return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>` +
		`<AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/hermod-events/x</Arn></AssumedRoleUser><Credentials>` +
		`<AccessKeyId>` + key + `</AccessKeyId><SecretAccessKey>session/s3cret+=</SecretAccessKey><SessionToken>token-s3cret/+==</SessionToken>` +
		`<Expiration>` + until.UTC().Format(time.RFC3339) + `</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
}

// sts answers for STS, and reports false of what is for another service.
func sts(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.Host, "sts.") {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, sessionUntil("ASIASESSION", time.Now().Add(time.Hour)))
	return true
}

func awsOptions(t *testing.T, server string) push.Options {
	return push.Options{AWS: hermodOnAWS(t), Endpoints: endpointsFor(t, server, "amazonaws.com")}
}

// awsRow is a row of the conformance suite for a service that speaks JSON.
func awsRow(kind, configuration, target, success string) conformer {
	said := func(kind, message string) string { return fmt.Sprintf(`{"__type":%q,"message":%q}`, kind, message) }
	leak := "The request signature we calculated does not match. The Canonical String should have been 'x-amz-security-token:token-s3cret/+=='"
	return conformer{
		kind: kind, options: awsOptions, side: sts,
		configuration: func(string) string { return configuration },
		success:       func(w http.ResponseWriter) { _, _ = io.WriteString(w, success) },
		answers: map[string]failing{
			"throttled":         {status: 400, body: said("ThrottlingException", "Rate exceeded"), class: "throttled"},
			"throttled by KMS":  {status: 400, body: said("KMSThrottlingException", ""), class: "throttled"},
			"throughput":        {status: 400, body: said("com.amazonaws.kinesis.v20131202#ProvisionedThroughputExceededException", ""), class: "throttled"},
			"request throttled": {status: 403, body: said("com.amazonaws.sqs#RequestThrottled", ""), class: "throttled"},
			"busy":              {status: 503, header: map[string]string{"Retry-After": "7"}, body: said("ServiceUnavailable", ""), class: "throttled", retryAfter: 7 * time.Second},
			"bad credential":    {status: 400, body: said("AccessDeniedException", "is not authorized to perform"), class: "bad_credential", reason: hermod.ReasonCredential},
			"unknown client":    {status: 400, body: said("UnrecognizedClientException", ""), class: "bad_credential", reason: hermod.ReasonCredential},
			"no right to a key": {status: 400, body: said("KmsAccessDenied", ""), class: "bad_credential", reason: hermod.ReasonCredential},
			"a code in a header": {
				status: 403, header: map[string]string{"X-Amzn-Errortype": "AccessDeniedException:http://internal.amazon.com/"}, body: "{}",
				class: "bad_credential", reason: hermod.ReasonCredential,
			},
			"gone":             {status: 400, body: said("com.amazonaws.sqs#QueueDoesNotExist", ""), class: "not_found", reason: hermod.ReasonNotFound},
			"no such stream":   {status: 400, body: said("ResourceNotFoundException", ""), class: "not_found", reason: hermod.ReasonNotFound},
			"too large":        {status: 400, body: said("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."), class: "too_large", reason: hermod.ReasonTooLarge},
			"too large a body": {status: 413, class: "too_large", reason: hermod.ReasonTooLarge},
			"too many bytes":   {status: 400, body: said("ValidationException", "Total size of the entries in the request is over the limit."), class: "too_large", reason: hermod.ReasonTooLarge},
			"a bad parameter":  {status: 400, body: said("InvalidParameterValue", "no words that are known"), class: "http_4xx"},
			"a bad signature":  {status: 403, body: said("InvalidSignatureException", leak), class: "http_4xx"},
			"an ended session": {status: 400, body: said("ExpiredTokenException", ""), class: "http_4xx"},
			"server error":     {status: 500, body: said("InternalFailure", ""), class: "http_5xx"},
			"no words at all":  {status: 500, class: "http_5xx"},
		},
		hostile: map[string]string{},
		target:  func(string) string { return target },
	}
}

func sqsRow() conformer {
	const url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
	c := awsRow(hermod.AWSSQS, `{"queueUrl":"`+url+`","roleArn":"`+roleARN+`"}`, url, `{"MessageId":"m"}`)
	hostileARNs(c.hostile, "queueArn", "arn:aws:sqs:eu-west-1:123456789012:orders")
	for _, bad := range []string{
		"http://sqs.eu-west-1.amazonaws.com/123456789012/orders",
		"https://sqs.eu-west-1.amazonaws.com.s3cret.example/123456789012/orders",
		"https://s3cret.example/123456789012/orders",
		"https://s3cret.example/sqs.eu-west-1.amazonaws.com/123456789012/orders",
		"https://sqs.eu-west-1.amazonaws.com@s3cret.example/123456789012/orders",
		"https://s3cret@sqs.eu-west-1.amazonaws.com/123456789012/orders",
		"https://sqs.eu-west-1.amazonaws.com:8443/123456789012/orders",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders?x=s3cret",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders?",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders#s3cret",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders/../s3cret",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/%6frders%2fx",
		"https://sqs.eu-west-1.amazonaws.com/12345678901/orders",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/",
		"https://sqs.eu-west-1.amazonaws.com/orders",
		"https://sqs.169.254.169.254/123456789012/orders",
		"https://sqs.localhost/123456789012/orders",
		"https://sqs.s3-us-west-2.amazonaws.com/123456789012/orders",
		"https://sqs.us-gov-west-1.amazonaws.com.cn/123456789012/orders",
		"https://sqs.cn-north-1.amazonaws.com/123456789012/orders",
		"https://SQS.eu-west-1.amazonaws.com/123456789012/orders",
		"https://sns.eu-west-1.amazonaws.com/123456789012/orders",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/" + strings.Repeat("s", 81),
		"//sqs.eu-west-1.amazonaws.com/123456789012/orders",
		"s3cret",
	} {
		c.hostile[fmt.Sprintf(`{"queueUrl":%q,"roleArn":%q}`, bad, roleARN)] = "typeConfiguration.queueUrl"
	}
	c.hostile[`{"queueUrl":"`+url+`","queueArn":"arn:aws:sqs:eu-west-1:123456789012:other","roleArn":"`+roleARN+`"}`] = "typeConfiguration.queueUrl"
	c.hostile[`{"queueUrl":"`+url+`","messageGroupId":"s3cret æ","roleArn":"`+roleARN+`"}`] = "typeConfiguration.messageGroupId"
	return c
}

func snsRow() conformer {
	const topic = "arn:aws:sns:eu-west-1:123456789012:orders"
	c := awsRow(hermod.AWSSNS, `{"topicArn":"`+topic+`","roleArn":"`+roleARN+`"}`, topic, `<PublishResponse/>`)
	said := func(code, message string) string {
		return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message + "</Message></Error></ErrorResponse>"
	}
	c.answers["no right"] = failing{status: 403, body: said("AuthorizationError", "is not authorized"), class: "bad_credential", reason: hermod.ReasonCredential}
	c.answers["unknown session"] = failing{status: 403, body: said("InvalidClientTokenId", ""), class: "bad_credential", reason: hermod.ReasonCredential}
	c.answers["no topic"] = failing{status: 404, body: said("NotFound", "Topic does not exist"), class: "not_found", reason: hermod.ReasonNotFound}
	c.answers["too long"] = failing{status: 400, body: said("InvalidParameter", "Invalid parameter: Message too long"), class: "too_large", reason: hermod.ReasonTooLarge}
	c.answers["slow down"] = failing{status: 400, body: said("Throttling", "Rate exceeded"), class: "throttled"}
	c.answers["a quoted signature"] = failing{status: 403, body: said("SignatureDoesNotMatch", "x-amz-security-token:token-s3cret"), class: "http_4xx"}
	hostileARNs(c.hostile, "topicArn", topic)
	return c
}

func eventBridgeRow() conformer {
	const bus = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
	c := awsRow(hermod.AWSEventBridge, `{"eventBusArn":"`+bus+`","roleArn":"`+roleARN+`"}`, bus, `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}`)
	entry := func(code string) string {
		return `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"` + code + `","ErrorMessage":"s"}]}`
	}
	c.answers["throttled in a success"] = failing{status: 200, body: entry("ThrottlingException"), class: "throttled"}
	c.answers["failed in a success"] = failing{status: 200, body: entry("InternalFailure"), class: "http_5xx"}
	c.answers["refused in a success"] = failing{status: 200, body: entry("NotAuthorizedForSourceException"), class: "bad_credential", reason: hermod.ReasonCredential}
	c.answers["a success of something else"] = failing{status: 200, body: "<html>", class: "http_5xx"}
	hostileARNs(c.hostile, "eventBusArn", bus)
	with := func(more string) string {
		return `{"eventBusArn":"` + bus + `","roleArn":"` + roleARN + `",` + more + `}`
	}
	c.hostile[with(`"source":"aws.s3cret"`)] = "typeConfiguration.source"
	c.hostile[with(`"source":"s3cret text"`)] = "typeConfiguration.source"
	c.hostile[with(`"detailType":"`+strings.Repeat("s", 129)+`"`)] = "typeConfiguration.detailType"
	c.hostile[with(`"detailType":"s3cret\n"`)] = "typeConfiguration.detailType"
	return c
}

func kinesisRow() conformer {
	const stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
	c := awsRow(hermod.AWSKinesis, `{"streamArn":"`+stream+`","roleArn":"`+roleARN+`"}`, stream, `{"SequenceNumber":"1"}`)
	c.answers["a record too large"] = failing{
		status: 400, body: `{"__type":"ValidationException","message":"Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"}`,
		class: "too_large", reason: hermod.ReasonTooLarge,
	}
	hostileARNs(c.hostile, "streamArn", stream)
	c.hostile[`{"streamArn":"`+stream+`","roleArn":"`+roleARN+`","partitionKey":"`+strings.Repeat("s", 257)+`"}`] = "typeConfiguration.partitionKey"
	return c
}

// hostileARNs adds variations of a good ARN, and roles that must be refused beside it.
func hostileARNs(hostile map[string]string, member, good string) {
	change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	resource := good[strings.LastIndex(good, ":")+1:]
	for _, bad := range []string{
		"", "s3cret", strings.TrimPrefix(good, "arn:"), change("arn:", "ARN:"), change("arn:aws", "arn:aws-cn"), change("arn:aws", "arn:s3cret"),
		change("eu-west-1", ""), change("eu-west-1", "s3cret.example"), change("eu-west-1", "eu-west-1.s3cret"), change("eu-west-1", "evil/eu-west-1"),
		change("eu-west-1", "EU-WEST-1"), change("eu-west-1", "xx-west-1"), change("eu-west-1", "eu-west"), change("eu-west-1", "eu-west-one"), change("eu-west-1", "eu--1"),
		change("eu-west-1", "eu-west-123"), change("eu-west-1", "s3-eu-west-1"), change("eu-west-1", "eu-west-1@s3cret"), change("eu-west-1", "169.254.169.254"),
		change("123456789012", ""), change("123456789012", "12345678901"), change("123456789012", "1234567890123"), change("123456789012", "12345678901a"),
		change("123456789012", "aws"), change(":"+resource, ":"), change(resource, "s3cret?x"), change(resource, resource+"#"), change(resource, resource+" "),
		change(resource, resource+"\r\nHost: s3cret"), change(resource, "other/"+resource+":x"), change(resource, strings.Repeat("s", 500)),
		change(":"+resource, ":æ"), change("arn:aws:", "arn:aws:lambda:"), change("arn:aws:", "arn:aws:iam:"), " " + good,
	} {
		hostile[fmt.Sprintf(`{%q:%q,"roleArn":%q}`, member, bad, roleARN)] = "typeConfiguration." + member
	}
	for _, bad := range []string{
		"", "s3cret", "arn:aws:iam::123456789012:role/other-s3cret", "arn:aws:iam::123456789012:role/Hermod-events", "arn:aws:iam::123456789012:user/hermod-events",
		"arn:aws:iam::123456789012:role/path/hermod-events", "arn:aws:iam::123456789012:role/hermod-/events", "arn:aws:iam::123456789012:role/hermod-*",
		"arn:aws:iam::aws:role/hermod-events", "arn:aws:iam::12345678901:role/hermod-events", "arn:aws:iam:eu-west-1:123456789012:role/hermod-events",
		"arn:aws-cn:iam::123456789012:role/hermod-events", "arn:aws:sts::123456789012:assumed-role/hermod-events/x", "arn:aws:iam::123456789012:role/hermod-" + strings.Repeat("e", 60),
		"arn:aws:iam::123456789012:role/hermod-e\n", "arn:aws:iam::*:role/hermod-events",
	} {
		hostile[fmt.Sprintf(`{%q:%q,"roleArn":%q}`, member, good, bad)] = "typeConfiguration.roleArn"
	}
	hostile[fmt.Sprintf(`{%q:%q,"roleArn":%q,"externalId":"another-s3cret"}`, member, good, roleARN)] = "typeConfiguration.externalId"
	hostile[fmt.Sprintf(`{%q:7,"roleArn":%q}`, member, roleARN)] = "typeConfiguration"
}

func TestDestinationsOnAWSAreRefusedWhereHermodHasNoIdentityThere(t *testing.T) {
	t.Parallel()
	for _, c := range []conformer{sqsRow(), snsRow(), eventBridgeRow(), kinesisRow()} {
		ps := newPushers(t, push.Options{})
		if err := ps.Check(c.kind, json.RawMessage(c.configuration(""))); fmt.Sprint(fields(err)) != "[type]" {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
}

func TestDestinationsOnAWSAreInThePartitionOfHermod(t *testing.T) {
	t.Parallel()
	own := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	for region, queues := range map[string]map[string]bool{
		"eu-west-1": {
			"https://sqs.ap-southeast-2.amazonaws.com/123456789012/q": true, "https://sqs.us-gov-west-1.amazonaws.com/123456789012/q": false,
			"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q": false, "https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/q": false,
		},
		"cn-northwest-1":  {"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q": true},
		"us-gov-east-1":   {"https://sqs.us-gov-west-1.amazonaws.com/123456789012/q.fifo": true},
		"eusc-de-east-1":  {"https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/q": true},
		"mx-central-1":    {"https://sqs.us-east-1.amazonaws.com/123456789012/q": true},
		"us-isob-east-1":  nil,
		"evil.example":    nil,
		"":                nil,
		"eu-west-1.a.b-1": nil,
	} {
		as, err := push.NewAWS(region, own, "hermod-")
		if (err == nil) != (queues != nil) {
			t.Errorf("%q: %v", region, err)
			continue
		}
		ps := newPushers(t, push.Options{AWS: as})
		for queue, takes := range queues {
			partition := map[byte]string{'c': "aws-cn", 'e': "aws"}[region[0]]
			switch {
			case strings.HasPrefix(region, "us-gov"):
				partition = "aws-us-gov"
			case strings.HasPrefix(region, "eusc"):
				partition = "aws-eusc"
			case partition == "":
				partition = "aws"
			}
			configuration := fmt.Sprintf(`{"queueUrl":%q,"roleArn":"arn:%s:iam::123456789012:role/hermod-events"}`, queue, partition)
			if err := ps.Check(hermod.AWSSQS, json.RawMessage(configuration)); (err == nil) != takes {
				t.Errorf("%s in %s: %v", queue, region, err)
			}
		}
	}
	for _, prefix := range []string{"", "hermod/", "hermod*", strings.Repeat("h", 33)} {
		if _, err := push.NewAWS("eu-west-1", own, prefix); err == nil {
			t.Errorf("prefix %q taken", prefix)
		}
	}
}

// An awsRequest is what a fake service got.
type awsRequest struct {
	host, target, contentType, authorization, token string
	body                                            []byte
}

func (r *awsRequest) form(t *testing.T) url.Values {
	t.Helper()
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// awsServer is a fake of all services, and what it was asked. An answer may be nil.
func awsServer(t *testing.T, answer func(w http.ResponseWriter, r *awsRequest)) (string, *requests) {
	var got requests
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/" || r.URL.RawQuery != "" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		q := &awsRequest{
			host: r.Host, target: r.Header.Get("X-Amz-Target"), contentType: r.Header.Get("Content-Type"), authorization: r.Header.Get("Authorization"),
			token: r.Header.Get("X-Amz-Security-Token"), body: body,
		}
		got.add(q)
		switch {
		case answer != nil:
			answer(w, q)
		case strings.HasPrefix(r.Host, "sts."):
			_, _ = io.WriteString(w, sessionUntil("ASIASESSION", time.Now().Add(time.Hour)))
		case strings.HasPrefix(r.Host, "events."):
			_, _ = io.WriteString(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}`)
		}
	})
	return server.URL, &got
}

func awsSubscription(kind, configuration string) *hermod.Subscription {
	return &hermod.Subscription{
		ID: "s-a-spge-x-qWeRt", Owner: "a-spge-x", Type: kind, Version: 1, Secrets: hermod.Secrets{Configuration: json.RawMessage(configuration)},
	}
}

func succeed(t *testing.T, ps *push.Pushers, s *hermod.Subscription, p deliver.Payload) {
	t.Helper()
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("%s: %+v", s.Type, r)
	}
}
