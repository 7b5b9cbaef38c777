package signicat_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

const lettersPath = signicat.Base + "/dead-letters"

func (w *world) deadLetters(p parts, cursors api.Cursors) *signicat.DeadLetters {
	return &signicat.DeadLetters{
		Store: p.logs, Letters: &replay.Letters{Store: p.replays, Now: w.Now}, Cursors: cursors, Now: w.Now,
		Redriver: &replay.Starter{Deliveries: p.replays, Queue: p.replays, Now: w.Now},
		Planner:  &replay.Planner{Store: p.replays, IDs: w.IDs, Now: w.Now},
	}
}

// died makes a row one that ends its delivery dead.
func died(reason hermod.Reason) func(*hermod.Attempt) {
	return func(a *hermod.Attempt) {
		a.Number, a.State, a.Reason, a.StatusCode = 10, hermod.Dead, reason, http.StatusServiceUnavailable
		a.ErrorClass, a.ErrorMessage, a.Response = "http_5xx", "the endpoint answered 503", "busy"
	}
}

// letter makes a dead letter of the local account, of a fresh subscription and event of
// the type, a second after the one before.
func (w *world) letter(t *testing.T, event string, reason hermod.Reason) (id, subscription string) {
	t.Helper()
	sender, name, _ := strings.Cut(event, ":")
	e := w.do(t, "local", http.MethodPost, signicat.Base+"/events", fmt.Sprintf(`{"sender":%q,"eventName":%q,"eventData":{"a":1}}`, sender, name)).
		json(t, http.StatusAccepted)["data"].([]any)[0].(map[string]any)["id"].(string)
	subscription = w.subscribe(t, "local", "")
	id = w.attempt(t, e, subscription, died(reason))
	w.advance(time.Second)
	return id, subscription
}

// listed are the ids of the client's dead letters.
func (w *world) listed(t *testing.T, client, query string) (ids []string) {
	t.Helper()
	ids = []string{}
	for link := lettersPath + query; link != ""; {
		a := w.do(t, client, http.MethodGet, link, "").json(t, http.StatusOK)
		for _, item := range a["data"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, _ := a["next"].(string)
		link = strings.TrimPrefix(next, "http://host")
	}
	return ids
}

func wantListed(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s lists %v, want %v", what, got, want)
	}
}

func TestDeadLettersAreListedTheLastOnesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, sub := w.letter(t, "sign:done", hermod.ReasonExhausted)
	b, _ := w.letter(t, "sign:begun", hermod.ReasonGone)
	c, _ := w.letter(t, "order:done", hermod.ReasonExhausted)
	w.attempt(t, w.publish(t, "local", ""), sub, asItIs)
	seconds := func(n int) string {
		return url.QueryEscape(start.Add(time.Duration(n) * time.Second).Format(time.RFC3339Nano))
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"", []string{c, b, a}},
		{"?limit=1", []string{c, b, a}},
		{"?limit=2", []string{c, b, a}},
		{"?subscriptionId=" + sub, []string{a}},
		{"?REASON=exhausted", []string{c, a}},
		{"?reason=exhausted&limit=1", []string{c, a}},
		{"?reason=too_large", nil},
		{"?event=sign:done", []string{a}},
		{"?event=sign:*&limit=1", []string{b, a}},
		{"?event=*", []string{c, b, a}},
		{"?event=sign:*&reason=gone", []string{b}},
		{"?after=" + seconds(0), []string{c, b}},
		{"?before=" + seconds(2), []string{b, a}},
		{"?before=" + seconds(2) + "&after=" + seconds(0) + "&limit=1", []string{b}},
		{"?signicat-organizationId=" + organization, nil},
	} {
		wantListed(t, tt.query, w.listed(t, "local", tt.query), tt.want...)
	}
	wantListed(t, "another account", w.listed(t, "other", ""))
}

