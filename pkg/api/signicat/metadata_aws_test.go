package signicat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// onAWS is who Hermod is on AWS in these tests.
func onAWS() *push.AWS {
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	as, err := push.NewAWS("eu-west-1", none, "hermod-v1.")
	if err != nil {
		panic(err)
	}
	return as
}

const role = `"roleArn":"arn:aws:iam::123456789012:role/hermod-v1.events"`

// awsSamples are configurations of each type and whether they are taken. RES stands for
// the resource's member.
func awsSamples() map[string]map[string]bool {
	samples := map[string]map[string]bool{
		hermod.AWSSQS: {
			`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/orders",` + role + `}`:                                       true,
			`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo","queueArn":null,` + role + `}`:                  true,
			`{"queueUrl":"","queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","messageGroupId":"g",` + role + `}`:                  true,
			`{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","messageGroupId":"a b",` + role + `}`:                              false,
			`{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","messageGroupId":"` + strings.Repeat("g", 129) + `",` + role + `}`: false,
			`{"queueUrl":"http://sqs.eu-west-1.amazonaws.com/123456789012/orders",` + role + `}`:                                        false,
			`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/orders",` + role + `}`:                          false,
			`{"queueUrl":"https://sqs.xx-west-1.amazonaws.com/123456789012/orders",` + role + `}`:                                       false,
			`{"queueUrl":"https://sqs.cn-north-1.amazonaws.com/123456789012/orders",` + role + `}`:                                      false,
			`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/orders/more",` + role + `}`:                                  false,
			`{"queueUrl":7,` + role + `}`:  false,
			`{"queueUrl":"",` + role + `}`: false,
		},
		hermod.AWSSNS: {},
		hermod.AWSEventBridge: {
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/a/b.c","source":"com.example","detailType":"An order",` + role + `}`: true,
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","source":"","detailType":"",` + role + `}`:                        true,
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","source":"AWS.events",` + role + `}`:                              false,
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","source":"a b",` + role + `}`:                                     false,
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/b","detailType":"a\n",` + role + `}`:                                 false,
			`{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:rule/b",` + role + `}`:                                                         false,
		},
		hermod.AWSKinesis: {
			`{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/a.b","partitionKey":"p",` + role + `}`:                              true,
			`{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/a","partitionKey":"` + strings.Repeat("p", 257) + `",` + role + `}`: false,
			`{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/a/b",` + role + `}`:                                                 false,
			`{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/",` + role + `}`:                                                    false,
		},
	}
	for kind, resource := range map[string][2]string{
		hermod.AWSSQS: {"queueArn", "sqs:eu-west-1:123456789012:orders"}, hermod.AWSSNS: {"topicArn", "sns:eu-west-1:123456789012:orders"},
		hermod.AWSEventBridge: {"eventBusArn", "events:eu-west-1:123456789012:event-bus/orders"},
		hermod.AWSKinesis:     {"streamArn", "kinesis:eu-west-1:123456789012:stream/orders"},
	} {
		with := func(arn, role string) string { return fmt.Sprintf(`{%q:%q,"roleArn":%q}`, resource[0], arn, role) }
		good, goodRole := "arn:aws:"+resource[1], "arn:aws:iam::123456789012:role/hermod-v1.events"
		change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
		for configuration, takes := range map[string]bool{
			with(good, goodRole): true,
			with(change("eu-west-1", "ap-southeast-12"), goodRole): true,
			with(good, goodRole+"+=,.@-_"):                         true,
			with(good, goodRole[:len(goodRole)-6]):                 true,
			`{}`:                                                   false, `null`: false, `[]`: false, `{` + role + `}`: false,
			with("", goodRole): false, with(good, ""): false, with("orders", goodRole): false,
			with(change("aws", "aws-cn"), goodRole):                            false,
			with(change("eu-west-1", "eu-west-1.evil.example"), goodRole):      false,
			with(change("eu-west-1", "us-gov-west-1"), goodRole):               false,
			with(change("eu-west-1", "eu-west-123"), goodRole):                 false,
			with(change("123456789012", "12345678901"), goodRole):              false,
			with(good+" ", goodRole):                                           false,
			with(good+":more?", goodRole):                                      false,
			with(good, "arn:aws:iam::123456789012:role/hermod-v1xevents"):      false,
			with(good, "arn:aws:iam::123456789012:role/path/hermod-v1.events"): false,
			with(good, "arn:aws:iam::123456789012:user/hermod-v1.events"):      false,
			with(good, goodRole+"*"):                                           false,
			strings.Replace(with(good, goodRole), "{", `{"unknown":[1],`, 1):   true,
		} {
			samples[kind][configuration] = takes
		}
	}
	return samples
}

func TestTheSchemasOfDestinationsOnAWSAreWhatPushTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pushers := push.New(push.Options{AWS: onAWS()})
	for kind, samples := range awsSamples() {
		s, supported := typeSchema(t, w, kind)
		if !supported {
			t.Errorf("%s is not supported", kind)
		}
		for configuration, takes := range samples {
			if err := pushers.Check(kind, json.RawMessage(configuration)); (err == nil) != takes {
				t.Errorf("push says of %s %.150s: %v", kind, configuration, err)
			}
			if got := s.Check([]byte(configuration)); (len(got) == 0) != takes {
				t.Errorf("the schema says of %s %.150s: %v", kind, configuration, got)
			}
		}
	}
}

func TestASubscriptionToAWSShowsTheExternalIDOfItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const kinesis = `"typeConfiguration":{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/orders","partitionKey":"p",` + role
	body := func(more string) string {
		return `{"name":"abc","type":"AwsKinesis",` + kinesis + more + `}}`
	}
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, body("")).json(t, http.StatusOK)
	read := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+created["id"].(string), "").json(t, http.StatusOK)
	for _, got := range []map[string]any{created, read} {
		if got["externalId"] != local || got["typeConfiguration"].(map[string]any)["partitionKey"] != "p" {
			t.Errorf("got %v", got)
		}
	}
	other := w.do(t, "local", http.MethodPost, subscriptionsPath, body(`,"externalId":"a-somebody-else"`))
	if wrong := other.wrong(t); !slices.Equal(wrong, []string{"typeConfiguration.externalId"}) {
		t.Errorf("another's external id: %s", other.body)
	}
	webhook := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook("")).json(t, http.StatusOK)
	if _, there := webhook["externalId"]; there {
		t.Errorf("of a webhook: %v", webhook)
	}
}
