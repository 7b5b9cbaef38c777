package docs_test

import (
	"strings"
	"testing"
)

// wantedCommands are some that present each kind of credential, and send each kind of
// body.
func wantedCommands() map[string]string {
	return map[string]string{
		"Get an access token": `curl "$HERMOD/auth/open/connect/token" \
  -d grant_type=client_credentials \
  -d client_id=local \
  -d client_secret=local-secret \
  -d scope=signicat-api`,
		"Delete a subscription": `curl -X DELETE "$HERMOD/events-management/subscriptions/s-a-spge-LocalAccount00000001-mIdjC" \
  -H "Authorization: Bearer $TOKEN"`,
		"List changes of the configuration": `curl "$HERMOD/events-management/audit-log?action=subscription.rotated&limit=10" \
  -H "Authorization: Bearer $TOKEN"`,
		"Get a webhook": `curl "$HERMOD/signly/v1/webhooks/wh_01J8XQAGF9E7T7N2G4G6M5J1RP" \
  -H "X-Auth-Signly: $SIGNLY_AUTH" \
  -H "X-Tenant-Signly: $SIGNLY_TENANT"`,
		"Delete a subscription to a hook": `curl -X DELETE "$HERMOD/hooks/v1/subscription/` +
			`019580f5-c2c0-7e4f-8d1d-1e6b9a3c5d7f?eventType=SignatureRequestCompleted" \
  -H "Ocp-Apim-Subscription-Key: $TELIA_KEY" \
  -H "Authorization: Bearer $TELIA_TOKEN"`,
		"Exchange a login for a token": `curl "$HERMOD/identity/login" \
  -H "Ocp-Apim-Subscription-Key: $TELIA_KEY" \
  -H 'Content-Type: application/json' \
  -d '{
  "login": "local",
  "password": "local-secret",
  "tenantid": "11111111-1111-4111-8111-111111111111"
}'`,
		"Rename an API key by PUT": `curl -X PUT "$HERMOD/universign/v1/api-keys/apk_2Fg8Yc0nYtYtQzqJ8mWcVb" \
  -u "$UNIVERSIGN_KEY:" \
  --data-urlencode 'name=Archive 2'`,
		"Read the keys that verify webhooks": `curl "$HERMOD/universign/v1/webhooks/jwks.json"`,
	}
}

func TestThePageTellsWhatEachAPIAsksFor(t *testing.T) {
	t.Parallel()
	tree, _ := page(t)
	openings, facts := map[string]string{}, map[string]string{}
	operation := ""
	for n := range tree.Descendants() {
		if api, ok := strings.CutPrefix(attribute(n, "aria-label"), "Commands to start with"); ok {
			openings[strings.TrimSpace(api)] = text(n)
		}
		if n.Data == "article" {
			operation = attribute(n, "aria-labelledby")
		}
		if attribute(n, "class") == "facts" {
			facts[operation] = text(n)
		}
	}
	for api, want := range map[string][]string{
		"":           {"export HERMOD=http://hermod.example\n", "export TOKEN=$(curl "},
		"Signly":     {"export SIGNLY_TENANT=11111111-1111-4111-8111-111111111111\n", "export SIGNLY_AUTH=sk_local"},
		"Telia Sign": {"export TELIA_KEY=local-key\nexport TELIA_TOKEN=$(curl "},
		"Universign": {"export UNIVERSIGN_KEY=apikey_local"},
	} {
		for _, line := range want {
			if !strings.Contains(openings[api], line) {
				t.Errorf("%q: %q does not hold %q", api, openings[api], line)
			}
		}
	}
	if len(openings) != 4 {
		t.Errorf("%d blocks of commands to start with", len(openings))
	}
	for operation, want := range map[string]string{
		"listSubscriptions":     "Scope signicat-api, by Authorization: Bearer.",
		"readSignlyWebhook":     "Scope signly, by X-Auth-Signly and X-Tenant-Signly.",
		"loginTelia":            "By Ocp-Apim-Subscription-Key.",
		"readTeliaSubscription": "Scope telia-sign, by Ocp-Apim-Subscription-Key and Authorization: Bearer; also served at /hooks/subscription/{subscriptionId}.",
		"listUniversignApiKeys": "Scope universign.keys, by Authorization: Basic or Authorization: Bearer.",
		"issueToken":            "Needs no credential.",
		"readUniversignKeys":    "Needs no credential.",
	} {
		if got := facts[operation]; got != want {
			t.Errorf("%s: %q, want %q", operation, got, want)
		}
	}
}

func TestFailuresOfEachAPIAreShownInItsForm(t *testing.T) {
	t.Parallel()
	tree, _ := page(t)
	headings, links := map[string]string{}, 0
	for n := range tree.Descendants() {
		if id := attribute(n, "id"); n.Data == "h3" && strings.HasPrefix(id, "problem-") {
			headings[id] = text(n)
		}
		if to, ok := strings.CutPrefix(attribute(n, "href"), "#problem-"); ok {
			links++
			if to == "" || strings.TrimSpace(text(n)) == "" {
				t.Error("a failure is shown without its status")
			}
		}
		if attribute(n, "href") == "#" {
			t.Error("a link leads nowhere")
		}
	}
	for id, want := range map[string]string{
		"problem-NotFound": "404 Not Found", "problem-SignlyNotFound": "404 Not Found, Signly",
		"problem-TeliaNotFound": "404 Not Found, Telia Sign", "problem-UniversignNotFound": "404 Not Found, Universign",
	} {
		if headings[id] != want {
			t.Errorf("%s is headed %q, want %q", id, headings[id], want)
		}
	}
	if links < 400 {
		t.Errorf("only %d links to failures", links)
	}
}
