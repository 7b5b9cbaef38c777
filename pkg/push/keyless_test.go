package push_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// asserting makes assertions that say what they were asked for.
type asserting struct{ err error }

func (a asserting) Assertion(_ context.Context, ref hermod.Ref, audience string) (string, error) {
	return "s3cret assertion of " + ref.Owner + " " + ref.ID + " for " + audience, a.err
}

// tokenServices stand in for those of the clouds. They answer what is a request of a
// token, and report false of what is none.
type tokenServices struct {
	t  *testing.T
	mu sync.Mutex
	// asked are the requests, by host and path and what stands in them.
	asked []string
	// fails answers a host's requests in its place; nil for none.
	fails map[string]http.HandlerFunc
	life  int // of the tokens, in seconds
}

func (s *tokenServices) serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.Host {
	case "sts.googleapis.com", "iamcredentials.googleapis.com", "login.microsoftonline.com":
	default:
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Host+r.URL.Path)
	n := len(s.asked)
	s.mu.Unlock()
	if fail := s.fails[r.Host]; fail != nil {
		fail(w, r)
		return true
	}
	if r.Host == "iamcredentials.googleapis.com" {
		s.want(r.Header.Get("Content-Type"), "application/json")
		s.want(string(body), `{"scope":["https://www.googleapis.com/auth/pubsub"],"lifetime":"3600s"}`)
		s.want(strings.TrimRight(r.Header.Get("Authorization"), "0123456789"), "Bearer s3cret-token-")
		expires := time.Now().Add(time.Duration(s.life) * time.Second).UTC().Format(time.RFC3339)
		_, _ = fmt.Fprintf(w, `{"accessToken":"s3cret-account-token","expireTime":%q}`, expires)
		return true
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Authorization") != "" {
		s.t.Errorf("%v: %s, %v", r.Header, body, err)
	}
	if r.Host == "sts.googleapis.com" {
		s.want(form.Encode(), wantedOfSTS(form.Get("scope")))
	} else {
		s.want(form.Encode(), wantedOfEntra())
	}
	_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"access_token":"s3cret-token-%d"}`, s.life, n)
	return true
}

func (s *tokenServices) want(got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("got %s, want %s", got, want)
	}
}

func (s *tokenServices) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

const provider = "projects/123456789/locations/global/workloadIdentityPools/partners/providers/hermod"

func wantedOfSTS(scope string) string {
	return url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {"//iam.googleapis.com/" + provider},
		"scope":                {scope},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token_type":   {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":        {"s3cret assertion of a-1 s-1 for https://iam.googleapis.com/" + provider},
	}.Encode()
}

func wantedOfEntra() string {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {"0f8fad5b-d9cb-469f-a165-70867728950e"},
		"scope":                 {"https://servicebus.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {"s3cret assertion of a-1 s-1 for api://AzureADTokenExchange"},
	}.Encode()
}

// members makes a configuration of the members of others, the last ones first.
func members(others ...map[string]any) string {
	all := map[string]any{}
	for _, other := range others {
		maps.Copy(all, other)
	}
	return textOf(all)
}

var (
	keylessTopic = map[string]any{
		"workloadIdentity": map[string]any{"provider": "//iam.googleapis.com/" + provider, "serviceAccountEmail": "hermod@acme-prod.iam.gserviceaccount.com"},
		"projectId":        "acme-prod", "topicId": "events",
	}
	keylessQueue = map[string]any{
		"workloadIdentity": map[string]any{"tenantId": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "clientId": "0f8fad5b-d9cb-469f-a165-70867728950e"},
		"namespace":        "contoso", "queueName": "orders",
	}
)

// keyless makes a row of a kind without its secret.
func keyless(c conformer, configuration map[string]any, hosts ...string) conformer {
	c.configuration = func(string) string { return textOf(configuration) }
	c.options = func(t *testing.T, server string) push.Options {
		return push.Options{Endpoints: endpointsFor(t, server, hosts...), Assertions: asserting{}}
	}
	c.side = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.Host, "contoso.") || strings.HasPrefix(r.Host, "pubsub.") {
			return false
		}
		_, _ = io.WriteString(w, `{"access_token":"s3cret","accessToken":"s3cret"}`)
		return true
	}
	c.hostile = map[string]string{}
	identity := func(member string, value any) string {
		changed := maps.Clone(configuration["workloadIdentity"].(map[string]any))
		changed[member] = value
		return members(configuration, map[string]any{"workloadIdentity": changed})
	}
	for _, bad := range []struct {
		member string
		value  any
	}{
		{"provider", nil},
		{"provider", "s3cret"},
		{"provider", "//iam.s3cret.example/" + provider},
		{"provider", "https://s3cret.example/" + provider},
		{"provider", strings.Replace(provider, "123456789", "acme", 1)},
		{"provider", strings.Replace(provider, "global", "eu", 1)},
		{"provider", strings.Replace(provider, "partners", "..", 1)},
		{"provider", provider + "/s3cret"},
		{"provider", provider + "?s3cret"},
		{"audience", "https://s3cret.example"},
		{"serviceAccountEmail", "s3cret"},
		{"serviceAccountEmail", "../s3cret@acme.example"},
		{"serviceAccountEmail", "a@b?s3cret"},
		{"serviceAccountEmail", "a@b/s3cret"},
		{"serviceAccountEmail", "a@"},
		{"serviceAccountEmail", "a@b\r\ns3cret:"},
		{"tenantId", ""},
		{"tenantId", "common"},
		{"tenantId", "../s3cret"},
		{"tenantId", "s3cret.example/x"},
		{"tenantId", "a?s3cret.example"},
		{"tenantId", "127.0.0.1"},
		{"clientId", ""},
		{"clientId", "s3cret"},
		{"clientId", "0f8fad5b-d9cb-469f-a165-70867728950g"},
	} {
		google := slices.Contains([]string{"provider", "audience", "serviceAccountEmail"}, bad.member)
		if google == (c.kind == hermod.GooglePubSub) {
			c.hostile[identity(bad.member, bad.value)] = "typeConfiguration.workloadIdentity." + bad.member
		}
	}
	for _, bad := range []any{"s3cret", 7, []any{}} {
		c.hostile[members(configuration, map[string]any{"workloadIdentity": bad})] = "typeConfiguration"
	}
	return c
}

func keylessRows() []conformer {
	topic := keyless(pubsubRow(), keylessTopic, "googleapis.com")
	with := func(more map[string]any) string { return members(keylessTopic, more) }
	topic.hostile[with(map[string]any{"credential": credential(nil)})] = "typeConfiguration.workloadIdentity"
	topic.hostile[with(map[string]any{"projectId": ""})] = "typeConfiguration.projectId"

	queue := keyless(azureRow(), keylessQueue, "servicebus.windows.net", "login.microsoftonline.com")
	of := func(more map[string]any) string { return members(keylessQueue, more) }
	queue.hostile[of(map[string]any{"connectionString": azureConnection})] = "typeConfiguration.workloadIdentity"
	queue.hostile[of(map[string]any{"queueName": nil})] = "typeConfiguration.queueName"
	for _, namespace := range []any{
		nil, "", "s3cret.example", "contoso.servicebus.windows.net.s3cret.example", "a.b.servicebus.windows.net", "sb://contoso", "contoso/",
		"contoso.servicebus.chinacloudapi.cn", "a@b", "-a", "contoso:9001", ".servicebus.windows.net", "cont\u00f6so",
	} {
		queue.hostile[of(map[string]any{"namespace": namespace})] = "typeConfiguration.namespace"
	}
	return []conformer{topic, queue}
}
