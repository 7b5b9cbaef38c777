package universign

import (
	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// ParseWebhookID takes the id of a sent webhook apart.
func ParseWebhookID(s string) (endpoint, event hermod.ID, ok bool) {
	key, ok := parseWebhookKey(s)
	return key.endpoint, key.event, ok
}

// ReadForm reads the form of an endpoint.
func ReadForm(text string) (input.Members, error) {
	f, err := endpointBody().form([]byte(text))
	if err != nil {
		return nil, err
	}
	return f.Members, nil
}
