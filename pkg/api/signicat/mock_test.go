package signicat_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
)

func TestAMockGoesToItsSubscriptionAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.subscribe(t, "local", `,"eventNameFilter":["other:*"]`)
	w.subscribe(t, "local", "")
	w.do(t, "local", http.MethodPut, signicat.Base+"/subscriptions/"+sub,
		`{"active":false,"type":"Webhook","typeConfiguration":{"url":"https://receiver.example/hook"}}`).json(t, http.StatusOK)
	published := catalog.Native()[0]
	for _, alias := range []string{"mock", "mock-event", "mockevent", "test"} {
		answer := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions/"+sub+"/"+alias,
			`{"event":"`+published.Event()+`","tags":["a","b"]}`).json(t, http.StatusOK)
		id := fmt.Sprint(answer["eventId"])
		if want := sub + "-" + id + "-0-1"; answer["deliveryAttemptId"] != want || len(answer) != 2 {
			t.Errorf("%s answers %v", alias, answer)
		}
		wantStatus(t, "the attempt, before it is made",
			w.do(t, "local", http.MethodGet, signicat.Base+"/delivery-logs/"+fmt.Sprint(answer["deliveryAttemptId"]), ""), http.StatusNotFound)
		sent := w.sent(t)
		wantReceivers(t, alias, sent, sub)
		if m := sent[0]; m.EventID.String() != id || m.Run != 0 || m.Trigger != hermod.TriggerMock {
			t.Errorf("%s sent %+v", alias, m)
		}
		item := w.do(t, "local", http.MethodGet, signicat.Base+"/events/"+id, "").json(t, http.StatusOK)["event"].(map[string]any)
		if fmt.Sprint(item["tags"]) != "[mock a b]" || item["expiresAt"] != "2026-03-01T12:00:30Z" || item["organizationId"] != nil ||
			item["accountId"] != local || item["sender"] != published.Sender || item["eventName"] != published.Name {
			t.Errorf("%s made %v", alias, item)
		}
	}
	listed := w.do(t, "local", http.MethodGet, signicat.Base+"/events?event="+published.Sender+":*", "").json(t, http.StatusOK)
	if n := len(listed["data"].([]any)); n != 4 {
		t.Errorf("%d mocked events are listed, want 4", n)
	}
}

func TestAMockForAnOrganizationNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions?signicat-organizationId="+organization, webhook("")).
		json(t, http.StatusOK)["id"].(string)
	answer := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions/"+sub+"/mock", `{"event":"a:b"}`).json(t, http.StatusOK)
	path := signicat.Base + "/events/" + fmt.Sprint(answer["eventId"])
	item := w.do(t, "local", http.MethodGet, path+"?signicat-organizationId="+organization, "").json(t, http.StatusOK)["event"].(map[string]any)
	if item["accountId"] != local || item["organizationId"] != organization {
		t.Errorf("made %v", item)
	}
	wantReceivers(t, "the mock", w.sent(t), sub)
}

func TestAMockHasTheSampleOfItsType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.subscribe(t, "local", "")
	own, plain, published := "own:example", "own:plain", catalog.Native()[1]
	for _, d := range []hermod.Definition{
		{Account: local, Type: own, Example: []byte(`{"mine":1}`), Schema: []byte(`{"type":"string"}`), Validation: hermod.ValidateEnforce},
		{Account: local, Type: plain},
		{Account: other, Type: published.Event(), Example: []byte(`{"theirs":1}`)},
	} {
		if err := w.DB.PutDefinition(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
	}
	for event, want := range map[string]string{
		own: `{"mine":1}`, plain: `{"mock":true}`, "never:heard.of": `{"mock":true}`, published.Event(): string(published.Example),
	} {
		answer := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions/"+sub+"/mock", `{"event":"`+event+`","tags":null}`).json(t, http.StatusOK)
		item := w.do(t, "local", http.MethodGet, signicat.Base+"/events/"+fmt.Sprint(answer["eventId"]), "")
		if !strings.Contains(string(item.body), `"eventData":`+want+`,`) || !strings.Contains(string(item.body), `"tags":["mock"]`) {
			t.Errorf("%s: %s, want %s", event, item.body, want)
		}
	}
}

func TestABadMockIsNamedMemberByMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := signicat.Base + "/subscriptions/" + w.subscribe(t, "local", "") + "/mock"
	for body, want := range map[string][]string{
		`{}`:                          {"event"},
		`{"event":""}`:                {"event"},
		`{"event":"a"}`:               {"event"},
		`{"event":"a:b:c"}`:           {"event"},
		`{"event":"a:*"}`:             {"event"},
		`{"event":7,"tags":"x"}`:      {"tags", "event"},
		`{"event":"a:b","tags":[""]}`: {"tags[0]"},
		`{"event":"a:b","tags":["x"` + strings.Repeat(`,"x"`, 49) + `]}`: {"tags"},
	} {
		if got := w.do(t, "local", http.MethodPost, path, body).wrong(t); !slices.Equal(got, want) {
			t.Errorf("%s names %v, want %v", body, got, want)
		}
	}
	wantStatus(t, "a form", w.do(t, "local", http.MethodPost, path, `{"event":"a:b"}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	wantReceivers(t, "nothing", w.sent(t))
}

func TestAReplayedMockReachesNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub, production := w.subscribe(t, "local", ""), w.subscribe(t, "local", "")
	answer := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions/"+sub+"/mock", `{"event":"a:b"}`).json(t, http.StatusOK)
	wantReceivers(t, "the mock", w.sent(t), sub)
	path := signicat.Base + "/events/" + fmt.Sprint(answer["eventId"]) + "/replay"
	for query, want := range map[string]int{
		"": http.StatusAccepted, "?subscriptionId=" + sub: http.StatusAccepted, "?subscriptionId=" + production: http.StatusConflict,
	} {
		wantStatus(t, "a replay"+query, w.do(t, "local", http.MethodPost, path+query, ""), want)
	}
	wantReceivers(t, "the replays", w.sent(t), sub, sub)
	w.publish(t, "local", `,"tags":["mock"]`) // a tag makes no mock
	w.advance(time.Second)
	for _, tags := range []string{"[]", `["mock"]`} {
		count := w.do(t, "local", http.MethodPost, signicat.Base+"/replays", `{"after":"2026-02-01T00:00:00Z","preview":true,"tags":`+tags+`}`)
		if got := strings.TrimSpace(string(count.body)); got != `{"events":1,"deliveries":2,"complete":true}` {
			t.Errorf("tags %s select %s", tags, got)
		}
	}
}
