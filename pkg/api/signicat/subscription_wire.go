package signicat

import (
	"encoding/json"
	"time"

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
	// Paused and Health are as those of wireSubscription.
	Paused bool        `json:"paused,omitempty"`
	Health *wireHealth `json:"health,omitempty"`
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
	// Paused is shown where deliveries are stopped alone: that API does not have it.
	Paused bool `json:"paused,omitempty"`
	// Health is shown where the endpoint does not do well.
	Health *wireHealth `json:"health,omitempty"`
	// RateLimit is shown where there is one.
	RateLimit int `json:"rateLimit,omitempty"`
	// Translate is shown where it is on alone: that API does not have it.
	Translate bool `json:"translate,omitempty"`
	// OutputFormat is shown where it is not that API's own.
	OutputFormat hermod.OutputFormat `json:"outputFormat,omitempty"`
	// ExternalID is shown where a role is taken on: its trust policy must ask for it.
	ExternalID string `json:"externalId,omitempty"`
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func subscriptionItemOf(s *hermod.Subscription, now time.Time, base string) subscriptionItem {
	return subscriptionItem{
		ID: s.ID, Name: s.Name, Active: s.InForce(now), URL: base + Base + "/subscriptions/" + s.ID, OwnerID: s.Owner,
		EventNameFilter: orEmpty(s.Filters), TagFilter: orEmpty(s.Tags), Type: s.Type,
		ExpiresAt: wireTime(s.ExpiresAt), CreatedAt: wireTime(s.CreatedAt),
		Paused: pausedBy(s.Health), Health: healthOf(s.Health, now),
	}
}

// subscriptionOf shows a subscription; one that has ended is shown as not active. reveal
// says that its signing secret was made just now.
func subscriptionOf(s *hermod.Subscription, now time.Time, reveal bool) wireSubscription {
	w := wireSubscription{
		ID: s.ID, Name: s.Name, Active: s.InForce(now), OwnerID: s.Owner, Type: s.Type,
		TypeConfiguration: mask(s.Secrets.Configuration),
		EventNameFilter:   orEmpty(s.Filters), TagFilter: orEmpty(s.Tags),
		ExpiresAt: wireTime(s.ExpiresAt), CreatedAt: wireTime(s.CreatedAt),
		DisabledReason:        nullable(s.DisabledReason),
		IncludeInternalEvents: trueOrNull(s.IncludeInternal), IsGlobalSubscription: trueOrNull(s.Global),
		Paused: pausedBy(s.Health), Health: healthOf(s.Health, now), RateLimit: s.RateLimit,
		Translate: s.Translate, OutputFormat: s.Format,
		MessageAuthentication: authenticationOf(s, now, reveal),
	}
	switch s.Type {
	case hermod.AWSSQS, hermod.AWSSNS, hermod.AWSEventBridge, hermod.AWSKinesis:
		w.ExternalID = s.Ref().ExternalID()
	}
	return w
}

// trueOrNull is a flag that the samples of that API show as null where it is off.
func trueOrNull(on bool) *bool {
	if !on {
		return nil
	}
	return &on
}
