package signicat

// azureName matches the name of a queue or a topic of Azure Service Bus.
const azureName = `[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*`

// azureSchema says of an AzureServiceBus' configuration what a schema can say of what
// push takes: that a connection string has no part twice, and that all who name the
// queue name the same one, is not among it.
func azureSchema() object {
	name := func(description string) object {
		return object{"type": []string{"string", "null"}, "maxLength": 260, "pattern": "^(" + azureName + ")?$", "description": description}
	}
	s := configuration(object{
		"connectionString": object{
			"type": []string{"string", "null"}, "maxLength": 4096,
			"description": "The connection string of a shared access policy with the Send claim and no other, with its SharedAccessKey. It is kept as a secret.",
		},
		"workloadIdentity": azureIdentitySchema(),
		"namespace":        optional("The namespace, beside workloadIdentity: its name, or NAMESPACE.servicebus.windows.net.", "^[A-Za-z0-9._-]*$"),
		"queueName":        name("The queue, where a connection string has no EntityPath."),
		"topicName":        name("The topic, where a connection string has no EntityPath."),
		"topic":            name("The same as topicName."),
	})
	s["anyOf"] = append(named("queueName", "topicName", "topic"), object{
		"required":   []string{"connectionString"},
		"properties": object{"connectionString": object{"type": "string", "pattern": part("entitypath", azureName)}},
	})
	s["oneOf"] = eitherSecretOrIdentity("connectionString", object{"type": "string", "allOf": []object{
		{"pattern": part("endpoint", anyCase("(sb|amqps|https)://")+`[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?`+
			anyCase(`[.]servicebus[.](windows[.]net|chinacloudapi[.]cn|usgovcloudapi[.]net)`)+`/*`)},
		{"pattern": part("sharedaccesskeyname", `[^; ][^;]{0,255}`)},
		{"pattern": part("sharedaccesskey", `[^; ][^;]{0,255}`)},
	}}, object{"type": "string", "pattern": "^" + hostLabel + "(" + anyCase("[.]servicebus[.]windows[.]net") + ")?$"})
	return s
}

// part matches a connection string that has the part with such a value.
func part(name, value string) string {
	return "(^|;) *" + anyCase(name) + " *= *" + value + " *(;|$)"
}
