package signicat

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"hermod/pkg/api"
)

// masked stands where a secret would.
const masked = "********"

// mask hides the members of a configuration that are secrets: those named like
// one, at any depth, and the values of custom headers.
func mask(configuration json.RawMessage) json.RawMessage {
	v, err := decodeNumbers(configuration)
	if err != nil {
		return json.RawMessage("null")
	}
	shown, err := api.EncodeJSON(maskValue("", v))
	if err != nil {
		return json.RawMessage("null")
	}
	return shown
}

// decodeNumbers decodes one value and keeps its numbers as they are written.
func decodeNumbers(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func maskValue(name string, v any) any {
	if secretName(name) {
		return masked
	}
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if strings.EqualFold(name, headersName) {
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

// headersName is the member whose own members are all secrets.
const headersName = "headers"

// secretName reports whether a member is named like a secret. The keys by which
// messages are put in order are none.
func secretName(name string) bool {
	name = strings.ToLower(name)
	if name == "partitionkey" || name == "orderingkey" {
		return false
	}
	for _, part := range []string{"secret", "credential", "connectionstring", "key", "token", "password"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// errMovedMasked is a mask beside another host: what is never shown to the owner
// of the subscription must not be sent wherever its URL points next.
var errMovedMasked = errors.New("changes the host of url: write its secrets out, masked ones stay behind")

// host is where the url of a configuration points; "" where it has none. A destination
// reads its members in any case, so each spelling of url counts.
func host(configuration any) string {
	members, _ := configuration.(map[string]any)
	var hosts []string
	for name, value := range members {
		if !strings.EqualFold(name, "url") {
			continue
		}
		text, _ := value.(string)
		if u, err := url.Parse(text); err == nil {
			text = u.Scheme + "://" + u.Host
		}
		hosts = append(hosts, text)
	}
	slices.Sort(hosts)
	return strings.Join(hosts, " ")
}

// errNothingMasked is a mask where there is no secret that it could stand for.
var errNothingMasked = errors.New("holds the mask of a secret that is not there")

// unmask puts the secrets of the configuration of before where mask has hidden
// them. A configuration without a mask is kept byte for byte.
func unmask(configuration, before json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(configuration, []byte(masked)) {
		return configuration, nil
	}
	v, err := decodeNumbers(configuration)
	if err != nil {
		return nil, errors.New("must be JSON")
	}
	was, err := decodeNumbers(before)
	if err != nil {
		was = nil // a new subscription has none
	}
	if was != nil && host(v) != host(was) {
		return nil, errMovedMasked
	}
	if v, err = unmaskValue("", v, was); err != nil {
		return nil, err
	}
	return api.EncodeJSON(v)
}

func unmaskValue(name string, v, was any) (any, error) {
	if v == masked && secretName(name) {
		if was == nil {
			return nil, errNothingMasked
		}
		return was, nil
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		members, _ := was.(map[string]any)
		for key, member := range v {
			inside := key
			if strings.EqualFold(name, headersName) {
				inside = "secret" // whatever the header is called
			}
			if v[key], err = unmaskValue(inside, member, members[key]); err != nil {
				return nil, err
			}
		}
	case []any:
		elements, _ := was.([]any)
		for i, element := range v {
			var old any
			if i < len(elements) {
				old = elements[i]
			}
			if v[i], err = unmaskValue("", element, old); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
