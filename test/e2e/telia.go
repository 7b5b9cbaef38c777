package e2e

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api/telia"
	"hermod/test/openapi/contract"
	"hermod/test/routes"
)

// A teliaClient calls the API of Telia Sign as one login, with its subscription key.
type teliaClient struct {
	*caller
	key string
}

// telia logs in as a local client.
func (target Target) telia(t *testing.T, login, tenant string) *teliaClient {
	t.Helper()
	c := &teliaClient{caller: &caller{t: t, target: target}, key: login + "-key"}
	body := toJSON(t, map[string]any{"login": login, "password": login + "-secret", "tenantid": tenant})
	c.token = c.call(http.MethodPost, "/identity/login", body).want(http.StatusOK).text("token")
	return c
}

func (c *teliaClient) call(method, path, body string, header ...string) *answer {
	c.t.Helper()
	media := ""
	if body != "" {
		media = "application/json"
	}
	return c.do(method, c.target.BaseURL+path, media, body, append([]string{telia.KeyHeader, c.key}, header...)...)
}

// testTelia does what a client of that API does: it logs in, looks at the hooks,
// subscribes, receives, reads and deletes (wire facts, 9.3).
func testTelia(t *testing.T, target Target) {
	platform, c := target.as(t, "local"), target.telia(t, "local", localTenant)
	hooks := c.call(http.MethodGet, "/hooks/v1", "").want(http.StatusOK)
	if hooks.value("4") != nil || hooks.text("3.eventType") != "signaturerequestexpired" || hooks.text("0.eventType") != "signaturerequestcompleted" || hooks.text("1.payloadSchema.EventData.SignatoryId") != "guid" {
		t.Errorf("hooks %s", hooks.body)
	}
	completed, updated := target.receive(t, nil), target.receive(t, nil)
	subscribe := func(r *receiver, event string) string {
		return c.call(http.MethodPost, "/hooks/v1/subscription", toJSON(t, map[string]any{
			"Description": "End to end", "Uri": r.server.URL + "/notifications", "EventType": event,
			"Headers": map[string]string{"client-id": "an id", "client-secret": "a secret"},
		})).want(http.StatusOK).text("id")
	}
	ids := []string{subscribe(completed, "SignatureRequestCompleted"), subscribe(updated, "SignatureRequestStatusUpdated")}

	request := guid()
	platform.publish(map[string]any{
		"sender": "telia-sign", "eventName": "signaturerequestcompleted", "timestamp": "2024-05-02T09:15:30.1234567Z",
		"eventData": map[string]any{"SignatureRequestId": request, "CreatorId": localTenant, "SignerName": "Ann"},
	})
	const zero = "00000000-0000-0000-0000-000000000000"
	for event, r := range map[string]*receiver{"SignatureRequestCompleted": completed, "SignatureRequestStatusUpdated": updated} {
		r.waitFor("EventData.SignatureRequestId", request)
		want := `{"EventType":"` + event + `","Timestamp":"2024-05-02T09:15:30.1234567+00:00","EventData":{"SignatureRequestId":"` + request +
			`","TenantId":"` + localTenant + `","DepartmentId":"` + zero + `","CreatorId":"` + localTenant + `"}}`
		for _, d := range r.got() {
			if !strings.Contains(string(d.body), request) {
				continue // another test's
			}
			if string(d.body) != want || d.header.Get("client-id") != "an id" || d.header.Get("client-secret") != "a secret" ||
				d.header.Get("Content-Type") != "application/json" {
				t.Errorf("delivered %s with %v\nwant %s", d.body, d.header, want)
			}
		}
	}
	list := c.call(http.MethodGet, "/hooks/v1/subscription/", "").want(http.StatusOK)
	if text := string(list.body); !strings.Contains(text, ids[0]) || !strings.Contains(text, ids[1]) || strings.Contains(text, "a secret") {
		t.Errorf("listed %s", text)
	}
	one := "/hooks/v1/subscription/" + ids[0]
	for _, query := range []string{"?eventType=signaturerequestcompleted", "?eventtype=SignatureRequestCompleted", "?eventtype=signaturerequestcompleted?eventtype=x"} {
		got := c.call(http.MethodGet, one+query, "").want(http.StatusOK)
		if got.text("id") != ids[0] || got.text("eventType") != "signaturerequestcompleted" || got.text("uri") != completed.server.URL+"/notifications" || got.text("description") != "End to end" {
			t.Errorf("read %s", got.body)
		}
	}
	if gone := c.call(http.MethodDelete, one+"?eventType=signaturerequestCompleted", "").want(http.StatusAccepted); len(gone.body) != 0 {
		t.Errorf("deleted with %s", gone.body)
	}
	c.call(http.MethodGet, one+"?eventType=signaturerequestcompleted", "").want(http.StatusNotFound)
	c.call(http.MethodDelete, "/hooks/subscription/"+ids[1]+"?eventType=signaturerequeststatusupdated", "").want(http.StatusAccepted)
}

