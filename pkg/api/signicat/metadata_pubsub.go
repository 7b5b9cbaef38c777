package signicat

// The names of what Google Cloud Pub/Sub has, as push takes them.
const (
	pubsubProject = `[a-z0-9:-][a-z0-9.:-]{0,99}`
	pubsubTopicID = `[A-Za-z][A-Za-z0-9._~+%-]{2,254}`
)

// pubsubSchema says of a GooglePubSub's configuration what a schema can say of what push
// takes: what is in a credential that is a text, that all who name the topic or the
// project name the same, and that somebody names the project is not among it.
func pubsubSchema() object {
	topic := func(description string) object {
		s := optional(description, "^((projects/"+pubsubProject+"/topics/)?"+pubsubTopicID+")?$")
		s["not"] = object{"type": "string", "pattern": "^(projects/[^/]*/topics/)?goog"}
		return s
	}
	s := configuration(object{
		"credential": object{
			"type": []string{"string", "object", "null"}, "maxLength": 16384,
			"description": "The contents of a service account's key file, as an object or a text. It is kept as a secret.",
		},
		"workloadIdentity": googleIdentitySchema(),
		"projectId":        optional("The topic's project; that of the credential where it is absent.", "^("+pubsubProject+")?$"),
		"topicId":          topic("The topic, by its id or as projects/PROJECT/topics/ID."),
		"topic":            topic("The same as topicId."),
		"topicName":        topic("The same as topicId."),
		"attributes": object{
			"type": []string{"object", "null"}, "maxProperties": 50,
			"description": "Attributes of your own, which go with each message beside sender, eventName, eventId, tags, content-type and the headers of a webhook's delivery.",
			"propertyNames": object{
				"minLength": 1, "maxLength": 256, "not": object{"pattern": "^goog|^(sender|eventName|eventId|tags|content-type)$"},
			},
			"additionalProperties": object{"type": []string{"string", "null"}, "maxLength": 1024},
		},
		"orderingKey": object{
			"type": []string{"string", "null"}, "maxLength": 1024, "pattern": `^($|[^{]|\{account\}$|\{type\}$)`,
			"description": "The ordering key of each message: a text, or {account} or {type} for that of the event. Messages of one key are published in order.",
		},
	})
	s["anyOf"] = named("topicId", "topic", "topicName")
	s["oneOf"] = eitherSecretOrIdentity("credential", object{
		"type": []string{"string", "object"}, "minLength": 1, "required": []string{"type", "client_email", "private_key"},
		"properties": object{
			"type":         object{"const": "service_account"},
			"client_email": matching("The account.", "^[!-~]*@[!-~]*$"),
			"private_key":  matching("Its key: RSA, of 2048 to 4096 bits.", "-----BEGIN"),
		},
	}, nil)
	return s
}
