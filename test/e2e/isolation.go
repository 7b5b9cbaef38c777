package e2e

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/test/openapi/contract"
	"hermod/test/routes"
)

// testIsolation tries every row of the route table as another account, with the
// ids and the cursors of this one. A new path that names a thing fails here until
// belongings has one for it.
func testIsolation(t *testing.T, target Target) {
	c, other := target.as(t, "local"), target.as(t, "other")
	ids := belongings(t, target, c)
	for _, row := range routes.Table() {
		switch {
		case contract.DialectOf(row.Path) != "": // has a test of its own
		case row.Access.IsPublic() || row.Method == http.MethodPut && row.Path == registration:
		case strings.Contains(row.Path, "{"):
			id := ids[parameterOf(cmp.Or(row.AliasOf, row.Path))]
			if id == "" {
				t.Errorf("%s has nothing in belongings(): add it", row.Path)
				continue
			}
			link := target.BaseURL + parameter.ReplaceAllLiteralString(row.Path, url.PathEscape(id))
			other.api(row.Method, link, foreignBody(row)).want(http.StatusNotFound)
			other.api(row.Method, link+"?signicat-accountId="+localAccount, foreignBody(row)).want(http.StatusForbidden)
		case row.Method == http.MethodGet:
			other.api(http.MethodGet, target.BaseURL+row.Path, nil, "Signicat-OrganizationId", localOrganization).want(http.StatusForbidden)
			first := c.api(http.MethodGet, target.BaseURL+row.Path+"?limit=1", nil).want(http.StatusOK)
			if next, more := first.value("next").(string); more {
				other.api(http.MethodGet, next, nil).want(http.StatusBadRequest)
			}
		}
	}
	c.api(http.MethodGet, "/subscriptions/"+ids["subscriptionId"], nil).want(http.StatusOK)
	// Two accounts may register one type: each has its own.
	before := c.api(http.MethodGet, "/metadata/events/"+ids["type"], nil).want(http.StatusOK)
	other.register(ids["type"], map[string]any{"description": "Of the other account."})
	if after := c.api(http.MethodGet, "/metadata/events/"+ids["type"], nil).want(http.StatusOK); string(after.body) != string(before.body) {
		t.Errorf("another account has changed %s to %s", before.body, after.body)
	}
	if kept := c.api(http.MethodGet, "/credentials/"+ids["credentialId"], nil).want(http.StatusOK); kept.value("revokedAt") != nil {
		t.Errorf("another account has revoked %s", kept.body)
	}
}

// registration is the path whose PUT makes a thing of the caller's own, whatever
// others call theirs.
const registration = "/events-management/metadata/events/{type}"

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// parameterOf names what a path's parameter is of: `id` is of events and of
// attempts.
func parameterOf(path string) string {
	name := strings.Trim(parameter.FindString(path), "{}")
	if name == "id" {
		name = strings.Split(path, "/")[2]
	}
	return name
}

// belongings are ids of things of the caller, by the parameter of the paths that
// name them; of what is listed there are two.
func belongings(t *testing.T, target Target, c *caller) map[string]string {
	t.Helper()
	r, s := target.receive(t, nil), sender()
	subscription := c.subscribe(r, s+":*")
	c.subscribe(r, s+":never")
	c.publish(event(s, "a", 1))
	ids := map[string]string{
		"subscriptionId": subscription,
		"events":         c.publish(event(s, "b", 1)),
		"delivery-logs":  c.waitForRows(subscription, 2)[0].text("id"),
		"type":           s + ":a",
		"credentialId":   c.create("apiKey", "events.publish").text("id"),
	}
	c.register(s+":a", map[string]any{"description": "Of one account alone."})
	c.create("client", "events.publish")
	gone := c.subscribe(target.receive(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGone) }), s+":gone")
	c.publish(event(s, "gone", 1))
	ids["dead-letters"] = c.waitForLetters(gone, 1).text("data.0.id")
	for range 2 {
		replay := map[string]any{"after": "2026-01-01T00:00:00Z", "events": []string{s + ":never"}}
		ids["replayId"] = c.api(http.MethodPost, "/replays", replay).want(http.StatusAccepted).text("id")
	}
	return ids
}

// foreignBody is a body that its owner could send to the row.
func foreignBody(row api.Route) any {
	path := cmp.Or(row.AliasOf, row.Path)
	switch {
	case row.Method != http.MethodPut && row.Method != http.MethodPost && row.Method != http.MethodPatch:
		return nil
	case strings.HasSuffix(path, "/mock"):
		return `{"event":"a:b"}`
	case strings.HasSuffix(path, "/secret/rotate"):
		return `{}`
	case strings.Contains(path, "/subscriptions/"):
		return `{"type":"Webhook","typeConfiguration":{"url":"https://receiver.example/"}}`
	default:
		return nil
	}
}
