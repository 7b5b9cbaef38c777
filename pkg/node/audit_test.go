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

	"hermod/pkg/api"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/push"
)

// An audited node serves all APIs. What it delivers is refused for good, so that there
// are dead letters.
type audited struct {
	t      *testing.T
	node   *node.Node
	hook   string // a URL that takes everything
	tokens map[string]string
	traces int
	key    string
}

// A refusing destination takes nothing.
type refusing struct{}

func (refusing) Push(context.Context, *hermod.Subscription, deliver.Payload) deliver.Result {
	return deliver.Result{Class: deliver.ClassBlockedTarget, Permanent: hermod.ReasonBlockedTarget}
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	a := &audited{t: t, hook: hook.URL, tokens: map[string]string{}}
	n, err := node.Open(t.Context(), node.Options{
		Data: t.TempDir(), Policy: push.Local(), Pusher: refusing{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.node = n
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// send asks as the local account, in the API of the path, and gives the trace of the
// request beside the answer.
func (a *audited) send(method, path, body string) (answer map[string]any, trace string) {
	a.t.Helper()
	a.traces++
	trace = fmt.Sprintf("%032x", a.traces)
	r := httptest.NewRequestWithContext(a.t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Traceparent", "00-"+trace+"-0000000000000001-01")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case strings.HasPrefix(path, "/signly"):
		r.Header.Set("X-Tenant-Signly", provision.LocalSecrets()[0].Tenant)
		r.Header.Set("X-Auth-Signly", "sk_local")
	case strings.HasPrefix(path, "/universign"):
		r.SetBasicAuth("apikey_local", "")
	case strings.HasPrefix(path, "/hooks"):
		r.Header.Set("Ocp-Apim-Subscription-Key", "local-key")
		r.Header.Set("Authorization", "Bearer "+a.token("/identity/login"))
	case path == "/identity/login":
		r.Header.Set("Ocp-Apim-Subscription-Key", "local-key")
	case path == "/auth/open/connect/token":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	default:
		r.Header.Set("Authorization", "Bearer "+a.token("/auth/open/connect/token"))
	}
	w := httptest.NewRecorder()
	a.node.Handler().ServeHTTP(w, r)
	_ = json.Unmarshal(w.Body.Bytes(), &answer) // some answers have no body, or a list
	if w.Code >= http.StatusBadRequest {
		a.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return answer, trace
}

// logins are the bodies with which tokens are got.
func (a *audited) login(path string) string {
	if path == "/identity/login" {
		return fmt.Sprintf(`{"login":"local","password":"local-secret","tenantid":%q}`, provision.LocalSecrets()[0].Tenant)
	}
	return "grant_type=client_credentials&client_id=local&client_secret=local-secret"
}

func (a *audited) token(path string) string {
	a.t.Helper()
	if a.tokens[path] == "" {
		answer, _ := a.send(http.MethodPost, path, a.login(path))
		for _, name := range []string{"token", "access_token"} {
			if token, ok := answer[name].(string); ok {
				a.tokens[path] = token
			}
		}
	}
	return a.tokens[path]
}

// rows are what the audit log has of a request.
func (a *audited) rows(trace string) (rows []map[string]any) {
	a.t.Helper()
	for next := "/events-management/audit-log?limit=100"; next != ""; {
		page, _ := a.send(http.MethodGet, next, "")
		for _, row := range page["data"].([]any) {
			if row := row.(map[string]any); row["traceId"] == trace {
				rows = append(rows, row)
			}
		}
		next, _ = page["next"].(string)
		_, next, _ = strings.Cut(next, "127.0.0.1")
	}
	return rows
}

// make creates something and gives the text at the members of the answer.
func (a *audited) make(path, body string, members ...string) string {
	a.t.Helper()
	answer, _ := a.send(http.MethodPost, path, body)
	for _, name := range members[:len(members)-1] {
		answer, _ = answer[name].(map[string]any)
	}
	id, _ := answer[members[len(members)-1]].(string)
	if id == "" {
		a.t.Fatalf("%s: no %v in %v", path, members, answer)
	}
	return id
}

const base = "/events-management"

// What the tests make, by its id.
func (a *audited) subscriptionBody() string {
	return fmt.Sprintf(`{"name":"audited","active":true,"type":"Webhook","eventNameFilter":["audited:*"],"typeConfiguration":{"url":%q}`+
		`,"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"0123456789abcdef0123456789abcdef"}}}`, a.hook)
}
func (a *audited) subscription() string {
	return a.make(base+"/subscriptions", a.subscriptionBody(), "id")
}
func (a *audited) event() string {
	answer, _ := a.send(http.MethodPost, base+"/events", `{"sender":"audited","eventName":"done","eventData":1}`)
	return answer["data"].([]any)[0].(map[string]any)["id"].(string)
}

// letter waits for a dead letter of an event that goes to a fresh subscription.
func (a *audited) letter() string {
	a.t.Helper()
	sub := a.subscription()
	a.event()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		page, _ := a.send(http.MethodGet, base+"/dead-letters?subscriptionId="+sub, "")
		if letters := page["data"].([]any); len(letters) > 0 {
			return letters[0].(map[string]any)["id"].(string)
		}
	}
	a.t.Fatal("no dead letter came about")
	return ""
}
func (a *audited) replay() string {
	return a.make(base+"/replays", `{"after":"2026-01-01T00:00:00Z","rate":1}`, "id")
}
func (a *audited) eventType() string {
	a.send(http.MethodPut, base+"/metadata/events/audited:made", `{}`)
	return "audited:made"
}
func (a *audited) credential() string {
	return a.make(base+"/credentials", `{"type":"apiKey","name":"audited"}`, "id")
}
func (a *audited) webhookBody() string {
	return fmt.Sprintf(`{"url":%q,"events":["PROCESS_COMPLETED"]}`, a.hook)
}
func (a *audited) webhook() string {
	return a.make("/signly/v1/webhooks", a.webhookBody(), "data", "webhookId")
}
func (a *audited) teliaBody() string {
	return fmt.Sprintf(`{"Description":"audited","Uri":%q,"EventType":"SignatureRequestCompleted"}`, a.hook)
}
func (a *audited) telia() string {
	return a.make("/hooks/v1/subscription", a.teliaBody(), "id") + "?eventType=SignatureRequestCompleted"
}
func (a *audited) endpointBody() string {
	return fmt.Sprintf(`{"name":"audited","url":%q,"event_types":["action.closed"]}`, a.hook)
}
func (a *audited) endpoint() string {
	return a.make("/universign/v1/webhook-endpoints", a.endpointBody(), "id")
}

// apiKey is one for all rows, as there may be five: the last one deletes it.
func (a *audited) apiKey() string {
	if a.key == "" {
		a.key = a.make("/universign/v1/api-keys", `{"name":"audited"}`, "id")
	}
	return a.key
}

// An effect is what a request to a row changes: the action that the audit log has of it,
// "" for none, and how such a request is made.
type effect struct {
	action hermod.ChangeAction
	thing  func() string // its id stands in the path; nil for none
	body   func() string // nil for none
}

func text(s string) func() string { return func() string { return s } }

// effects has a row for each route that may change anything. One that is missing fails
// the test: whoever adds a route says here what it changes.
func (a *audited) effects() map[string]effect {
	const none = hermod.ChangeAction("")
	return map[string]effect{
		"POST /auth/open/connect/token": {none, nil, func() string { return a.login("/auth/open/connect/token") }},
		"POST /identity/login":          {none, nil, func() string { return a.login("/identity/login") }},

		// Events and single deliveries stand in logs of their own.
		"POST " + base + "/events":                                {none, nil, text(`{"sender":"audited","eventName":"done","eventData":1}`)},
		"POST " + base + "/events/{id}/replay":                    {none, a.event, nil},
		"POST " + base + "/subscriptions/{subscriptionId}/mock":   {none, a.subscription, text(`{"event":"audited:done"}`)},
		"POST " + base + "/subscriptions/{subscriptionId}/check":  {none, a.subscription, nil},
		"POST " + base + "/dead-letters/{id}/redrive":             {none, a.letter, nil},
		"POST " + base + "/delivery-logs/{id}/retry":              {none, a.letter, nil},
		"POST /signly/v1/webhooks/{webhookId}/test":               {none, a.webhook, text(`{}`)},
		"POST /universign/v1/webhooks/{webhookId}/reschedule":     {none, a.sent, nil},
		"POST " + base + "/subscriptions":                         {hermod.SubscriptionCreated, nil, a.subscriptionBody},
		"PUT " + base + "/subscriptions/{subscriptionId}":         {hermod.SubscriptionUpdated, a.subscription, a.subscriptionBody},
		"PATCH " + base + "/subscriptions/{subscriptionId}":       {hermod.SubscriptionUpdated, a.subscription, a.subscriptionBody},
		"DELETE " + base + "/subscriptions/{subscriptionId}":      {hermod.SubscriptionDeleted, a.subscription, nil},
		"POST " + base + "/subscriptions/{subscriptionId}/pause":  {hermod.SubscriptionPaused, a.subscription, nil},
		"POST " + base + "/subscriptions/{subscriptionId}/resume": {hermod.SubscriptionResumed, a.paused, nil},

		"POST " + base + "/subscriptions/{subscriptionId}/secret/rotate": {hermod.SubscriptionRotated, a.subscription, nil},

		"POST " + base + "/replays":                      {hermod.ReplayStarted, nil, text(`{"after":"2026-01-01T00:00:00Z"}`)},
		"DELETE " + base + "/replays/{replayId}":         {hermod.ReplayStopped, a.replay, nil},
		"POST " + base + "/dead-letters/redrive":         {hermod.RedriveStarted, nil, text(`{}`)},
		"POST " + base + "/dead-letters/purge":           {hermod.DeadLettersPurged, nil, text(`{}`)},
		"DELETE " + base + "/dead-letters/{id}":          {hermod.DeadLetterPurged, a.letter, nil},
		"PUT " + base + "/metadata/events/{type}":        {hermod.DefinitionCreated, text("audited:put"), text(`{}`)},
		"DELETE " + base + "/metadata/events/{type}":     {hermod.DefinitionDeleted, a.eventType, nil},
		"POST " + base + "/credentials":                  {hermod.CredentialCreated, nil, text(`{"type":"client","name":"audited"}`)},
		"DELETE " + base + "/credentials/{credentialId}": {hermod.CredentialRevoked, a.credential, nil},
		"POST /signly/v1/webhooks":                       {hermod.SubscriptionCreated, nil, a.webhookBody},
		"PUT /signly/v1/webhooks/{webhookId}":            {hermod.SubscriptionUpdated, a.webhook, a.webhookBody},
		"PUT /signly/v1/webhooks/{webhookId}/status":     {hermod.SubscriptionUpdated, a.webhook, text(`{"status":"DISABLED"}`)},
		"DELETE /signly/v1/webhooks/{webhookId}":         {hermod.SubscriptionDeleted, a.webhook, nil},
		"POST /hooks/v1/subscription":                    {hermod.SubscriptionCreated, nil, a.teliaBody},
		"DELETE /hooks/v1/subscription/{subscriptionId}": {hermod.SubscriptionDeleted, a.telia, nil},
		"POST /universign/v1/webhook-endpoints":          {hermod.SubscriptionCreated, nil, a.endpointBody},
		"DELETE /universign/v1/webhook-endpoints/{id}":   {hermod.SubscriptionDeleted, a.endpoint, nil},
		"POST /universign/v1/api-keys":                   {hermod.CredentialCreated, nil, text(`{"name":"audited"}`)},
		"DELETE /universign/v1/api-keys/{keyId}":         {hermod.CredentialRevoked, a.apiKey, nil},
		"POST /universign/v1/api-keys/{keyId}":           {hermod.CredentialRenamed, a.apiKey, text(`{"name":"renamed"}`)},
		"PUT /universign/v1/api-keys/{keyId}":            {hermod.CredentialRenamed, a.apiKey, text(`{"name":"renamed"}`)},
		"PATCH /universign/v1/api-keys/{keyId}":          {hermod.CredentialRenamed, a.apiKey, text(`{"name":"renamed"}`)},
		"POST /universign/v1/webhook-endpoints/{id}":     {hermod.SubscriptionUpdated, a.endpoint, text(`{"name":"renamed"}`)},
		"PUT /universign/v1/webhook-endpoints/{id}":      {hermod.SubscriptionUpdated, a.endpoint, text(`{"name":"renamed"}`)},
		"PATCH /universign/v1/webhook-endpoints/{id}":    {hermod.SubscriptionUpdated, a.endpoint, text(`{"name":"renamed"}`)},
	}
}

func (a *audited) paused() string {
	id := a.subscription()
	a.send(http.MethodPost, base+"/subscriptions/"+id+"/pause", "")
	return id
}

// sent waits for a sent webhook of Universign's.
func (a *audited) sent() string {
	a.t.Helper()
	endpoint := a.endpoint()
	a.send(http.MethodPost, base+"/events", `{"sender":"universign","eventName":"action.closed","eventData":{"object":"action","id":"act_1"}}`)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		page, _ := a.send(http.MethodGet, "/universign/v1/webhooks?webhook_endpoint="+endpoint, "")
		if sent, ok := page["data"].([]any); ok && len(sent) > 0 {
			return sent[0].(map[string]any)["id"].(string)
		}
	}
	a.t.Fatal("no webhook was sent")
	return ""
}

// credentialKinds are the kinds of the credentials that each API is called with.
func credentialKind(path string) string {
	for prefix, kind := range map[string]string{"/signly": "signly", "/hooks": "telia", "/universign": "universign"} {
		if strings.HasPrefix(path, prefix) {
			return kind
		}
	}
	return "oauth:local"
}

func TestEveryRouteThatChangesConfigurationLeavesOneRow(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	effects := a.effects()
	for _, row := range a.node.Routes() {
		if row.Method == http.MethodGet {
			continue
		}
		a.t = t
		path := row.Path
		if row.AliasOf != "" {
			path = row.AliasOf
		}
		e, known := effects[row.Method+" "+strings.ReplaceAll(path, "{endpointId}", "{id}")]
		if !known {
			t.Errorf("%s %s has no row in effects(): say what it changes", row.Method, path)
			continue
		}
		a.wantOneRow(row, e)
	}
}

func (a *audited) wantOneRow(row api.Route, e effect) {
	a.t.Helper()
	path, body := row.Path, ""
	if e.thing != nil {
		before, rest, _ := strings.Cut(row.Path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + e.thing() + after
	}
	if e.body != nil {
		body = e.body()
	}
	_, trace := a.send(row.Method, path, body)
	rows := a.rows(trace)
	what := row.Method + " " + row.Path
	switch {
	case e.action == "" && len(rows) != 0:
		a.t.Errorf("%s changes nothing and leaves %v", what, rows)
	case e.action != "" && len(rows) != 1:
		a.t.Errorf("%s leaves %d rows, want one: %v", what, len(rows), rows)
	case e.action != "":
		actor, _ := rows[0]["actor"].(map[string]any)
		id, _ := actor["id"].(string)
		if rows[0]["action"] != string(e.action) || actor["type"] != "credential" || !strings.HasPrefix(id, credentialKind(row.Path)) {
			a.t.Errorf("%s leaves %v, want %s by a credential %s", what, rows[0], e.action, credentialKind(row.Path))
		}
	}
}
