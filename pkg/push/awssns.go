package push

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"hermod/pkg/deliver"
)

// snsConfiguration is typeConfiguration of an AwsSns.
type snsConfiguration struct {
	awsRole
	TopicARN       string `json:"topicArn"`
	MessageGroupID string `json:"messageGroupId"`
}

// maxSNSName bounds the name of a topic.
const maxSNSName = 256

func readSNS(configuration json.RawMessage, f *faults) (awsTarget, awsRole, error) {
	var c snsConfiguration
	if err := decode(configuration, &c, "must be an object with a text topicArn and a text roleArn"); err != nil {
		return awsTarget{}, awsRole{}, err
	}
	topic, ok := parseAWSARN(c.TopicARN, "sns")
	switch {
	case c.TopicARN == "":
		f.add("topicArn", "is required")
	case !ok || !awsQueue(topic.resource, maxSNSName):
		f.add("topicArn", "must be the ARN of a topic, as in arn:aws:sns:eu-west-1:123456789012:orders")
	}
	checkAWSGroup(c.MessageGroupID, f)
	return awsTarget{
		arn: topic, url: cut(topic.String(), maxTarget), action: "sns:Publish", encrypts: true,
		message: func(p *deliver.Payload) []byte { return snsMessage(topic.String(), c.MessageGroupID, p) },
	}, c.awsRole, nil
}

// snsMessage makes the body of Publish, of the query protocol. The tags are an array,
// which the filters of a topic's subscriptions can look into.
func snsMessage(topic, group string, p *deliver.Payload) []byte {
	m := url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {topic}, "Message": {string(p.Body)}}
	for i, attribute := range awsAttributes(p) {
		kind, value := "String", attribute.Value
		if attribute.Name == attributeTags {
			list, _ := json.Marshal(p.Event.Tags) // of texts: it cannot fail
			kind, value = "String.Array", string(list)
		}
		entry := fmt.Sprintf("MessageAttributes.entry.%d.", i+1)
		m.Set(entry+"Name", attribute.Name)
		m.Set(entry+"Value.DataType", kind)
		m.Set(entry+"Value.StringValue", value)
	}
	if group != "" {
		m.Set("MessageGroupId", group)
	}
	if strings.HasSuffix(topic, awsFIFO) {
		group, once := awsOrder(group, p)
		m.Set("MessageGroupId", group)
		m.Set("MessageDeduplicationId", once)
	}
	return []byte(m.Encode())
}
