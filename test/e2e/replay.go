package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// testReplay replays an event that has expired and matched nothing when it was
// accepted, to subscriptions that were made later.
func testReplay(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	short := event(s, "a", map[string]any{"n": 1})
	end := time.Now().Add(1500 * time.Millisecond)
	short["expiresAt"] = end.UTC().Format(time.RFC3339Nano)
	id := c.publish(short)
	matching, other := target.receive(t, nil), target.receive(t, nil)
	subscription := c.subscribe(matching, s+":*")
	narrow := c.subscribe(other, s+":never")
	replayURL := c.api(http.MethodGet, "/events/"+id, nil).want(http.StatusOK).text("replayUrl")
	target.eventually(t, func() string {
		if time.Now().Before(end) {
			return "the event has not expired"
		}
		return ""
	})

	for run := int64(1); run <= 2; run++ {
		if got := c.api(http.MethodPost, replayURL, nil).want(http.StatusAccepted); len(got.body) != 0 {
			t.Errorf("the answer to a replay: %s", got.body)
		}
		rows := c.waitForRows(subscription, int(run))
		if rows[0].number("properties.run") != run || rows[0].number("attempt") != 1 || rows[0].text("properties.trigger") != "replay" ||
			rows[0].value("success") != true || rows[0].text("event.id") != id {
			t.Errorf("row of replay %d: %s", run, rows[0].body)
		}
	}
	got := matching.wait(id)
	got[0].checkSignature(t)
	if got[0].event.text("id") != id || got[0].header.Get("Webhook-Id") != id {
		t.Errorf("delivered %s", got[0].body)
	}

	c.api(http.MethodPost, replayURL+"?subscriptionId="+narrow, nil).want(http.StatusAccepted)
	other.wait(id)
	if n := matching.ids()[id]; n != 2 {
		t.Errorf("the matching subscription got %d deliveries, want the 2 of its replays", n)
	}
	c.api(http.MethodPut, "/subscriptions/"+narrow, map[string]any{
		"type": "Webhook", "active": false, "typeConfiguration": map[string]any{"url": other.server.URL},
	}).want(http.StatusOK)
	c.api(http.MethodPost, replayURL+"?subscriptionId="+narrow, nil).want(http.StatusConflict)
	target.as(t, "other").api(http.MethodPost, replayURL, nil).want(http.StatusNotFound)
}

