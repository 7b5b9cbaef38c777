package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// tagged restricts a subscription to the events of one test, since published types are
// everybody's.
func tagged(tag string, members ...string) func(map[string]any) {
	return func(body map[string]any) {
		body["tagFilter"] = []string{tag}
		for _, member := range members {
			body[member] = true
		}
	}
}

// testTranslation publishes in the form of one API and receives in that of another. The
// events are another account's than those of the tests of the other APIs.
func testTranslation(t *testing.T, target Target) {
	c, r, tag := target.as(t, "other"), target.receive(t, nil), sender()
	plain := target.receive(t, nil)
	subscription := c.subscribe(r, "signature-api:order.completed", tagged(tag, "translate"))
	c.subscribe(plain, "signature-api:order.completed", tagged(tag))
	completed := func(data map[string]any) map[string]any {
		e := event("universign", "transaction.lifecycle.completed", data)
		e["tags"] = []string{tag}
		return e
	}
	id := c.publish(completed(map[string]any{
		"object": "transaction", "id": "tx_1", "state": "completed", "name": "Loan", "completed_at": "2026-03-02T09:15:30Z",
	}))
	got := r.wait(id)[0]
	got.checkSignature(t)
	if got.event.text("sender") != "signature-api" || got.event.text("eventName") != "order.completed" || got.event.text("tags.0") != tag ||
		got.event.text("accountId") != otherAccount || toJSON(t, got.event.value("eventData")) != `{"completedAt":"2026-03-02T09:15:30Z","orderId":"tx_1"}` {
		t.Errorf("delivered %s", got.body)
	}
	if stored := c.api(http.MethodGet, "/events/"+id, nil).want(http.StatusOK); stored.text("event.sender") != "universign" || stored.text("event.eventData.name") != "Loan" {
		t.Errorf("the log has %s", stored.body)
	}

	lacking := c.publish(completed(map[string]any{"object": "transaction", "state": "completed"}))
	row := c.waitForRows(subscription, 2)[0]
	if row.text("event.id") != lacking || row.value("success") != false || row.text("properties.state") != "dropped" ||
		row.text("properties.reason") != "no_equivalent" || row.text("errorMessage") == "" {
		t.Errorf("log item %s", row.body)
	}
	last := c.publish(func() map[string]any {
		e := event("signature-api", "order.completed", map[string]any{"orderId": "ord-1"})
		e["tags"] = []string{tag}
		return e
	}())
	r.wait(last)
	plain.wait(last)
	if n, m := len(r.got()), len(plain.got()); n != 2 || m != 1 {
		t.Errorf("%d deliveries to who translates, want 2; %d to who does not, want 1", n, m)
	}

	mocked := c.api(http.MethodPost, "/subscriptions/"+subscription+"/mock", map[string]any{"event": "universign:transaction.lifecycle.completed"}).
		want(http.StatusOK).text("eventId")
	r.wait(mocked)
	for _, d := range r.got() {
		if d.event.text("id") == mocked && d.event.text("sender") != "universign" {
			t.Errorf("a mock was translated: %s", d.body)
		}
	}
	facts := c.api(http.MethodGet, "/metadata/equivalents?type=signature-api:order.completed", nil).want(http.StatusOK)
	if len(facts.list("data")) != 1 || len(facts.list("data.0.types")) != 4 || facts.text("data.0.types.3.event") != "signly:PROCESS_COMPLETED" {
		t.Errorf("equivalents %s", facts.body)
	}
}

// The local account's credentials for the other APIs.
const (
	localTenant    = "11111111-1111-4111-8111-111111111111"
	teliaKey       = "local-key"
	universignUser = "apikey_local"
)

