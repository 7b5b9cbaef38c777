package signicat

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"hermod/pkg/hermod"
)

// subscriptionItem is a subscription in a list.
type subscriptionItem struct {
	ID              string           `json:"id"`
	Name            string           `json:"name"`
	Active          bool             `json:"active"`
	URL             string           `json:"url"`
	OwnerID         string           `json:"ownerId"`
	EventNameFilter []hermod.Pattern `json:"eventNameFilter"`
	TagFilter       []string         `json:"tagFilter"`
	Type            string           `json:"type"`
	ExpiresAt       wireTime         `json:"expiresAt"`
	CreatedAt       wireTime         `json:"createdAt"`
}

// wireSubscription is a subscription that was created, read or updated.
type wireSubscription struct {
	ID                    string              `json:"id"`
	Name                  string              `json:"name"`
	Active                bool                `json:"active"`
	OwnerID               string              `json:"ownerId"`
	Type                  string              `json:"type"`
	TypeConfiguration     json.RawMessage     `json:"typeConfiguration"`
	EventNameFilter       []hermod.Pattern    `json:"eventNameFilter"`
	TagFilter             []string            `json:"tagFilter"`
	ExpiresAt             wireTime            `json:"expiresAt"`
	CreatedAt             wireTime            `json:"createdAt"`
	IncludeInternalEvents *bool               `json:"includeInternalEvents"`
	IsGlobalSubscription  *bool               `json:"isGlobalSubscription"`
	MessageAuthentication *wireAuthentication `json:"messageAuthentication"`
	DisabledReason        nullable            `json:"disabledReason"`
}

// wireAuthentication is how deliveries are signed.
type wireAuthentication struct {
	AuthenticationType string      `json:"authenticationType"`
	HMACSHA256         *wireSecret `json:"hmacSha256,omitempty"`
	StandardWebhooks   *wireSecret `json:"standardWebhooks,omitempty"`
}

type wireSecret struct {
	Secret string `json:"secret"`
}

// masked stands where a secret would.
const masked = "********"

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func subscriptionItemOf(s *hermod.Subscription, base string) subscriptionItem {
	return subscriptionItem{
		ID: s.ID, Name: s.Name, Active: s.Active, URL: base + Base + "/subscriptions/" + s.ID, OwnerID: s.Owner,
		EventNameFilter: orEmpty(s.Filters), TagFilter: orEmpty(s.Tags), Type: s.Type,
		ExpiresAt: wireTime(s.ExpiresAt), CreatedAt: wireTime(s.CreatedAt),
	}
}

// subscriptionOf shows a subscription. The HMAC secret is echoed, as the contract
// has it; a generated one is shown where reveal says that it was made just now.
func subscriptionOf(s *hermod.Subscription, reveal bool) wireSubscription {
	w := wireSubscription{
		ID: s.ID, Name: s.Name, Active: s.Active, OwnerID: s.Owner, Type: s.Type,
		TypeConfiguration: mask(s.Secrets.Configuration),
		EventNameFilter:   orEmpty(s.Filters), TagFilter: orEmpty(s.Tags),
		ExpiresAt: wireTime(s.ExpiresAt), CreatedAt: wireTime(s.CreatedAt),
		DisabledReason: nullable(s.DisabledReason),
	}
	switch s.Signing {
	case hermod.HMACSHA256:
		w.MessageAuthentication = &wireAuthentication{
			AuthenticationType: string(s.Signing), HMACSHA256: &wireSecret{s.Secrets.SigningSecret},
		}
	case hermod.StandardWebhooks:
		secret := masked
		if reveal {
			secret = s.Secrets.SigningSecret
		}
		w.MessageAuthentication = &wireAuthentication{
			AuthenticationType: string(s.Signing), StandardWebhooks: &wireSecret{secret},
		}
	case hermod.Unsigned:
	}
	return w
}

// mask hides the members of a configuration that are secrets: those named like
// one, at any depth, and the values of custom headers.
func mask(configuration json.RawMessage) json.RawMessage {
	var v any
	if len(configuration) == 0 || json.Unmarshal(configuration, &v) != nil {
		return json.RawMessage("null")
	}
	shown, err := encode(maskValue("", v))
	if err != nil {
		return json.RawMessage("null")
	}
	return shown
}

func maskValue(name string, v any) any {
	if secretName(name) {
		return masked
	}
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if strings.EqualFold(name, "headers") {
				v[key] = masked
			} else {
				v[key] = maskValue(key, member)
			}
		}
	case []any:
		for i := range v {
			v[i] = maskValue("", v[i])
		}
	}
	return v
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"secret", "credential", "connectionstring", "key", "token", "password"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// nextPage is a link to the same list with another cursor.
func nextPage(r *http.Request, list, parameter, cursor string) string {
	query := url.Values{}
	for key, values := range r.URL.Query() {
		if !strings.EqualFold(key, parameter) {
			query[key] = values
		}
	}
	query.Set(parameter, cursor)
	return list + "?" + query.Encode()
}
