package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// azureClouds are the domains of Service Bus namespaces: the public cloud, China, and
// the United States' government. No other host is ever connected to.
var azureClouds = [...]string{".servicebus.windows.net", ".servicebus.chinacloudapi.cn", ".servicebus.usgovcloudapi.net"}

// An azureConnection is a connection string, read.
type azureConnection struct {
	host, keyName, key string
	entity             string // "" for none
}

const connectionField = "connectionString"

// The bounds of a connection string's parts in bytes.
const (
	maxAzureConnection = 4096
	maxAzureKey        = 256
)

// parseAzureConnection reads a connection string: key=value parts between semicolons,
// the keys in any case. Of its value nothing is quoted: it is a secret.
func parseAzureConnection(text string, f *faults) (c azureConnection) {
	switch {
	case text == "":
		f.add(connectionField, "is required")
		return c
	case len(text) > maxAzureConnection:
		f.add(connectionField, fmt.Sprintf("must be at most %d bytes", maxAzureConnection))
		return c
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := parts[name]; !ok || name == "" || twice {
			f.add(connectionField, "must be parts of the form Name=Value between semicolons, each name once")
			return c
		}
		parts[name] = strings.TrimSpace(value)
	}
	c = azureConnection{keyName: parts["sharedaccesskeyname"], key: parts["sharedaccesskey"], entity: parts["entitypath"]}
	var reason string
	if c.host, reason = azureHost(parts["endpoint"]); reason == "" {
		reason = c.fault(parts["sharedaccesssignature"] != "")
	}
	if reason != "" {
		f.add(connectionField, reason)
	}
	return c
}

// fault says what is wrong beside the endpoint; "" where nothing is.
func (c *azureConnection) fault(signed bool) string {
	switch {
	case signed && c.key == "":
		return "must have SharedAccessKeyName and SharedAccessKey: a SharedAccessSignature runs out"
	case c.keyName == "" || c.key == "":
		return "must have SharedAccessKeyName and SharedAccessKey"
	case len(c.keyName) > maxAzureKey || len(c.key) > maxAzureKey:
		return fmt.Sprintf("must have a SharedAccessKeyName and a SharedAccessKey of at most %d bytes each", maxAzureKey)
	case c.entity != "" && !validAzureEntity(c.entity):
		return "must have an EntityPath that is the name of a queue or a topic"
	default:
		return ""
	}
}

// azureHost gives the host of an endpoint, and what is wrong with it. A connection
// string is a stranger's way to say where to connect: the host is one label under a
// domain that Azure gives out, and nothing else is taken from the endpoint.
func azureHost(endpoint string) (host, reason string) {
	const want = "must have an Endpoint of the form sb://NAMESPACE"
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || u.Port() != "" {
		return "", want + azureClouds[0] + "/"
	}
	switch strings.ToLower(u.Scheme) {
	case "sb", "amqps", "https":
	default:
		return "", want + azureClouds[0] + "/"
	}
	host = strings.ToLower(u.Host)
	for _, cloud := range azureClouds {
		if namespace, ok := strings.CutSuffix(host, cloud); ok && !strings.Contains(namespace, ".") && validName(host) {
			return host, ""
		}
	}
	return "", want + " under " + strings.Join(azureClouds[:], ", ")
}

// A sasKey makes the tokens of a shared access policy (Service Bus access control with
// Shared Access Signatures).
type sasKey struct {
	// resource is the URL of what the tokens open.
	resource  string
	name, key string
}

// How long a token is good for, and when the next one is made.
const (
	sasLifetime = time.Hour
	sasRenew    = 45 * time.Minute
)

// token makes a token that is good for sasLifetime, and says from when on another is
// to be made. The key is a text, not the base64 that it looks like.
func (k *sasKey) token(now time.Time) (token string, renew time.Time) {
	resource := component(k.resource)
	expiry := strconv.FormatInt(now.Add(sasLifetime).Unix(), 10)
	mac := hmac.New(sha256.New, []byte(k.key))
	mac.Write([]byte(resource + "\n" + expiry))
	signature := component(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return "SharedAccessSignature sr=" + resource + "&sig=" + signature + "&se=" + expiry + "&skn=" + component(k.name), now.Add(sasRenew)
}

// component escapes as Microsoft's libraries do: a space is %20 to whoever reads it.
func component(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