// testSDK does what a client of the API's own SDK does.
func testSDK(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(c.token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Account string `json:"account_id"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Account == "" {
		t.Fatalf("claims %s: %v", payload, err)
	}
	owner := "?signicat-accountId=" + url.QueryEscape(claims.Account)
	sdk := []string{"Signicat-SDK", "dotnet 9.0", "User-Agent", "Signicat-SDK dotnet 9.0"}
	subscription := c.api(http.MethodPost, "/subscriptions"+owner, map[string]any{
		"name": "SDK", "type": "Webhook", "typeConfiguration": map[string]any{"url": r.server.URL}, "eventNameFilter": []string{s + ":*"},
		"tagFilter": []string{}, "messageAuthentication": nil, "expiresAt": nil,
	}, sdk...).want(http.StatusOK).text("id")

	mocks := map[string]string{}
	for range 3 {
		mocked := c.api(http.MethodPost, "/subscriptions/"+subscription+"/mock"+owner,
			map[string]any{"event": s + ":mocked", "tags": []string{"trial"}}, sdk...).want(http.StatusOK)
		mocks[mocked.text("eventId")] = mocked.text("deliveryAttemptId")
	}
	for id, attempt := range mocks {
		target.eventually(t, func() string {
			log := c.api(http.MethodGet, "/delivery-logs/"+url.PathEscape(attempt)+owner, nil, sdk...)
			if log.status == http.StatusNotFound {
				return "the attempt has not been made"
			}
			if log.want(http.StatusOK).value("success") != true || log.text("event.id") != id || log.number("attempt") != 1 ||
				log.text("subscriptionId") != subscription || log.value("errorMessage") != nil || log.text("event.tags.0") != "mock" {
				t.Fatalf("log item %s", log.body)
			}
			return ""
		})
	}
	var listed []*answer
	target.eventually(t, func() string {
		listed = nil
		for link := "/events" + owner + "&limit=1&event=" + url.QueryEscape(s+":mocked"); link != ""; {
			page := c.api(http.MethodGet, link, nil, sdk...).want(http.StatusOK)
			for _, item := range page.list("data") {
				listed = append(listed, &answer{t: t, call: "event", body: []byte(toJSON(t, item))})
			}
			link, _ = page.value("next").(string)
		}
		if len(listed) != len(mocks) {
			return fmt.Sprintf("%d events are listed, want %d", len(listed), len(mocks))
		}
		return ""
	})
	for _, item := range listed {
		created, expires := at(t, item.text("event.timestamp")), at(t, item.text("event.expiresAt"))
		if mocks[item.text("id")] == "" || expires.Sub(created) != 30*time.Second || item.text("event.tags.1") != "trial" {
			t.Errorf("mocked event %s", item.body)
		}
		c.api(http.MethodPost, item.text("replayUrl")+owner, nil, sdk...).want(http.StatusAccepted)
	}
	c.waitForRows(subscription, 2*len(mocks))

	bad := c.api(http.MethodPost, "/subscriptions/"+subscription+"/mock"+owner, `{"event":"nonsense"}`, sdk...).want(http.StatusBadRequest)
	for _, member := range []string{"title", "code", "detail", "type", "traceId", "invalidParams.0.name", "invalidParams.0.reason"} {
		if bad.text(member) == "" {
			t.Errorf("an error without %s: %s", member, bad.body)
		}
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// replayed is how many events a filter replay of the suite has.
const replayed = 30

// testFilterReplay previews a replay, lets it run to its end, and cancels another.
func testFilterReplay(t *testing.T, target Target) {
	c, r, s := target.as(t, "local"), target.receive(t, nil), sender()
	filter := map[string]any{"after": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano), "events": []string{s + ":*"}, "preview": true}
	ids := c.api(http.MethodPost, "/events", batch(s, replayed)).want(http.StatusAccepted).idsOf()
	subscription := c.subscribe(r, s+":a") // half of them
	target.eventually(t, func() string {   // the last seconds of the log are not settled
		count := c.api(http.MethodPost, "/replays", filter).want(http.StatusOK)
		if count.number("events") != replayed || count.number("deliveries") != replayed/2 || count.value("complete") != true {
			return "the preview is " + string(count.body)
		}
		return ""
	})
	if len(r.got()) != 0 {
		t.Error("a preview delivered")
	}

	delete(filter, "preview")
	filter["rate"] = 1000
	begun := c.api(http.MethodPost, "/replays", filter).want(http.StatusAccepted)
	if begun.text("state") != "running" || begun.number("expected.deliveries") != replayed/2 || begun.number("rate") != 1000 {
		t.Errorf("a replay begins as %s", begun.body)
	}
	ended := c.waitForReplay(begun.text("url"), "done", 0)
	if ended.number("progress") != 100 || ended.number("done.events") != replayed || ended.number("done.deliveries") != replayed/2 {
		t.Errorf("a replay ends as %s", ended.body)
	}
	var wanted []string
	for i := 0; i < len(ids); i += 2 {
		wanted = append(wanted, ids[i])
	}
	r.wait(wanted...)
	for _, row := range c.waitForRows(subscription, replayed/2) {
		if row.number("properties.run") != 1 || row.number("attempt") != 1 || row.text("properties.trigger") != "replay" {
			t.Errorf("row %s", row.body)
		}
	}
	c.api(http.MethodDelete, begun.text("url"), nil).want(http.StatusConflict)
	c.cancelReplay(r, filter)
}

// cancelReplay cancels a slow replay in its course.
func (c *caller) cancelReplay(r *receiver, filter map[string]any) {
	c.t.Helper()
	filter["rate"] = 1
	link := c.api(http.MethodPost, "/replays", filter).want(http.StatusAccepted).text("url")
	before := c.waitForReplay(link, "running", 2)
	if p := before.number("progress"); p < 1 || p > 99 {
		c.t.Errorf("a replay in its course: %s", before.body)
	}
	c.api(http.MethodDelete, link, nil).want(http.StatusNoContent)
	c.api(http.MethodDelete, link, nil).want(http.StatusNoContent)
	c.target.eventually(c.t, func() string { // what was on its way arrives, and is counted
		cancelled := c.api(http.MethodGet, link, nil).want(http.StatusOK)
		done, arrived := cancelled.number("done.deliveries"), int64(len(r.got())-replayed/2)
		if cancelled.text("state") != "cancelled" || cancelled.value("endedAt") == nil || done >= replayed/2 {
			c.t.Fatalf("a cancelled replay: %s", cancelled.body)
		}
		if done != arrived {
			return fmt.Sprintf("%d deliveries are counted, %d have arrived", done, arrived)
		}
		return ""
	})
	listed := c.api(http.MethodGet, "/replays?limit=100", nil).want(http.StatusOK)
	if !strings.Contains(string(listed.body), link) {
		c.t.Errorf("the list lacks %s", link)
	}
}

// waitForReplay waits until the replay is in the state and has started so many
// deliveries.
func (c *caller) waitForReplay(link, state string, deliveries int64) (replay *answer) {
	c.t.Helper()
	c.target.eventually(c.t, func() string {
		replay = c.api(http.MethodGet, link, nil).want(http.StatusOK)
		if replay.text("state") != state || replay.number("done.deliveries") < deliveries {
			return "the replay is " + string(replay.body)
		}
		return ""
	})
	return replay
}
