package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// inFormat asks for a format of deliveries.
func inFormat(name string) func(map[string]any) {
	return func(body map[string]any) { body["outputFormat"] = name }
}

// testCloudEventDeliveries delivers CloudEvents in both modes, and publishes the structured one
// again as it came.
func testCloudEventDeliveries(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	structured, binary := target.receive(t, nil), target.receive(t, nil)
	of := c.subscribe(structured, s+":*", inFormat("CloudEventsStructured"))
	c.subscribe(binary, s+":*", inFormat("CloudEventsBinary"))
	if shown := c.api(http.MethodGet, "/subscriptions/"+of, nil).want(http.StatusOK); shown.text("outputFormat") != "CloudEventsStructured" {
		t.Errorf("shown as %s", shown.body)
	}
	published := event(s, "a", map[string]any{"id": "of the data", "text": "æ<&>"})
	published["tags"], published["timestamp"] = []string{"one", "two"}, "2026-03-01T12:00:00.1234567Z"
	id := c.publish(published)

	whole := structured.wait(id)[0]
	whole.checkSignature(t)
	if whole.header.Get("Content-Type") != "application/cloudevents+json" || whole.event.text("type") != s+":a" || whole.event.text("source") != "/"+s ||
		whole.event.text("accountid") != localAccount || whole.event.text("tags") != "one,two" || whole.event.text("data.text") != "æ<&>" {
		t.Errorf("structured: %v with %s", whole.header, whole.body)
	}
	data := binary.wait("of the data")[0]
	data.checkSignature(t)
	want := map[string]string{
		"ce-id": id, "ce-type": s + ":a", "ce-source": "/" + s, "ce-specversion": "1.0", "ce-time": whole.event.text("time"), "ce-accountid": localAccount,
		"ce-tags": "one,two", "Content-Type": "application/json",
	}
	for name, value := range want {
		if got := data.header.Get(name); got != value {
			t.Errorf("binary: %s is %q, want %q", name, got, value)
		}
	}
	if data.event.text("text") != "æ<&>" || data.event.value("data") != nil {
		t.Errorf("binary: %s", data.body)
	}
	again := c.do(http.MethodPost, target.BaseURL+"/events-management/events", "application/cloudevents+json", string(whole.body)).want(http.StatusAccepted).text("data.0.id")
	got := c.api(http.MethodGet, "/events/"+again, nil).want(http.StatusOK)
	if again == id || got.text("event.sender") != s || got.text("event.eventName") != "a" || fmt.Sprint(got.value("event.tags")) != "[one two]" ||
		got.text("event.timestamp") != whole.event.text("time") || got.text("event.eventData.text") != "æ<&>" {
		t.Errorf("published again: %s", got.body)
	}
}
