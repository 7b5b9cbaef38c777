package signicat

// azureName matches the name of a queue or a topic of Azure Service Bus.
const azureName = `[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*`

// azureSchema says of an AzureServiceBus' configuration what a schema can say of what
// push takes: that a connection string has no part twice, and that all who name the
// queue name the same one, is not among it.
func azureSchema() object {
	named := func(members ...string) []object {
		var ways []object
		for _, member := range members {
			ways = append(ways, object{
				"required": []string{member}, "properties": object{member: object{"type": "string", "minLength": 1}},
			})
		}
		return ways
	}
	name := func(description string) object {
		return object{"type": []string{"string", "null"}, "maxLength": 260, "pattern": "^(" + azureName + ")?$", "description": description}
	}
	s := configuration(object{
		"connectionString": object{
			"type": "string", "maxLength": 4096,
			"allOf": []object{
				{"pattern": part("endpoint", anyCase("(sb|amqps|https)://")+`[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?`+
					anyCase(`[.]servicebus[.](windows[.]net|chinacloudapi[.]cn|usgovcloudapi[.]net)`)+`/*`)},
				{"pattern": part("sharedaccesskeyname", `[^; ][^;]{0,255}`)},
				{"pattern": part("sharedaccesskey", `[^; ][^;]{0,255}`)},
			},
			"description": "The connection string of a shared access policy with the Send claim and no other, with its SharedAccessKey. It is kept as a secret.",
		},
		"queueName": name("The queue, where the connection string has no EntityPath."),
		"topicName": name("The topic, where the connection string has no EntityPath."),
		"topic":     name("The same as topicName."),
	}, "connectionString")
	s["anyOf"] = append(named("queueName", "topicName", "topic"),
		object{"properties": object{"connectionString": object{"type": "string", "pattern": part("entitypath", azureName)}}})
	return s
}

// part matches a connection string that has the part with such a value.
func part(name, value string) string {
	return "(^|;) *" + anyCase(name) + " *= *" + value + " *(;|$)"
}