// testTeliaRetries has a receiver fail twice: the same bytes come again.
func testTeliaRetries(t *testing.T, target Target) {
	platform, c, request := target.as(t, "local"), target.telia(t, "local", localTenant), guid()
	r := target.receive(t, nil)
	var failed int
	r.respond = func(n int, w http.ResponseWriter) {
		if d := r.got()[n-1]; bytes.Contains(d.body, []byte(request)) && failed < 2 {
			failed++
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	id := c.call(http.MethodPost, "/hooks/v1/subscription", toJSON(t, map[string]any{"Uri": r.server.URL, "EventType": "signatorySIGNED"})).want(http.StatusOK).text("id")
	platform.publish(event("telia-sign", "signatorysigned", map[string]any{"SignatureRequestId": request, "SignatoryId": request}))
	var mine [][]byte
	target.eventually(t, func() string {
		mine = nil
		for _, d := range r.got() {
			if bytes.Contains(d.body, []byte(request)) {
				mine = append(mine, d.body)
			}
		}
		if len(mine) < 3 {
			return "three attempts have not come"
		}
		return ""
	})
	if !bytes.Equal(mine[0], mine[1]) || !bytes.Equal(mine[0], mine[2]) || !bytes.Contains(mine[0], []byte(`"EventType":"SignatorySigned"`)) {
		t.Errorf("attempts\n%s\n%s\n%s", mine[0], mine[1], mine[2])
	}
	c.call(http.MethodDelete, "/hooks/v1/subscription/"+id+"?eventType=signatorysigned", "").want(http.StatusAccepted)
}

// testTeliaOnce publishes a request's status event beside its completion, by other ways
// in: it is told once.
func testTeliaOnce(t *testing.T, target Target) {
	platform, c, request := target.as(t, "local"), target.telia(t, "local", localTenant), guid()
	r := target.receive(t, nil)
	id := c.call(http.MethodPost, "/hooks/v1/subscription", toJSON(t, map[string]any{"Uri": r.server.URL, "EventType": "signaturerequeststatusupdated"})).want(http.StatusOK).text("id")
	data := map[string]any{"SignatureRequestId": request}
	completion, own := event("telia-sign", "signaturerequestcompleted", data), event("telia-sign", "signaturerequeststatusupdated", data)
	platform.publish(completion)
	first := platform.publish(own)
	if again := platform.publish(completion); again == first {
		t.Error("the completion is answered as the status event")
	}
	completion["accountId"] = localAccount
	if err := target.SendIngest(t.Context(), []byte(toJSON(t, completion))); err != nil {
		t.Fatal(err)
	}
	r.waitFor("EventData.SignatureRequestId", request)
	find := func(name string) (ids []string) {
		list := platform.api(http.MethodGet, "/events?event=telia-sign:"+name+"&limit=100", nil).want(http.StatusOK)
		for _, item := range list.list("data") {
			if dig(item, "event.eventData.SignatureRequestId") == request {
				ids = append(ids, dig(item, "event.id").(string))
			}
		}
		return ids
	}
	target.eventually(t, func() string { // both completions that were sent twice, and the queue's
		if n := len(find("signaturerequestcompleted")); n != 3 {
			return "not all completions are there"
		}
		return ""
	})
	if ids := find("signaturerequeststatusupdated"); !slices.Equal(ids, []string{first}) {
		t.Errorf("status events %v, the publisher's own was answered as %s", ids, first)
	}
	c.call(http.MethodDelete, "/hooks/v1/subscription/"+id+"?eventType=signaturerequeststatusupdated", "").want(http.StatusAccepted)
}

// testTeliaOnceUnderWay has the publisher tell it while the first attempt waits for its
// answer.
func testTeliaOnceUnderWay(t *testing.T, target Target) {
	platform, c := target.as(t, "local"), target.telia(t, "local", localTenant)
	r, answer := target.receiveHeld(t)
	id := c.call(http.MethodPost, "/hooks/v1/subscription", toJSON(t, map[string]any{"Uri": r.server.URL, "EventType": "signaturerequeststatusupdated"})).want(http.StatusOK).text("id")
	tell := func(name, request string) {
		platform.publish(event("telia-sign", name, map[string]any{"SignatureRequestId": request}))
	}
	request, last := guid(), guid()
	tell("signaturerequestcompleted", request)
	r.waitFor("EventData.SignatureRequestId", request)
	tell("signaturerequeststatusupdated", request)
	tell("signaturerequeststatusupdated", last)
	r.waitFor("EventData.SignatureRequestId", last)
	answer()
	told := 0
	for _, d := range r.got() {
		if d.event.value("EventData.SignatureRequestId") == request {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the status was told %d times", told)
	}
	c.call(http.MethodDelete, "/hooks/v1/subscription/"+id+"?eventType=signaturerequeststatusupdated", "").want(http.StatusAccepted)
}

// testTeliaIsolation tries every row of that API without its credentials, and as another
// tenant.
func testTeliaIsolation(t *testing.T, target Target, stranger string) {
	c, other := target.telia(t, "local", localTenant), target.telia(t, stranger, tenants()[stranger])
	subscription := toJSON(t, map[string]any{"Uri": target.receive(t, nil).server.URL, "EventType": "signaturerequestexpired"})
	id := c.call(http.MethodPost, "/hooks/v1/subscription", subscription).want(http.StatusOK).text("id")
	for _, row := range routes.Table() {
		if contract.DialectOf(row.Path) != "Telia" || row.Access.IsPublic() {
			continue
		}
		body := ""
		if row.Method == http.MethodPost {
			body = subscription
		}
		path := strings.Replace(row.Path, "{subscriptionId}", id, 1) + "?eventType=signaturerequestexpired"
		c.call(row.Method, path, body, telia.KeyHeader, other.key).want(http.StatusUnauthorized)
		c.call(row.Method, path, body, "Authorization", "Bearer "+target.as(t, "local").token).want(http.StatusUnauthorized)
		c.call(row.Method, path, body, "Authorization", "Bearer x").want(http.StatusUnauthorized)
		switch {
		case strings.Contains(row.Path, "{"):
			other.call(row.Method, path, body).want(http.StatusNotFound)
		case row.Method == http.MethodGet:
			if got := other.call(row.Method, path, body).want(http.StatusOK); strings.Contains(string(got.body), id) {
				t.Errorf("%s shows another tenant's: %s", row.Path, got.body)
			}
		}
	}
	// A session is no token of the native API.
	c.do(http.MethodGet, target.BaseURL+"/events-management/events", "", "").want(http.StatusUnauthorized)
	c.call(http.MethodDelete, "/hooks/v1/subscription/"+id+"?eventType=signaturerequestexpired", "").want(http.StatusAccepted)
}
