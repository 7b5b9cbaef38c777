package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/push"
)

// A strict node demands that every endpoint agrees. The one at agreeing does, the other
// answers everything and agrees to nothing.
type strict struct {
	node             *node.Node
	agreeing, silent string
}

func newStrict(t *testing.T) *strict {
	t.Helper()
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	n, err := node.Open(t.Context(), node.Options{
		Data: t.TempDir(), Policy: push.Local(), Handshake: push.Handshake{Origin: "events.example.com", Required: true},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return &strict{
		node: n, silent: serve(func(http.ResponseWriter, *http.Request) {}),
		agreeing: serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WebHook-Allowed-Origin", r.Header.Get("WebHook-Request-Origin"))
		}),
	}
}

func (s *strict) send(ctx context.Context, method, path, body string, header ...string) (status int, text string) {
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.node.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// token is the text in the member of the answer to a login.
func (s *strict) token(t *testing.T, member, path, body string, header ...string) string {
	t.Helper()
	var answer map[string]any
	status, text := s.send(t.Context(), http.MethodPost, path, body, header...)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, text)
	}
	return answer[member].(string)
}

// Who operates Hermod decides it for every API: each names the URL by its own word, and
// creates nothing.
func TestEndpointsOfEachAPIMustAgreeWhereTheOperatorDemandsIt(t *testing.T) {
	t.Parallel()
	s, tenant := newStrict(t), provision.LocalSecrets()[0].Tenant
	native := s.token(t, "access_token", "/auth/open/connect/token", "grant_type=client_credentials&client_id=local&client_secret=local-secret",
		"Content-Type", "application/x-www-form-urlencoded")
	login := s.token(t, "token", "/identity/login", fmt.Sprintf(`{"login":"local","password":"local-secret","tenantid":%q}`, tenant),
		"Ocp-Apim-Subscription-Key", "local-key")
	for name, tt := range map[string]struct {
		path, body, url string
		header          []string
		list            string
	}{
		"native": {
			"/events-management/subscriptions", `{"name":"abc","type":"Webhook","typeConfiguration":{"url":%q}}`, `"name":"typeConfiguration.url"`,
			[]string{"Authorization", "Bearer " + native}, "/events-management/subscriptions",
		},
		"Signly": {
			"/signly/v1/webhooks", `{"url":%q,"events":["PROCESS_COMPLETED"]}`, `"url"`,
			[]string{"X-Tenant-Signly", tenant, "X-Auth-Signly", "sk_local"}, "/signly/v1/webhooks",
		},
		"Telia Sign": {
			"/hooks/v1/subscription", `{"Description":"d","Uri":%q,"EventType":"SignatureRequestCompleted"}`, `Uri`,
			[]string{"Ocp-Apim-Subscription-Key", "local-key", "Authorization", "Bearer " + login}, "/hooks/v1/subscription",
		},
		"Universign": {
			"/universign/v1/webhook-endpoints", `{"name":"n","url":%q,"event_types":["action.closed"]}`, `url`,
			[]string{"Authorization", "Bearer apikey_local"}, "/universign/v1/webhook-endpoints",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := s.send(t.Context(), http.MethodPost, tt.path, fmt.Sprintf(tt.body, s.silent+"/refusing"), tt.header...)
			if status != http.StatusBadRequest || !strings.Contains(text, tt.url) || !strings.Contains(text, "WebHook-Allowed-Origin") {
				t.Errorf("one that does not agree: %d %s", status, text)
			}
			if status, text := s.send(t.Context(), http.MethodPost, tt.path, fmt.Sprintf(tt.body, s.agreeing+"/hook"), tt.header...); status > http.StatusCreated {
				t.Errorf("one that agrees: %d %s", status, text)
			}
			_, all := s.send(t.Context(), http.MethodGet, tt.list, "", tt.header...)
			if n := strings.Count(all, `"id":`) + strings.Count(all, `"webhookId":`); n != 1 || strings.Contains(all, "refusing") {
				t.Errorf("there are %d: %s", n, all)
			}
		})
	}
}
