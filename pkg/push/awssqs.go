package push

import (
	"encoding/json"
	"strings"

	"hermod/pkg/deliver"
)

// sqsConfiguration is typeConfiguration of an AwsSqs.
type sqsConfiguration struct {
	awsRole
	QueueURL string `json:"queueUrl"`
	QueueARN string `json:"queueArn"`
	// MessageGroupID replaces the group of each message; of a queue that keeps no order
	// too, which shares its consumers fairly between groups.
	MessageGroupID string `json:"messageGroupId"`
}

// The bounds of SQS.
const (
	maxSQSName  = 80
	maxAWSGroup = 128
)

func readSQS(configuration json.RawMessage, f *faults) (awsTarget, awsRole, error) {
	var c sqsConfiguration
	if err := decode(configuration, &c, "must be an object with a text queueArn or queueUrl, and a text roleArn"); err != nil {
		return awsTarget{}, awsRole{}, err
	}
	queue := sqsQueue(&c, f)
	checkAWSGroup(c.MessageGroupID, f)
	t := awsTarget{
		arn: queue, url: "https://" + queue.host() + "/" + queue.account + "/" + queue.resource,
		action: "sqs:SendMessage", operation: "AmazonSQS.SendMessage", version: "1.0", encrypts: true,
	}
	t.message = func(p *deliver.Payload) []byte { return sqsMessage(t.url, c.MessageGroupID, p) }
	return t, c.awsRole, nil
}

// sqsQueue gives the queue, which may be named twice, but only one.
func sqsQueue(c *sqsConfiguration, f *faults) (queue awsARN) {
	byURL, okURL := parseAWSQueueURL(c.QueueURL)
	byARN, okARN := parseAWSARN(c.QueueARN, "sqs")
	okARN = okARN && awsQueue(byARN.resource, maxSQSName)
	switch {
	case c.QueueURL == "" && c.QueueARN == "":
		f.add("queueArn", "is required where there is no queueUrl")
	case c.QueueARN != "" && !okARN:
		f.add("queueArn", "must be the ARN of a queue, as in arn:aws:sqs:eu-west-1:123456789012:orders")
	case c.QueueURL != "" && !okURL:
		f.add("queueUrl", "must be the URL of a queue, as in https://sqs.eu-west-1.amazonaws.com/123456789012/orders")
	case okURL && okARN && byURL.String() != byARN.String():
		f.add("queueUrl", "must be the URL of the queue that queueArn names")
	case okARN:
		return byARN
	}
	return byURL
}

// checkAWSGroup judges a messageGroupId, which may be absent.
func checkAWSGroup(id string, f *faults) {
	if id != "" && !awsGroup(id) {
		f.add("messageGroupId", "must be 1 to 128 letters, digits and punctuation characters of ASCII")
	}
}

// awsGroup reports whether an id is that of a group of messages.
func awsGroup(id string) bool {
	return len(id) <= maxAWSGroup && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// An awsValue is the value of a message's attribute, of SQS in JSON.
type awsValue struct {
	DataType    string
	StringValue string
}

// sqsMessage makes the body of SendMessage.
func sqsMessage(queue, group string, p *deliver.Payload) []byte {
	m := struct {
		QueueURL               string `json:"QueueUrl"`
		MessageBody            string
		MessageAttributes      map[string]awsValue
		MessageGroupID         string `json:"MessageGroupId,omitempty"`
		MessageDeduplicationID string `json:"MessageDeduplicationId,omitempty"`
	}{QueueURL: queue, MessageBody: string(p.Body), MessageAttributes: map[string]awsValue{}, MessageGroupID: group}
	for _, attribute := range awsAttributes(p) {
		m.MessageAttributes[attribute.Name] = awsValue{"String", attribute.Value}
	}
	if strings.HasSuffix(queue, awsFIFO) {
		m.MessageGroupID, m.MessageDeduplicationID = awsOrder(group, p)
	}
	body, _ := json.Marshal(m) // of texts: it cannot fail
	return body
}
