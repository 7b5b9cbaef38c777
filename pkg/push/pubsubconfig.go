package push

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// pubsubConfiguration is typeConfiguration of a GooglePubSub. Unknown members are
// tolerated.
type pubsubConfiguration struct {
	// Credential is the contents of a service account's key file: an object, or a
	// text that holds it.
	Credential json.RawMessage `json:"credential"`
	// WorkloadIdentity stands in the place of a credential.
	WorkloadIdentity *googleIdentity `json:"workloadIdentity"`
	// ProjectID is the topic's; that of the credential where it is absent.
	ProjectID string `json:"projectId"`
	// TopicID is the topic, as projects/p/topics/t or its last part; so are Topic and
	// TopicName, its other names.
	TopicID   string `json:"topicId"`
	Topic     string `json:"topic"`
	TopicName string `json:"topicName"`
	// Attributes go with each message.
	Attributes map[string]string `json:"attributes"`
	// OrderingKey is that of each message; "" for none.
	OrderingKey string `json:"orderingKey"`
}

const pubsubForm = "must be an object with a credential or a workloadIdentity, texts topicId, projectId and orderingKey, and attributes that are an object of texts"

// names gives the project and the topic. Each may be named several times, but only
// one.
func (c *pubsubConfiguration) names(ofCredential string, f *faults) (project, topic string) {
	if c.ProjectID != "" && !validPubsubProject(c.ProjectID) {
		f.add("projectId", "must be the id of a project of Google Cloud")
	}
	project = c.ProjectID
	var from string
	for _, named := range []struct{ member, value string }{
		{"topicId", c.TopicID}, {"topic", c.Topic}, {"topicName", c.TopicName},
	} {
		if named.value == "" {
			continue
		}
		of, id, ok := cutTopic(named.value)
		switch {
		case !ok:
			f.add(named.member, "must be a topic's id, of 3 to 255 letters, digits, '-', '.', '_', '~', '+' and '%', the first a letter and not goog; or projects/PROJECT/topics/ID")
		case topic != "" && id != topic:
			f.add(named.member, "must be what "+from+" names")
		case of != "" && project != "" && of != project:
			f.add(named.member, "must be of the same project as what else is named")
		default:
			topic, from = id, named.member
			if of != "" {
				project = of
			}
		}
	}
	if topic == "" && c.TopicID+c.Topic+c.TopicName == "" {
		f.add("topicId", "is required")
	}
	if project == "" {
		if project = ofCredential; project == "" && len(*f) == 0 {
			f.add("projectId", "is required where neither the credential nor the topic names the project")
		}
	}
	return project, topic
}

// cutTopic reads the name of a topic; of is "" where it names no project.
func cutTopic(name string) (of, id string, ok bool) {
	id = name
	if rest, whole := strings.CutPrefix(name, "projects/"); whole {
		if of, id, ok = strings.Cut(rest, "/topics/"); !ok || !validPubsubProject(of) {
			return "", "", false
		}
	}
	return of, id, validPubsubTopic(id)
}

// maxPubsubProject bounds the id of a project in bytes: 30, and a domain before a
// colon in old ones.
const maxPubsubProject = 100

// validPubsubProject lets through what stands in a URL as it is, and is no step in a
// path.
func validPubsubProject(id string) bool {
	return id != "" && len(id) <= maxPubsubProject && id[0] != '.' && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != ':'
	})
}

// validPubsubTopic reports whether a topic can have the id (Pub/Sub documentation,
// "Guidelines to name a resource").
func validPubsubTopic(id string) bool {
	if len(id) < 3 || len(id) > 255 || strings.HasPrefix(id, "goog") {
		return false
	}
	letter := 'a' <= id[0]|0x20 && id[0]|0x20 <= 'z'
	return letter && !strings.ContainsFunc(id, func(r rune) bool { return !unreserved(r) && r != '+' && r != '%' })
}

// checkMessage judges what the subscriber adds to each message.
func (c *pubsubConfiguration) checkMessage(f *faults) {
	switch key := c.OrderingKey; {
	case len(key) > maxPubsubValue:
		f.add("orderingKey", fmt.Sprintf("must be at most %d bytes", maxPubsubValue))
	case strings.HasPrefix(key, "{") && key != orderByAccount && key != orderByType:
		f.add("orderingKey", "must be a text, "+orderByAccount+" or "+orderByType)
	}
	if len(c.Attributes) > maxPubsubOwnAttributes {
		f.add("attributes", fmt.Sprintf("must have at most %d members", maxPubsubOwnAttributes))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		if reason := badAttribute(name, c.Attributes[name]); reason != "" {
			f.add("attributes."+cut(strings.ToValidUTF8(name, string(utf8.RuneError)), maxTarget), reason)
		}
	}
}

func badAttribute(name, value string) string {
	switch {
	case name == "" || len(name) > maxPubsubName:
		return fmt.Sprintf("must have a name of 1 to %d bytes", maxPubsubName)
	case strings.HasPrefix(name, "goog"):
		return "must have a name that does not begin with goog"
	case name == pubsubSender || name == pubsubEventName || name == pubsubEventID || name == pubsubTags || name == pubsubContentType:
		return "is set by Hermod"
	case len(value) > maxPubsubValue:
		return fmt.Sprintf("must be at most %d bytes", maxPubsubValue)
	default:
		return ""
	}
}