// testFourFormats publishes one event that has what each API needs, and receives it in
// the form of each.
func testFourFormats(t *testing.T, target Target) {
	c, tag, anonymous := target.as(t, "local"), sender(), &caller{t: t, target: target}
	native, universign, telia, signly := target.receive(t, nil), target.receive(t, nil), target.receive(t, nil), target.receive(t, nil)
	c.subscribe(native, "signature-api:order.completed", tagged(tag, "translate"))
	endpoint := anonymous.do(http.MethodPost, target.BaseURL+"/universign/v1/webhook-endpoints", "application/json", toJSON(t, map[string]any{
		"name": "Translated", "url": universign.server.URL, "event_types": []string{"transaction.lifecycle.completed"}, "translate": true,
	}), "Authorization", "Bearer "+universignUser).want(http.StatusOK)
	token := anonymous.do(http.MethodPost, target.BaseURL+"/identity/login", "application/json", toJSON(t, map[string]any{
		"login": "local", "password": "local-secret", "tenantid": localTenant,
	}), "Ocp-Apim-Subscription-Key", teliaKey).want(http.StatusOK).text("token")
	hook := anonymous.do(http.MethodPost, target.BaseURL+"/hooks/v1/subscription", "application/json", toJSON(t, map[string]any{
		"Description": "Translated", "Uri": telia.server.URL, "EventType": "SignatureRequestCompleted", "Translate": true,
	}), "Ocp-Apim-Subscription-Key", teliaKey, "Authorization", "Bearer "+token).want(http.StatusOK)
	partner := []string{"X-Tenant-Signly", localTenant, "X-Auth-Signly", "sk_local"}
	webhook := anonymous.do(http.MethodPost, target.BaseURL+"/signly/v1/webhooks", "application/json", toJSON(t, map[string]any{
		"url": signly.server.URL, "events": []string{"PROCESS_COMPLETED"}, "translate": true,
	}), partner...).want(http.StatusCreated)

	transaction, request, process := "tx_"+tag, guid(), guid()
	data := map[string]any{
		"orderId": transaction, "SignatureRequestId": request, "completedAt": "2026-03-02T09:15:30Z",
		"documentId": request, "participantId": guid(), "processId": process,
	}
	id := c.publish(map[string]any{
		"sender": "signature-api", "eventName": "order.completed", "eventData": data, "tags": []string{tag}, "timestamp": "2026-03-02T09:15:31Z",
	})
	if got := native.wait(id)[0]; toJSON(t, got.event.value("eventData")) != toJSON(t, data) {
		t.Errorf("the native form is %s", got.body)
	}
	got := universign.waitFor("payload.object.id", transaction)
	if got.text("type") != "transaction.lifecycle.completed" || got.text("payload.object.object") != "transaction" ||
		got.text("payload.object.state") != "completed" || got.text("payload.object.completed_at") != "2026-03-02T09:15:30Z" || got.text("object") != "event" {
		t.Errorf("Universign's form is %s", got.body)
	}
	got = telia.waitFor("EventData.SignatureRequestId", request)
	if got.text("EventType") != "SignatureRequestCompleted" || got.text("EventData.TenantId") != localTenant {
		t.Errorf("Telia Sign's form is %s", got.body)
	}
	got = signly.waitFor("data.processId", process)
	if got.text("type") != "PROCESS_COMPLETED" || got.text("documentId") != request || got.text("participantId") != data["participantId"] ||
		got.number("attempt") != 1 || got.text("tenantId") != localTenant || got.text("data.status") != "COMPLETED" ||
		got.text("data.completedAt") != "2026-03-02T09:15:30Z" || got.text("occurredAt") != "2026-03-02T09:15:31Z" {
		t.Errorf("Signly's form is %s", got.body)
	}
	anonymous.do(http.MethodDelete, target.BaseURL+"/signly/v1/webhooks/"+webhook.text("data.webhookId"), "", "", partner...).want(http.StatusOK)
	anonymous.do(http.MethodDelete, target.BaseURL+"/universign/v1/webhook-endpoints/"+endpoint.text("id"), "", "",
		"Authorization", "Bearer "+universignUser).want(http.StatusNoContent)
	anonymous.do(http.MethodDelete, target.BaseURL+"/hooks/v1/subscription/"+hook.text("id")+"?eventType=signaturerequestcompleted", "", "",
		"Ocp-Apim-Subscription-Key", teliaKey, "Authorization", "Bearer "+token).want(http.StatusAccepted)
}

// waitFor waits for a delivery whose member at the path has the value. Others come, too:
// a type is everybody's.
func (r *receiver) waitFor(path, value string) (found *answer) {
	r.t.Helper()
	r.target.eventually(r.t, func() string {
		for _, d := range r.got() {
			if len(d.body) > 0 && d.event.value(path) == value {
				found = d.event
				return ""
			}
		}
		return "no delivery has " + path + " " + value
	})
	return found
}

// guid makes an id in the form of Telia Sign's and Signly's.
func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails, says its package
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}