// The answers, member by member. $ stands for the ids.
func TestADeadLetterReadsAsItIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, sub := w.letter(t, "sign:done", hermod.ReasonExhausted)
	key, err := hermod.ParseAttemptKey(id)
	if err != nil {
		t.Fatal(err)
	}
	const base = "http://host/events-management"
	want := strings.NewReplacer("$id", id, "$event", key.EventID.String(), "$sub", sub).Replace(`{"id":"$id","url":"` + base + `/dead-letters/$id",` +
		`"redriveUrl":"` + base + `/dead-letters/$id/redrive","deadAt":"2026-03-01T12:00:00Z","reason":"exhausted",` +
		`"event":{"id":"$event","timestamp":"2026-03-01T12:00:00Z","sender":"sign","eventName":"done","eventData":{"a":1},` +
		`"accountId":"` + local + `","organizationId":null,"expiresAt":null,"tags":[]},` +
		`"subscriptionId":"$sub","subscriptionType":"Webhook","subscriptionName":"My Subscription",` +
		`"lastAttempt":{"id":"$id","url":"` + base + `/delivery-logs/$id","attempt":10,"run":0,"trigger":"match","statusCode":503,` +
		`"errorClass":"http_5xx","errorMessage":"the endpoint answered 503"}}`)
	if got := strings.TrimSpace(string(w.do(t, "local", http.MethodGet, lettersPath+"/"+id, "").body)); got != want {
		t.Errorf("read as\n%s\nwant\n%s", got, want)
	}
	if got := strings.TrimSpace(string(w.do(t, "local", http.MethodGet, lettersPath, "").body)); got != `{"data":[`+want+`],"next":null}` {
		t.Errorf("listed as\n%s", got)
	}
}

func TestFiltersOfDeadLettersAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "local", http.MethodGet, lettersPath+"?reason=bored&event=x&after=now&before=then&limit=0", "")
	if got := a.wrong(t); !slices.Equal(got, []string{"event", "reason", "after", "before"}) {
		t.Errorf("wrong are %v", got)
	}
	for _, path := range []string{"/redrive", "/purge"} {
		a := w.do(t, "local", http.MethodPost, lettersPath+path, `{"reasons":["bored","gone"],"events":["x"],"after":"now","before":1,"subscriptionId":7}`)
		if got := a.wrong(t); !slices.Equal(got, []string{"after", "before", "events[0]", "reasons[0]", "subscriptionId"}) {
			t.Errorf("%s: wrong are %v", path, got)
		}
		a = w.do(t, "local", http.MethodPost, lettersPath+path, `{"after":"2026-03-01T12:00:01Z","before":"2026-03-01T12:00:01Z"}`)
		if got := a.wrong(t); !slices.Equal(got, []string{"after"}) {
			t.Errorf("%s: wrong are %v", path, got)
		}
		wantStatus(t, path+" with no subscription", w.do(t, "local", http.MethodPost, lettersPath+path, `{"subscriptionId":"s-none"}`), http.StatusNotFound)
		foreign := w.subscribe(t, "other", "")
		wantStatus(t, path+" of another's", w.do(t, "local", http.MethodPost, lettersPath+path, `{"subscriptionId":"`+foreign+`"}`), http.StatusNotFound)
	}
	a = w.do(t, "local", http.MethodPost, lettersPath+"/redrive", `{"rate":0,"preview":1}`)
	if got := a.wrong(t); !slices.Equal(got, []string{"rate", "preview"}) {
		t.Errorf("wrong are %v", got)
	}
	wantStatus(t, "the list of a foreign subscription", w.do(t, "local", http.MethodGet, lettersPath+"?subscriptionId="+w.subscribe(t, "other", ""), ""), http.StatusNotFound)
}

