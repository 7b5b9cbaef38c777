package signicat

// hostLabel matches one label of a host name.
const hostLabel = `[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?`

const guid = `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`

// azureIdentitySchema says of an AzureServiceBus' workloadIdentity what push takes.
func azureIdentitySchema() object {
	return identity("An application of Microsoft Entra ID that trusts this Hermod, in the place of a connection string: no secret is handed over.", object{
		"tenantId": matching("The tenant: its id, or a domain of it.", "^("+guid+"|("+hostLabel+"[.])+[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9_])?)$"),
		"clientId": matching("The id of the application.", "^"+guid+"$"),
	}, object{"required": []string{"tenantId", "clientId"}})
}

// googleIdentitySchema says of a GooglePubSub's workloadIdentity what push takes.
func googleIdentitySchema() object {
	const provider = `^((https:)?(//iam[.]googleapis[.]com/)?projects/[0-9]{1,20}/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32})?$`
	return identity("A provider of a workload identity pool that trusts this Hermod, in the place of a credential: no secret is handed over.", object{
		"provider": optional("projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER", provider),
		"audience": optional("The same as provider.", provider),
		"serviceAccountEmail": optional("A service account to act as; left out where the pool's principal may publish itself.",
			"^([a-z0-9.:-]{1,64}@[a-z0-9.:-]{1,253})?$"),
	}, object{"anyOf": named("provider", "audience")})
}

func identity(description string, properties, more object) object {
	s := object{"type": []string{"object", "null"}, "description": description, "properties": properties}
	for key, value := range more {
		s[key] = value
	}
	return s
}

func matching(description, pattern string) object {
	return object{"type": "string", "pattern": pattern, "description": description}
}

// optional is a text that may also be null or empty.
func optional(description, pattern string) object {
	return object{"type": []string{"string", "null"}, "pattern": pattern, "description": description}
}

// named are the ways to have one of the members, and not as an empty text.
func named(members ...string) []object {
	ways := make([]object, len(members))
	for i, member := range members {
		ways[i] = object{"required": []string{member}, "properties": object{member: object{"type": "string", "minLength": 1}}}
	}
	return ways
}

// eitherSecretOrIdentity are the two ways to be let in: by the secret in the member, or by
// a workloadIdentity without one, and with the namespace where there is one.
func eitherSecretOrIdentity(member string, secret, namespace object) []object {
	beside, required := object{member: object{"enum": []any{nil, ""}}, "workloadIdentity": object{"type": "object"}}, []string{"workloadIdentity"}
	if namespace != nil {
		beside["namespace"], required = namespace, append(required, "namespace")
	}
	return []object{
		{"required": []string{member}, "properties": object{member: secret, "workloadIdentity": object{"type": "null"}}},
		{"required": required, "properties": beside},
	}
}
