package push

import (
	"fmt"
	"net/http"
	"strings"

	"hermod/pkg/deliver"
)

// How the attributes of a CloudEvent in binary mode are marked among others.
const (
	cloudHeader    = "Ce-"          // HTTP Protocol Binding 1.0.2, section 3.1.3.1
	cloudAttribute = "ce-"          // as Google binds them to Pub/Sub; nobody has bound them to SQS and SNS
	cloudProperty  = "cloudEvents_" // AMQP Protocol Binding 1.0.2, section 3.1.3.1
)

// maxCloudHeader bounds an attribute in bytes: receivers take some 8 KB of header in
// all. Only a long list of tags is longer, and is left out.
const maxCloudHeader = 4 << 10

// addCloudEvent adds the attributes of a CloudEvent in binary mode to the header of an
// HTTP request. They win over what the subscriber set by these names.
func addCloudEvent(header http.Header, p *deliver.Payload) {
	for _, a := range p.CloudEvent {
		if value := percentEncode(a.Value); len(value) <= maxCloudHeader {
			header[http.CanonicalHeaderKey(cloudHeader+a.Name)] = []string{value}
		}
	}
}

// percentEncode makes the value of a header (HTTP Protocol Binding, section 3.1.3.2).
func percentEncode(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