func TestWhatWasStartedAgainIsNoDeadLetterAnyMore(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]func(*hermod.Attempt){
		"succeeded": func(a *hermod.Attempt) { a.Run = 1 },
		"waiting":   func(a *hermod.Attempt) { a.Run, a.State, a.NextAt, a.Carrier = 1, hermod.Waiting, a.At, "m" },
		"dropped":   func(a *hermod.Attempt) { a.Run, a.State, a.Reason = 1, hermod.Dropped, hermod.ReasonSubDisabled },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			event, sub := w.publish(t, "local", ""), w.subscribe(t, "local", "")
			id := w.attempt(t, event, sub, died(hermod.ReasonExhausted))
			wantListed(t, "before", w.listed(t, "local", ""), id)
			w.attempt(t, event, sub, later)
			wantListed(t, "afterwards", w.listed(t, "local", ""))
			wantStatus(t, "read", w.do(t, "local", http.MethodGet, lettersPath+"/"+id, ""), http.StatusNotFound)
			wantStatus(t, "redriven", w.do(t, "local", http.MethodPost, lettersPath+"/"+id+"/redrive", ""), http.StatusNotFound)
			again := w.attempt(t, event, sub, func(a *hermod.Attempt) {
				died(hermod.ReasonGone)(a)
				a.Run = 2
			})
			wantListed(t, "dead again", w.listed(t, "local", ""), again)
		})
	}
}

func TestADeadLetterIsRedriven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, sub := w.letter(t, "sign:done", hermod.ReasonExhausted)
	w.sent(t)
	a := w.do(t, "local", http.MethodPost, lettersPath+"/"+id+"/redrive", "").json(t, http.StatusAccepted)
	key, err := hermod.ParseAttemptKey(id)
	if err != nil {
		t.Fatal(err)
	}
	first := hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub, EventID: key.EventID, Run: 1}, Number: 1}
	if a["deliveryAttemptId"] != first.String() || a["url"] != "http://host"+signicat.Base+"/delivery-logs/"+first.String() {
		t.Errorf("answered %v", a)
	}
	messages := w.sent(t)
	want := hermod.Message{EventID: key.EventID, Account: local, Owner: local, SubscriptionID: sub, Run: 1, Trigger: hermod.TriggerRedrive}
	if len(messages) != 1 || messages[0] != want {
		t.Fatalf("sent %+v", messages)
	}
	wantListed(t, "afterwards", w.listed(t, "local", ""))
	wantStatus(t, "a second time", w.do(t, "local", http.MethodPost, lettersPath+"/"+id+"/redrive", ""), http.StatusNotFound)
	wantStatus(t, "its row", w.do(t, "local", http.MethodGet, signicat.Base+"/delivery-logs/"+id, ""), http.StatusOK)
}

func TestARedriveSaysWhyItCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, deleted := w.letter(t, "sign:done", hermod.ReasonExhausted)
	off, disabled := w.letter(t, "sign:done", hermod.ReasonExhausted)
	w.do(t, "local", http.MethodDelete, subscriptionsPath+"/"+deleted, "")
	w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+disabled, webhook(`,"active":false`)).json(t, http.StatusOK)
	w.sent(t)
	for id, why := range map[string]string{gone: "the subscription has been deleted", off: "the subscription is not active"} {
		for _, path := range []string{lettersPath + "/" + id + "/redrive", signicat.Base + "/delivery-logs/" + id + "/retry"} {
			if a := w.do(t, "local", http.MethodPost, path, "").json(t, http.StatusConflict); a["detail"] != why {
				t.Errorf("%s: %v", path, a)
			}
		}
	}
	for _, id := range []string{deleted, disabled} {
		a := w.do(t, "local", http.MethodPost, lettersPath+"/redrive", `{"subscriptionId":"`+id+`"}`)
		wantStatus(t, "a redrive of all of "+id, a, http.StatusConflict)
	}
	if messages := w.sent(t); len(messages) > 0 {
		t.Errorf("sent %+v", messages)
	}
	wantListed(t, "they stay", w.listed(t, "local", ""), off, gone)
}

