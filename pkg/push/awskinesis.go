package push

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"hermod/pkg/deliver"
)

// kinesisConfiguration is typeConfiguration of an AwsKinesis.
type kinesisConfiguration struct {
	awsRole
	StreamARN string `json:"streamArn"`
	// PartitionKey puts all events into one shard, in the order of their delivery; ""
	// spreads them by their ids.
	PartitionKey string `json:"partitionKey"`
}

// The bounds of Kinesis.
const (
	maxStreamName   = 128
	maxPartitionKey = 256
)

func readKinesis(configuration json.RawMessage, f *faults) (awsTarget, awsRole, error) {
	var c kinesisConfiguration
	if err := decode(configuration, &c, "must be an object with a text streamArn and a text roleArn"); err != nil {
		return awsTarget{}, awsRole{}, err
	}
	stream, ok := parseAWSARN(c.StreamARN, "kinesis")
	name, isStream := strings.CutPrefix(stream.resource, "stream/")
	switch {
	case c.StreamARN == "":
		f.add("streamArn", "is required")
	case !ok || !isStream || !awsName(name, maxStreamName, "._-"):
		f.add("streamArn", "must be the ARN of a data stream, as in arn:aws:kinesis:eu-west-1:123456789012:stream/orders")
	}
	if utf8.RuneCountInString(c.PartitionKey) > maxPartitionKey || !printable(c.PartitionKey) {
		f.add("partitionKey", "must be 1 to 256 characters and no control characters")
	}
	return awsTarget{
		arn: stream, url: cut(stream.String(), maxTarget), action: "kinesis:PutRecord",
		operation: "Kinesis_20131202.PutRecord", version: "1.1", encrypts: true,
		message: func(p *deliver.Payload) []byte { return kinesisRecord(stream.String(), name, c.PartitionKey, p) },
	}, c.awsRole, nil
}

// kinesisRecord makes the body of PutRecord. A record has no place for attributes.
func kinesisRecord(stream, name, key string, p *deliver.Payload) []byte {
	if key == "" {
		key = p.Event.ID
	}
	body, _ := json.Marshal(struct { // of texts and bytes: it cannot fail
		StreamARN, StreamName, PartitionKey string
		Data                                []byte // in base64
	}{stream, name, key, p.Body})
	return body
}
