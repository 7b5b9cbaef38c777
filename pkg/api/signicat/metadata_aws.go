package signicat

import (
	"strings"

	"hermod/pkg/hermod"
)

// awsTypes are the destinations on AWS.
func (m *Metadata) awsTypes() []subscriptionType {
	group := object{
		"type": []string{"string", "null"}, "maxLength": 128, "pattern": `^[!-~]*$`,
		"description": "The group of all messages. Of what keeps an order (.fifo) it is the event's account where it is absent.",
	}
	const fifo = `[A-Za-z0-9_-]+([.]fifo)?$`
	types := []subscriptionType{
		m.awsType(hermod.AWSSQS, "Sends each event to a queue of Amazon SQS.", object{
			"queueArn": awsResource("sqs", fifo, "The queue."),
			"queueUrl": object{
				"type": []string{"string", "null"}, "maxLength": 512,
				"pattern": `^(https://sqs[.](` + awsRegions + `[.]amazonaws[.]com|` + chinaRegions + `[.]amazonaws[.]com[.]cn|` +
					europeRegions + `[.]amazonaws[.]eu)/[0-9]{12}/` + strings.TrimSuffix(fifo, "$") + `)?$`,
				"description": "The queue, where there is no queueArn.",
			},
			"messageGroupId": group,
		}),
		m.awsType(hermod.AWSSNS, "Publishes each event to a topic of Amazon SNS.", object{
			"topicArn": awsResource("sns", fifo, "The topic."), "messageGroupId": group,
		}, "topicArn"),
		m.awsType(hermod.AWSEventBridge, "Puts each event on an event bus of Amazon EventBridge.", object{
			"eventBusArn": awsResource("events", `event-bus/[A-Za-z0-9/._-]+$`, "The event bus."),
			"source": object{
				"type": []string{"string", "null"}, "maxLength": 256, "pattern": `^[A-Za-z0-9/._:@-]*$`, "not": object{"pattern": `^[aA][wW][sS][.]`},
				"description": "The source of all entries; the sender of each event where it is absent.",
			},
			"detailType": object{
				"type": []string{"string", "null"}, "maxLength": 128, "pattern": `^[^\x00-\x1F\x7F]*$`,
				"description": "The detail-type of all entries; the name of each event where it is absent.",
			},
		}, "eventBusArn"),
		m.awsType(hermod.AWSKinesis, "Puts each event into a data stream of Amazon Kinesis.", object{
			"streamArn": awsResource("kinesis", `stream/[A-Za-z0-9._-]+$`, "The data stream."),
			"partitionKey": object{
				"type": []string{"string", "null"}, "maxLength": 256, "pattern": `^[^\x00-\x1F\x7F]*$`,
				"description": "The partition key of all records; the id of each event where it is absent.",
			},
		}, "streamArn"),
	}
	named := object{"type": "string", "minLength": 1}
	types[0].Schema["anyOf"] = []object{
		{"required": []string{"queueArn"}, "properties": object{"queueArn": named}},
		{"required": []string{"queueUrl"}, "properties": object{"queueUrl": named}},
	}
	return types
}

// The regions by their partitions, as push knows them.
const (
	awsRegions    = `((us|eu|ap|sa|ca|me|af|il|mx)|us-gov)-[a-z]+-[0-9]{1,2}`
	chinaRegions  = `cn-[a-z]+-[0-9]{1,2}`
	europeRegions = `eusc-de-[a-z]+-[0-9]{1,2}`
)

// awsResource is the schema of an ARN; "" is as good as none.
func awsResource(service, name, description string) object {
	return object{
		"type": []string{"string", "null"}, "maxLength": 512,
		"pattern": `^$|^arn:(aws:` + service + `:(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]{1,2}|aws-us-gov:` + service + `:us-gov-[a-z]+-[0-9]{1,2}|aws-cn:` +
			service + `:` + chinaRegions + `|aws-eusc:` + service + `:` + europeRegions + `):[0-9]{12}:` + name,
		"description": description + " Its ARN.",
	}
}

// awsType is a type of AWS: all of them take on a role. What a schema cannot say is
// that all ARNs are in the partition of Hermod.
func (m *Metadata) awsType(kind, description string, properties object, required ...string) subscriptionType {
	named := "begins with " + m.AWSRolePrefix
	if m.AWSRolePrefix == "" {
		named = "would have to begin as the operator of this Hermod says, who has not said so"
	}
	prefix := strings.NewReplacer(".", "[.]", "+", "[+]").Replace(m.AWSRolePrefix)
	for _, member := range required {
		properties[member].(object)["type"] = "string"
		properties[member].(object)["minLength"] = 1
	}
	properties["roleArn"] = object{
		"type": "string", "maxLength": 512, "pattern": `^arn:aws(-[a-z-]+)?:iam::[0-9]{12}:role/` + prefix + `[A-Za-z0-9_+=,.@-]*$`,
		"description": "A role without a path that may send there, whose name " + named +
			". Its trust policy must allow sts:AssumeRole to the AWS account of Hermod, with the externalId of the subscription as sts:ExternalId, which is its owner's id.",
	}
	return subscriptionType{kind, description, m.AWSRolePrefix != "", formatsOf(kind), configuration(properties, append(required, "roleArn")...)}
}