func TestADeliveryIsTriedAgainUnlessItIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		last   func(*hermod.Attempt)
		status int
	}{
		"succeeded": {asItIs, http.StatusAccepted},
		"dead":      {died(hermod.ReasonExhausted), http.StatusAccepted},
		"dropped":   {func(a *hermod.Attempt) { a.State, a.Reason = hermod.Dropped, hermod.ReasonSubExpired }, http.StatusAccepted},
		"waiting":   {func(a *hermod.Attempt) { a.State, a.NextAt, a.Carrier = hermod.Waiting, a.At, "m" }, http.StatusConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			event, sub := w.publish(t, "local", ""), w.subscribe(t, "local", "")
			w.sent(t)
			id := w.attempt(t, event, sub, func(a *hermod.Attempt) {
				tt.last(a)
				a.Run = 3
			})
			path := signicat.Base + "/delivery-logs/" + id + "/retry"
			a := w.do(t, "local", http.MethodPost, path, "")
			wantStatus(t, "tried again", a, tt.status)
			messages := w.sent(t)
			if tt.status == http.StatusConflict {
				if len(messages) > 0 {
					t.Errorf("sent %+v", messages)
				}
				return
			}
			if len(messages) != 1 || messages[0].Run != 4 || messages[0].Trigger != hermod.TriggerRetry || messages[0].EventID.String() != event {
				t.Errorf("sent %+v", messages)
			}
			wantListed(t, "dead letters", w.listed(t, "local", ""))
		})
	}
}

func TestDeadLettersArePurged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, _ := w.letter(t, "sign:done", hermod.ReasonExhausted)
	b, sub := w.letter(t, "sign:begun", hermod.ReasonGone)
	c, _ := w.letter(t, "order:done", hermod.ReasonGone)
	d, _ := w.letter(t, "order:done", hermod.ReasonExhausted)
	wantStatus(t, "one", w.do(t, "local", http.MethodDelete, lettersPath+"/"+a, ""), http.StatusNoContent)
	wantStatus(t, "again", w.do(t, "local", http.MethodDelete, lettersPath+"/"+a, ""), http.StatusNotFound)
	wantStatus(t, "read", w.do(t, "local", http.MethodGet, lettersPath+"/"+a, ""), http.StatusNotFound)
	wantStatus(t, "its row", w.do(t, "local", http.MethodGet, signicat.Base+"/delivery-logs/"+a, ""), http.StatusOK)
	wantListed(t, "one purged", w.listed(t, "local", ""), d, c, b)
	for _, step := range []struct {
		body   string
		purged string
		left   []string
	}{
		{`{"events":["sign:never"]}`, "0", []string{d, c, b}},
		{`{"subscriptionId":"` + sub + `","reasons":["exhausted"]}`, "0", []string{d, c, b}},
		{`{"events":["order:*"],"reasons":["gone"]}`, "1", []string{d, b}},
		{`{"subscriptionId":"` + sub + `"}`, "1", []string{d}},
		{`{"before":"2026-03-01T12:00:03Z"}`, "0", []string{d}},
		{`{"after":"2026-03-01T12:00:02Z"}`, "1", nil},
	} {
		got := w.do(t, "local", http.MethodPost, lettersPath+"/purge", step.body).json(t, http.StatusOK)
		if fmt.Sprint(got["purged"]) != step.purged || got["complete"] != true {
			t.Errorf("%s purges %v", step.body, got)
		}
		wantListed(t, step.body, w.listed(t, "local", ""), step.left...)
	}
	wantStatus(t, "by another account", w.do(t, "other", http.MethodPost, lettersPath+"/purge", `{}`), http.StatusOK)
}

