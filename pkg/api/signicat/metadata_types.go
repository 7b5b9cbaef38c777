package signicat

import (
	"net/http"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A subscriptionType is a kind of destination and what its configuration looks
// like.
type subscriptionType struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	// Supported says that subscriptions of the type can be created here.
	Supported bool `json:"supported"`
	// OutputFormats are what deliveries may look like.
	OutputFormats []string `json:"outputFormats"`
	Schema        object   `json:"schema"`
}

// An object is one of JSON.
type object = map[string]any

func (m *Metadata) subscriptionTypes(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	if _, err := ownersOf(r, p); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, map[string]any{"data": m.types()})
}

// types are all kinds of destination. The schemas of each say what a schema can say
// of what push takes.
func (m *Metadata) types() []subscriptionType {
	all := []subscriptionType{
		{hermod.Webhook, "Posts each event to a URL.", true, formatsOf(hermod.Webhook), webhookSchema()},
		{hermod.AzureServiceBus, "Sends each event to a queue or a topic of Azure Service Bus.", true, formatsOf(hermod.AzureServiceBus), azureSchema()},
		{hermod.GooglePubSub, "Publishes each event to a topic of Google Cloud Pub/Sub.", true, formatsOf(hermod.GooglePubSub), pubsubSchema()},
		{hermod.Mint, "Starts a flow of Mint with each event.", m.Mint, formatsOf(hermod.Mint), configuration(object{
			"flowId": object{
				"type": "string", "maxLength": 128, "pattern": "^[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*$", "description": "The flow.",
			},
		}, "flowId")},
	}
	return append(all, m.awsTypes()...)
}

// configuration is the schema of a typeConfiguration. Members nobody knows are
// tolerated.
func configuration(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": append([]string{}, required...)}
}

// webhookSchema says of a webhook's configuration what a schema can say of what
// push takes: which addresses a URL may name is its policy's, and two spellings of
// one header are refused.
func webhookSchema() object {
	return configuration(object{
		"url": object{
			"type": "string", "format": "uri", "maxLength": 2048,
			"pattern":     `^[hH][tT][tT][pP][sS]?://[^\x00-\x20\x7F#\\/?@]+([/?][^\x00-\x20\x7F#\\]*)?$`,
			"description": "Where to post: an absolute URL without user name, password and fragment. In production it is https and a public address.",
		},
		"headers": object{
			"type": []string{"object", "null"}, "maxProperties": 10,
			"description": "Headers of your own, such as Authorization; at most 1024 bytes each, name and value together. Values are kept as secrets.",
			"propertyNames": object{
				"pattern": "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$", "maxLength": 1024, "not": object{"pattern": reservedHeaders()},
			},
			"additionalProperties": object{
				"type": []string{"string", "null"}, "maxLength": 1024, "pattern": `^[^\x00-\x08\x0A-\x1F\x7F]*$`,
			},
		},
		"timeout": object{
			"description": "How long a delivery may take, in seconds; a number above 0 and below 10 counts.", "examples": []int{5},
		},
		"verifyEndpoint": object{
			"type":        []string{"boolean", "null"},
			"description": "Whether the endpoint must agree to deliveries, by the handshake of CloudEvents, when its URL is written.",
		},
	}, "url")
}

// reservedHeaders matches the names of headers that are not the subscriber's to
// set, in any case: JSON Schema has no flag for it.
func reservedHeaders() string {
	whole := []string{"host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
	prefixes := []string{"content-", "proxy-", "webhook-", "x-amz-"}
	return "^(" + anyCase(strings.Join(whole, "|")) + ")$|^(" + anyCase(strings.Join(prefixes, "|")) + ")"
}

func anyCase(pattern string) string {
	var b strings.Builder
	for _, c := range pattern {
		if c >= 'a' && c <= 'z' {
			b.WriteString("[" + string(c) + strings.ToUpper(string(c)) + "]")
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
