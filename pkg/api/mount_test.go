package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"hermod/pkg/api"
)

func TestARequestGoesToTheDialectOfItsHostOrItsPath(t *testing.T) {
	t.Parallel()
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s?%s", name, r.URL.EscapedPath(), r.URL.RawQuery)
		})
	}
	h := api.Mounted(named("native"),
		api.Mount{Host: "signly", Prefix: "/signly", Server: named("signly")},
		api.Mount{Host: "telia", Begins: []string{"/hooks", "/identity"}, Server: named("telia")})
	for _, tt := range []struct{ host, path, want string }{
		{"localhost:3000", "/signly/v1/webhooks?limit=1", "signly /signly/v1/webhooks?limit=1"},
		{"localhost:3000", "/signly", "signly /signly?"},
		{"localhost:3000", "/signlyx", "native /signlyx?"},
		{"localhost:3000", "/v1/webhooks", "native /v1/webhooks?"},
		{"localhost:3000", "/hooks/v1", "telia /hooks/v1?"},
		{"localhost:3000", "/hooksx", "native /hooksx?"},
		{"localhost:3000", "/", "native /?"},
		{"signly.localhost:3000", "/v1/webhooks?limit=1", "signly /signly/v1/webhooks?limit=1"},
		{"signly.localhost:3000", "/v1/a%2Fb", "signly /signly/v1/a%2Fb?"},
		{"SIGNLY.example.com", "/signly/v1/webhooks", "signly /signly/v1/webhooks?"},
		{"signly.example.com", "/events-management/events", "signly /signly/events-management/events?"},
		{"signly", "/v1/webhooks", "native /v1/webhooks?"}, // a machine of that name is not the dialect
		{"signlyx.example.com", "/v1/webhooks", "native /v1/webhooks?"},
		{"telia.example.com", "/identity/login", "telia /identity/login?"},
		{"telia.example.com", "/events-management/events", "telia /events-management/events?"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String(); got != tt.want {
			t.Errorf("%s%s went to %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}