func TestARedriveByFilterIsPreviewedAndStandsAmongTheReplays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.letter(t, "sign:done", hermod.ReasonExhausted)
	w.letter(t, "sign:done", hermod.ReasonExhausted)
	_, off := w.letter(t, "sign:done", hermod.ReasonExhausted)
	w.letter(t, "sign:done", hermod.ReasonGone)
	w.letter(t, "order:done", hermod.ReasonExhausted)
	w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+off, webhook(`,"active":false`)).json(t, http.StatusOK)
	w.sent(t)
	filter := `{"reasons":["exhausted"],"events":["sign:*"],"rate":1000`
	preview := w.do(t, "local", http.MethodPost, lettersPath+"/redrive", filter+`,"preview":true}`).json(t, http.StatusOK)
	if fmt.Sprint(preview) != "map[complete:true deliveries:2 events:3]" {
		t.Errorf("the preview is %v", preview)
	}
	a := w.do(t, "local", http.MethodPost, lettersPath+"/redrive", filter+`}`)
	begun := a.json(t, http.StatusAccepted)
	if begun["trigger"] != "redrive" || a.header.Get("Location") != begun["url"] || begun["state"] != "running" {
		t.Errorf("begins as %s", a.body)
	}
	read := w.do(t, "local", http.MethodGet, strings.TrimPrefix(begun["url"].(string), "http://host"), "")
	if string(read.body) != string(a.body) {
		t.Errorf("reads as %s", read.body)
	}
	runner := &replay.Runner{Store: w.DB, Queue: w.delivery, Now: w.Now, Log: discard()}
	if err := runner.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if messages := w.sent(t); len(messages) != 2 || messages[0].Trigger != hermod.TriggerRedrive || messages[0].Replay.String() != begun["id"] {
		t.Errorf("sent %+v", messages)
	}
	ended := w.do(t, "local", http.MethodGet, strings.TrimPrefix(begun["url"].(string), "http://host"), "").json(t, http.StatusOK)
	if done := ended["done"].(map[string]any); ended["state"] != "done" || fmt.Sprint(done["deliveries"]) != "2" {
		t.Errorf("ends as %v", ended)
	}
	if left := w.listed(t, "local", ""); len(left) != 3 {
		t.Errorf("%d are left, want the one that is off and those of no interest", len(left))
	}
}

// A dead letter of a global subscription shows no event that is nobody's business.
func TestDeadLettersHideWhatTheDeliveryLogHides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	global := w.subscribe(t, "privileged", `,"isGlobalSubscription":true`)
	id := w.attempt(t, w.publish(t, "local", ""), global, func(a *hermod.Attempt) {
		died(hermod.ReasonExhausted)(a)
		a.Owner = "a-spge-Privileged"
	})
	for client, shown := range map[string]bool{"privileged": true, "manager": false} {
		one := w.do(t, client, http.MethodGet, lettersPath+"/"+id, "").json(t, http.StatusOK)
		list := w.do(t, client, http.MethodGet, lettersPath, "").json(t, http.StatusOK)["data"].([]any)[0].(map[string]any)
		if (one["event"] != nil) != shown || (list["event"] != nil) != shown {
			t.Errorf("%s sees %v and %v", client, one["event"], list["event"])
		}
	}
	wantStatus(t, "the event's own account", w.do(t, "local", http.MethodGet, lettersPath+"/"+id, ""), http.StatusNotFound)
}

// A filter of dead letters never panics, and what is accepted is carried out.
func FuzzDeadLetterFilter(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"preview":true}`, `{"subscriptionId":"","reasons":["exhausted"],"events":["a:*","*"],"rate":1000,"preview":true}`,
		`{"after":"1970-01-01T00:00:00Z","before":"2200-12-31T23:59:59.999999999Z"}`, `{"after":null,"reasons":null,"events":null,"rate":null}`,
		`{"subscriptionId":"s-a-spge-LocalAccount00000001-abcde","preview":true}`, `{"before":"2026-03-01T12:00:00+23:59"}`,
	} {
		f.Add([]byte(seed), "reason=gone&event=a:b&after=2026-03-01T12:00:00Z&limit=1")
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		for _, path := range []string{"/redrive", "/purge"} {
			a := w.do(t, "local", http.MethodPost, lettersPath+path, string(body))
			if !slices.Contains([]int{200, 202, 400, 404, 409, 413}, a.status) {
				t.Fatalf("%s %q: %d %s", path, body, a.status, a.body)
			}
		}
		target := lettersPath + "?" + query
		if _, err := url.ParseRequestURI("http://host" + target); err != nil || strings.ContainsAny(query, "# \r\n\t") {
			return
		}
		if a := w.do(t, "local", http.MethodGet, target, ""); !slices.Contains([]int{200, 400, 403, 404}, a.status) {
			t.Fatalf("%q: %d %s", query, a.status, a.body)
		}
	})
}
