package push

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// webhookConfiguration is typeConfiguration of a Webhook. Unknown members are
// tolerated; so is a timeout of any form, but only a number of seconds counts.
type webhookConfiguration struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Timeout any               `json:"timeout"`
	Verify  any               `json:"verifyEndpoint"`
}

// An endpoint is a webhook's configuration, checked and ready for use.
type endpoint struct {
	url *url.URL
	// target is url as far as it is no secret.
	target string
	// header holds the subscriber's own headers, and the mark that ends loops.
	header  http.Header
	timeout time.Duration
	// verify asks for the handshake.
	verify bool
}

// The bounds of a subscriber's own headers: their number, and the bytes of each
// name and value together.
const (
	maxHeaders = 10
	maxHeader  = 1024
)

// newEndpoint checks a configuration. The error is CodeInvalid. The endpoint's
// timeout is the configured one where that is shorter than timeout.
func newEndpoint(configuration json.RawMessage, policy *Policy, timeout time.Duration) (*endpoint, error) {
	var c webhookConfiguration
	if err := decode(configuration, &c, "must be an object with a text url, and headers that are an object of texts"); err != nil {
		return nil, err
	}
	u, err := policy.parse(c.URL)
	if err != nil {
		return nil, err
	}
	header, err := checkHeaders(c.Headers)
	if err != nil {
		return nil, err
	}
	if seconds, ok := c.Timeout.(float64); ok && seconds > 0 && seconds < timeout.Seconds() {
		timeout = max(time.Duration(math.Ceil(seconds*1e3))*time.Millisecond, time.Millisecond)
	}
	verify, ok := c.Verify.(bool)
	if !ok && c.Verify != nil {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: configurationField + ".verifyEndpoint", Reason: "must be true, false or null"})
	}
	return &endpoint{url: u, target: redact(u), header: header, timeout: timeout, verify: verify}, nil
}

// maxTarget bounds what a log row keeps of a target, in bytes.
const maxTarget = 128

// redact gives scheme, host, port and path. Query and userinfo may be secrets.
func redact(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return cut(shown.String(), maxTarget)
}

func checkHeaders(headers map[string]string) (http.Header, error) {
	if len(headers) > maxHeaders {
		return nil, hermod.InvalidFields(hermod.FieldError{
			Name: configurationField + ".headers", Reason: fmt.Sprintf("must have at most %d members", maxHeaders),
		})
	}
	var problems []hermod.FieldError
	checked := make(http.Header, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		_, twice := checked[canonical]
		if reason := badHeader(name, headers[name], twice); reason != "" {
			problems = append(problems, hermod.FieldError{
				Name: configurationField + ".headers." + cut(strings.ToValidUTF8(name, "\uFFFD"), maxTarget), Reason: reason,
			})
			continue
		}
		checked[canonical] = []string{headers[name]}
	}
	if len(problems) > 0 {
		return nil, hermod.InvalidFields(problems...)
	}
	checked[hermod.LoopHeader] = []string{hermod.LoopID}
	return checked, nil
}

// badHeader says what is wrong with a header; "" where nothing is. Values are
// secrets and never quoted.
func badHeader(name, value string, twice bool) string {
	switch {
	case !headerName(name):
		return "must have a header name: letters, digits and !#$%&'*+-.^_`|~ of ASCII"
	case !headerValue(value):
		return "must have a header value: text without line breaks or control characters"
	case len(name)+len(value) > maxHeader:
		return fmt.Sprintf("must be at most %d bytes", maxHeader)
	case reservedHeader(strings.ToLower(name)):
		return "is not allowed"
	case twice:
		return "is given twice"
	default:
		return ""
	}
}

// headerName reports whether a text can name a header: a token of RFC 9110, section
// 5.6.2. With headerValue it stands in for x/net/http/httpguts, which links the tables of
// international names.
func headerName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// headerValue reports whether a text can be the value of a header: RFC 9110, section 5.5
// has no control characters but tabs.
func headerValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// reservedHeader reports whether a header, in lower case, is not the subscriber's
// to set: it frames the message, belongs to one hop (RFC 9110, section 7.6.1), carries a
// signature, ends loops, or is what the metadata service of a cloud wants to see.
func reservedHeader(name string) bool {
	switch name {
	case "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect",
		strings.ToLower(hermod.LoopHeader), "metadata", "metadata-flavor":
		return true
	}
	return slices.ContainsFunc([]string{"content-", "proxy-", "webhook-", "x-amz-", "x-aws-ec2-"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}
