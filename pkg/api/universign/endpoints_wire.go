package universign

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// endpointObject is a webhook endpoint on the wire.
type endpointObject struct {
	Object     string   `json:"object"`
	ID         string   `json:"id"`
	CreatedAt  wireTime `json:"created_at"`
	Name       string   `json:"name"`
	URL        string   `json:"url"`
	TenantID   string   `json:"tenant_id"`
	EventTypes []string `json:"event_types"`
	// SuccessRate is there where one endpoint is read.
	SuccessRate *successRate `json:"success_rate,omitempty"`
	// Translate is ours, and there where it is true alone.
	Translate bool `json:"translate,omitempty"`
}

// successRate is a share between 0 and 1 on the wire; null where nothing is known.
type successRate float64

// unknownRate is that of no webhook.
func unknownRate() successRate { return successRate(math.NaN()) }

func (s successRate) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(s)) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, math.Round(float64(s)*10_000)/10_000, 'f', -1, 64), nil
}

func endpointObjectOf(s *hermod.Subscription) endpointObject {
	o := endpointObject{
		Object: "webhook-endpoint", ID: s.ID, CreatedAt: wireTime(s.CreatedAt), Name: s.Name, URL: urlOf(s),
		TenantID: s.Tenant, EventTypes: []string{}, Translate: s.Translate,
	}
	for _, filter := range s.Filters {
		o.EventTypes = append(o.EventTypes, strings.TrimPrefix(string(filter), sender+":"))
	}
	return o
}

// configuration is what a pusher reads of an endpoint.
type configuration struct {
	URL string `json:"url"`
}

func urlOf(s *hermod.Subscription) string {
	var c configuration
	if err := json.Unmarshal(s.Secrets.Configuration, &c); err != nil {
		return "" // damaged in the store, which its deliveries tell
	}
	return c.URL
}

// maxName bounds a name in characters (inferred).
const maxName = 255

// endpointBody are the members of an endpoint that a client writes.
func endpointBody() body {
	return body{
		texts: []string{"workspace_id", "name", "url"}, lists: []string{"event_types"}, switches: []string{"translate"},
	}
}

// readEndpoint reads members into s. What is absent or null stays.
func readEndpoint(f *input.Fields, s *hermod.Subscription, targets subscription.Targets) error {
	readName(f, &s.Name)
	readURL(f, s, targets)
	readTypes(f, s)
	f.Read("translate", &s.Translate, "true or false")
	return f.Err()
}

// readName reads the name of an endpoint or a key.
func readName(f *input.Fields, into *string) {
	var name string
	if !f.Read("name", &name, "a string") {
		return
	}
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		f.Fail("name", fmt.Sprintf("must have 1 to %d characters and no control characters", maxName))
		return
	}
	*into = name
}

func readURL(f *input.Fields, s *hermod.Subscription, targets subscription.Targets) {
	var c configuration
	if !f.Read("url", &c.URL, "a string") {
		return
	}
	configured := raw(c)
	err := targets.Check(s.Type, configured)
	if err == nil {
		s.Secrets.Configuration = configured
		return
	}
	f.Wrong = append(f.Wrong, subscription.Refusals(err, "url", "url")...)
}

func readTypes(f *input.Fields, s *hermod.Subscription) {
	var names []string
	if !f.Read("event_types", &names, "an array of strings") {
		return
	}
	if len(names) == 0 {
		f.Fail("event_types", "must not be empty")
		return
	}
	var filters []hermod.Pattern
	for _, name := range names {
		if !isType(name) {
			f.Fail("event_types", fmt.Sprintf("holds %q, which is no event type", api.Clip(name, maxText/2)))
			continue
		}
		if filter := hermod.Pattern(sender + ":" + name); !slices.Contains(filters, filter) {
			filters = append(filters, filter)
		}
	}
	s.Filters = filters
}

// ownWorkspace refuses a workspace_id that is not the key's own. A key belongs to one
// workspace; the documentation has keys of several, which there are none of here.
func ownWorkspace(f *input.Fields, p *hermod.Principal) error {
	var workspace string
	if f.Read("workspace_id", &workspace, "a string") && workspace != p.Tenant {
		return hermod.Errorf(hermod.CodeForbidden, "the API key may not act for this workspace")
	}
	return nil
}
