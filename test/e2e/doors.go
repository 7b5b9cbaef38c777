package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// testBounds asks each API for more than any takes. caller.do holds the form of the
// answers against the description.
func testBounds(t *testing.T, target Target) {
	anyone := &caller{t: t, target: target}
	for _, path := range []string{"/events-management/events", "/signly/v1/webhooks", "/hooks/v1", "/universign/v1/events"} {
		link := target.BaseURL + path
		anyone.do(http.MethodGet, link+"?a="+strings.Repeat("x", api.MaxURLBytes), "", "").want(http.StatusRequestURITooLong)
		anyone.do(http.MethodGet, link+"?"+strings.Repeat("a&", api.MaxParameters), "", "").want(http.StatusBadRequest)
		anyone.do(http.MethodGet, link, "", "", "X-Large", strings.Repeat("v", api.MaxHeaderBytes)).want(http.StatusRequestHeaderFieldsTooLarge)
		anyone.do(http.MethodGet, link, "", "", hermod.LoopHeader, hermod.LoopID).want(http.StatusLoopDetected)
	}
	for _, levels := range []int{hermod.MaxNesting + 1, 30_000} { // some read 64 KB at most
		deep := `{"sender":"s","eventName":"n","eventData":1,"unknown":` + strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) + `}`
		for _, path := range []string{"/events", "/subscriptions", "/replays", "/credentials"} {
			target.as(t, "local").api(http.MethodPost, path, deep).want(http.StatusBadRequest)
		}
		target.telia(t, "local", localTenant).call(http.MethodPost, "/hooks/v1/subscription", deep).want(http.StatusBadRequest)
		signly := target.signly(t, "local")
		signly.do(http.MethodPost, target.BaseURL+"/signly/v1/webhooks", "application/json", deep,
			"X-Tenant-Signly", signly.tenant, "X-Auth-Signly", signly.credential).want(http.StatusBadRequest)
	}
	target.as(t, "local").api(http.MethodPost, "/events", strings.Repeat(" ", hermod.MaxRequestBytes+1)).want(http.StatusRequestEntityTooLarge)
}

// testHostileTargets tries to make each API's subscriptions reach inside.
func testHostileTargets(t *testing.T, target Target) {
	for _, url := range []string{
		"https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://0x7f000001/",
		"https://127.1/", "https://[64:ff9b::a00:1]/", "file:///etc/passwd", "https://user:pw@receiver.example/", `https://receiver.example\@10.0.0.1/`,
	} {
		if got := target.subscribeEach(t, url, map[string]string{}); got != "native 400, signly 400, telia 400, universign 400" {
			t.Errorf("%s: %s", url, got)
		}
	}
	for name, value := range map[string]string{
		"hOsT": "evil.example", "Content-length": "1", "TRANSFER-ENCODING": "chunked", "webhook-Signature": "v1,x", "cdn-loop": "", "Proxy-Authorization": "x",
		"X-Amz-Date": "x", "X-A": "a\r\nHost: evil.example", "X A": "v",
	} {
		if got := target.subscribeEach(t, "https://receiver.example/", map[string]string{name: value}); !strings.HasPrefix(got, "native 400, signly 400, telia 400,") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// subscribeEach subscribes in each API, and says how each has answered. Universign has
// no headers of the subscriber's.
func (target Target) subscribeEach(t *testing.T, url string, headers map[string]string) string {
	t.Helper()
	native := target.as(t, "local").api(http.MethodPost, "/subscriptions", map[string]any{
		"name": "Hostile", "type": "Webhook", "eventNameFilter": []string{"a:b"}, "typeConfiguration": map[string]any{"url": url, "headers": headers},
	})
	signly := target.signly(t, "local").call(http.MethodPost, "/webhooks", map[string]any{"url": url, "events": []string{"PROCESS_COMPLETED"}, "customHeaders": headers})
	telia := target.telia(t, "local", localTenant).call(http.MethodPost, "/hooks/v1/subscription", toJSON(t, map[string]any{
		"Description": "Hostile", "Uri": url, "EventType": "SignatureRequestCompleted", "Headers": headers,
	}))
	said := fmt.Sprintf("native %d, signly %d, telia %d", native.status, signly.status, telia.status)
	if len(headers) > 0 {
		return said + ","
	}
	universign := target.universign(t, universignUser).call(http.MethodPost, "/webhook-endpoints", "name", "Hostile", "url", url, "event_types", `["action.closed"]`)
	return said + fmt.Sprintf(", universign %d", universign.status)
}

// testLoop subscribes Hermod to itself, with a key that may publish.
func testLoop(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	key := c.create("apiKey", "events.publish").text("apiKey")
	subscription := c.api(http.MethodPost, "/subscriptions", map[string]any{
		"name": "Ouroboros", "type": "Webhook", "eventNameFilter": []string{s + ":*"}, "typeConfiguration": map[string]any{
			"url": target.BaseURL + "/events-management/events", "headers": map[string]string{"Authorization": "Bearer " + key},
		},
	}).want(http.StatusOK).text("id")
	c.publish(event(s, "a", 1))
	row := c.waitForRows(subscription, 1)[0]
	if row.number("properties.statusCode") != http.StatusLoopDetected {
		t.Errorf("the attempt says %s", row.body)
	}
	if all := c.api(http.MethodGet, "/events?event="+s+":*", nil).want(http.StatusOK).list("data"); len(all) != 1 {
		t.Errorf("%d events were made of one", len(all))
	}
	c.api(http.MethodDelete, "/subscriptions/"+subscription, nil)
}
