package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
)

// testOwnHosts calls each of the other dialects on its own host name, where its paths
// are those of the original: nothing but the host differs for its client.
func testOwnHosts(t *testing.T, target Target) {
	for _, call := range []struct {
		dialect, path string
		header        map[string]string
		status        int
		member        string // of the answer, in the dialect's form
	}{
		{"signly", "/v1/webhooks", map[string]string{"X-Tenant-Signly": "11111111-1111-4111-8111-111111111111", "X-Auth-Signly": "sk_local"}, 200, "meta"},
		{"signly", "/v1/nothing", nil, 404, "meta"},
		{"telia", "/hooks/v1", map[string]string{"Ocp-Apim-Subscription-Key": "local-key"}, 401, "statusCode"},
		{"universign", "/v1/webhook-endpoints", map[string]string{"Authorization": "Bearer apikey_local"}, 200, "object"},
		{"universign", "/v1/events/report", map[string]string{"Authorization": "Bearer apikey_local"}, 200, "signatures_by_required_level"},
		{"universign", "/v1/webhooks/jwks.json", nil, 200, "keys"},
		{"universign", "/v1/nothing", map[string]string{"Authorization": "Bearer apikey_local"}, 404, "trace_id"},
	} {
		base, host := target.OwnHost(t, call.dialect)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+call.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for name, value := range call.header {
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		err = json.NewDecoder(answer.Body).Decode(&body)
		_ = answer.Body.Close() // it was read
		if _, there := body[call.member]; err != nil || answer.StatusCode != call.status || !there {
			t.Errorf("%s %s: %d %v (%v)", call.dialect, call.path, answer.StatusCode, body, err)
		}
	}
}
