package universign_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

// sent is what the tests of the list have sent: to two endpoints of local, the newest
// last, in each state.
type sent struct {
	*world
	first, second                                   string // endpoints
	successful, pending, failed, dropped, recovered string // webhooks
	events                                          []*hermod.Event
}

func newSent(t *testing.T) *sent {
	t.Helper()
	s := &sent{world: newWorld(t)}
	s.first, s.second = s.endpoint(t, owner), s.endpoint(t, owner, "action.opened", "action.closed")
	publish := func(name string) *hermod.Event {
		s.Advance(time.Hour)
		s.events = append(s.events, s.publish(t, local, name))
		return s.events[len(s.events)-1]
	}
	e := publish("action.closed")
	s.attempt(t, e, s.first, 0, 1, hermod.Waiting)
	s.successful = s.attempt(t, e, s.first, 0, 2, hermod.Succeeded)
	e = publish("action.opened")
	s.attempt(t, e, s.second, 0, 1, hermod.Waiting)
	s.pending = s.attempt(t, e, s.second, 0, 2, hermod.Waiting)
	e = publish("action.closed")
	s.failed = s.attempt(t, e, s.first, 0, 1, hermod.Dead)
	e = publish("action.closed")
	s.dropped = s.attempt(t, e, s.second, 0, 1, hermod.Dropped, func(a *hermod.Attempt) {
		a.StatusCode, a.ErrorClass, a.ErrorMessage = 0, "", "the subscription is not active"
	})
	e = publish("action.opened")
	s.attempt(t, e, s.second, 0, 1, hermod.Dead)
	s.recovered = s.attempt(t, e, s.second, 1, 1, hermod.Succeeded)
	// What is not of this dialect is in the same log.
	native := &hermod.Subscription{ID: "s-" + local + "-abcde", Owner: local, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, CreatedAt: start, Version: 1}
	if err := s.Store.CreateSubscription(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.events {
		s.attempt(t, e, native.ID, 0, 1, hermod.Succeeded)
	}
	s.Advance(time.Hour)
	return s
}

func TestSentWebhooksAreListedByFilter(t *testing.T) {
	t.Parallel()
	s := newSent(t)
	at := func(e *hermod.Event, d time.Duration) string { return e.ID.Time().Add(d).Format(time.RFC3339Nano) }
	for query, want := range map[string][]string{
		"":                                       {s.recovered, s.dropped, s.failed, s.pending, s.successful},
		"state=failed":                           {s.dropped, s.failed},
		"state=pending":                          {s.pending},
		"state=successful":                       {s.recovered, s.successful},
		"state=failed&state=pending":             {s.dropped, s.failed, s.pending},
		"state[]=failed&state[]=pending":         {s.dropped, s.failed, s.pending},
		"state=pending,successful":               {s.recovered, s.pending, s.successful},
		"endpoint=" + s.first:                    {s.failed, s.successful},
		"endpoint=" + s.second + "&state=failed": {s.dropped},
		"event_type=action.opened":               {s.recovered, s.pending},
		"event_type=action.opened,apikey.created&state=successful":                          {s.recovered},
		"event_type=apikey.created":                                                         {},
		"event=" + universign.EventID(s.events[2].ID):                                       {s.failed},
		"event=" + universign.EventID(s.events[2].ID) + "&state=pending":                    {},
		"event=" + universign.EventID(hermod.ID{}):                                          {},
		"created_gt=" + at(s.events[2], 0):                                                  {s.recovered, s.dropped},
		"created_gt=" + at(s.events[2], -time.Millisecond):                                  {s.recovered, s.dropped, s.failed},
		"created_lt=" + at(s.events[1], 0):                                                  {s.successful},
		"created_lt=" + at(s.events[1], time.Millisecond):                                   {s.pending, s.successful},
		"created_lt=1960-01-01T00:00:00Z":                                                   {},
		"created_gt=" + at(s.events[0], 0) + "&created_lt=" + at(s.events[3], 0):            {s.failed, s.pending},
		"created_gt=" + at(s.events[2], 0) + "&event=" + universign.EventID(s.events[1].ID): {},
		"starting_after=" + s.failed:                                                        {s.pending, s.successful},
		"starting_after=" + s.failed + "&created_gt=" + at(s.events[0], 0):                  {s.pending},
		"limit=2": {s.recovered, s.dropped},
	} {
		a := s.do(t, owner, http.MethodGet, webhooksPath+"?"+query, "")
		if got := ids(t, a); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %v", query, a.body, want)
		}
	}
	s.do(t, owner, http.MethodGet, webhooksPath+"?endpoint=whe_none", "").wantError(t, "no endpoint", http.StatusNotFound, "not_found")
	if all := ids(t, s.do(t, stranger, http.MethodGet, webhooksPath, "")); len(all) != 0 {
		t.Errorf("another workspace sees %v", all)
	}
}

func TestPagesOfSentWebhooksFollowEachOther(t *testing.T) {
	t.Parallel()
	s := newSent(t)
	for query, want := range map[string][]string{
		"":              {s.recovered, s.dropped, s.failed, s.pending, s.successful},
		"&state=failed": {s.dropped, s.failed},
		"&state=pending,successful&event_type=action.opened": {s.recovered, s.pending},
	} {
		if got := s.walk(t, "limit=1"+query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

// walk follows next to the end of a list.
func (w *world) walk(t *testing.T, query string) (all []string) {
	t.Helper()
	after := ""
	for range 100 {
		page := w.do(t, owner, http.MethodGet, webhooksPath+"?"+query+after, "")
		all = append(all, ids(t, page)...)
		list := page.json(t, http.StatusOK)
		next, _ := list["next"].(string)
		if more := list["has_more"].(bool); more != (next != "") {
			t.Fatalf("%s", page.body)
		}
		if next == "" {
			return all
		}
		after = "&starting_after=" + next
	}
	t.Fatal("no end")
	return nil
}

// TestARequestReadsSoMuchAndSaysHowToGoOn: what is looked for stands beyond more rows
// than a request reads, of this dialect or of another.
func TestARequestReadsSoMuchAndSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	rare := w.attempt(t, w.publish(t, local, "action.opened"), id, 0, 1, hermod.Succeeded)
	w.Advance(time.Second)
	made := hermod.NewIDs(w.Now, apitest.Random)
	for range 550 {
		e := &hermod.Event{ID: made.Next()}
		w.attempt(t, e, id, 0, 1, hermod.Succeeded)
		w.attempt(t, e, "s-"+local+"-abcde", 0, 1, hermod.Succeeded)
	}
	native := &hermod.Subscription{ID: "s-" + local + "-abcde", Owner: local, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, CreatedAt: start, Version: 1}
	if err := w.Store.CreateSubscription(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	first := w.do(t, owner, http.MethodGet, webhooksPath+"?event_type=action.opened", "")
	if all := ids(t, first); len(all) != 0 || first.json(t, 200)["has_more"] != true {
		t.Errorf("%s", first.body)
	}
	if all := w.walk(t, "event_type=action.opened"); !slices.Equal(all, []string{rare}) {
		t.Errorf("%v", all)
	}
}

func TestAWebhookIsReadByItsIDAlone(t *testing.T) {
	t.Parallel()
	s := newSent(t)
	for id, want := range map[string]string{
		s.successful: "successful 2", s.pending: "pending 2", s.failed: "failed 1", s.dropped: "failed 0", s.recovered: "successful 1",
	} {
		o := s.do(t, owner, http.MethodGet, webhooksPath+"/"+id, "").json(t, http.StatusOK)
		if got := fmt.Sprint(o["state"], " ", o["attempts"]); got != want || o["id"] != id {
			t.Errorf("%s: %v, want %s", id, o, want)
		}
	}
	for _, id := range []string{
		"x", "whk_", strings.TrimPrefix(s.failed, "whk_"), s.failed + "0", s.failed[:len(s.failed)-1], "whe_" + s.failed[4:],
		"whk_" + strings.Repeat("0", 44), "whk_" + strings.Repeat("z", 44), strings.Replace(s.failed, s.failed[4:26], strings.Repeat("0", 22), 1),
		s.first, "whk_" + strings.TrimPrefix(s.first, "whe_") + s.events[1].ID.Base62(),
	} {
		s.do(t, owner, http.MethodGet, webhooksPath+"/"+id, "").wantError(t, id, http.StatusNotFound, "not_found")
	}
	s.Advance(hermod.DefaultRetention)
	s.do(t, owner, http.MethodGet, webhooksPath+"/"+s.failed, "").wantError(t, "after its time", http.StatusNotFound, "not_found")
}

func TestAWebhookIsPendingBeforeItsFirstAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	e := w.publish(t, local, "action.closed")
	webhook := "whk_" + strings.TrimPrefix(id, "whe_") + e.ID.Base62()
	o := w.do(t, owner, http.MethodGet, webhooksPath+"/"+webhook, "").json(t, http.StatusOK)
	if o["state"] != "pending" || o["attempts"] != 0.0 || o["event_type"] != "action.closed" {
		t.Errorf("%v", o)
	}
	w.do(t, owner, http.MethodPost, webhooksPath+"/"+webhook+"/reschedule", "").wantError(t, "rescheduled", http.StatusConflict, "conflict")
}

// messages are those in the delivery queue.
func (w *world) messages(t *testing.T) (all []hermod.Message) {
	t.Helper()
	received, err := w.delivery.Receive(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range received {
		m, err := hermod.DecodeMessage(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestAFailedWebhookIsRescheduledAsANewRun(t *testing.T) {
	t.Parallel()
	s := newSent(t)
	s.messages(t) // those of the matches
	for _, id := range []string{s.successful, s.pending, s.recovered} {
		s.do(t, owner, http.MethodPost, webhooksPath+"/"+id+"/reschedule", "").wantError(t, id, http.StatusConflict, "conflict")
	}
	if sent := s.messages(t); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
	for range 2 { // at once: the rows make one run of the two
		o := s.do(t, owner, http.MethodPost, webhooksPath+"/"+s.failed+"/reschedule", "").json(t, http.StatusOK)
		if o["state"] != "pending" || o["attempts"] != 0.0 || o["id"] != s.failed || o["error"] != nil || o["response_status"] != nil {
			t.Errorf("%v", o)
		}
	}
	sent := s.messages(t)
	want := hermod.Message{
		EventID: s.events[2].ID, Account: local, Owner: local, SubscriptionID: s.first, Run: 1, Trigger: hermod.TriggerRetry,
	}
	if len(sent) != 2 || sent[0] != want || sent[1] != want {
		t.Errorf("sent %+v, want twice %+v", sent, want)
	}
	s.do(t, owner, http.MethodPost, webhooksPath+"/"+s.dropped+"/reschedule", "").json(t, http.StatusOK)
}

func TestAWebhookToWhatAnswered410IsNotRescheduled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.endpoint(t, owner)
	webhook := w.attempt(t, w.publish(t, local, "action.closed"), id, 0, 1, hermod.Dead)
	endpoint, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: local, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	endpoint.Active = false
	if err := w.Store.UpdateSubscription(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	path := webhooksPath + "/" + webhook + "/reschedule"
	w.do(t, owner, http.MethodPost, path, "").wantError(t, "switched off", http.StatusConflict, "conflict")
	w.do(t, owner, http.MethodPost, endpointsPath+"/"+id, "").json(t, http.StatusOK) // an edit
	w.do(t, owner, http.MethodPost, path, "").json(t, http.StatusOK)
}

func TestAnEventOfAnotherDialectIsShownWithItsSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.publish(t, local, "signature-api:order.completed")
	id := w.attempt(t, e, w.endpoint(t, owner), 0, 1, hermod.Succeeded)
	if o := w.do(t, owner, http.MethodGet, webhooksPath+"/"+id, "").json(t, http.StatusOK); o["event_type"] != "signature-api:order.completed" {
		t.Errorf("%v", o)
	}
}

// TestATranslatedWebhookIsOfTheTypeThatWasDelivered, also in the filter of the list.
func TestATranslatedWebhookIsOfTheTypeThatWasDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	endpoint := w.endpoint(t, owner, "transaction.lifecycle.cancelled")
	w.do(t, owner, http.MethodPost, endpointsPath+"/"+endpoint, form("translate", "true")).json(t, http.StatusOK)
	e := w.publishData(t, local, "signature-api:order.canceled", `{"orderId":"o-1"}`)
	if len(e.Matches) != 1 {
		t.Fatalf("it matched %v", e.Matches)
	}
	id := w.attempt(t, e, endpoint, 0, 1, hermod.Dead)
	path := webhooksPath + "/" + id
	for what, a := range map[string]response{
		"read": w.do(t, owner, http.MethodGet, path, ""), "rescheduled": w.do(t, owner, http.MethodPost, path+"/reschedule", ""),
	} {
		if o := a.json(t, http.StatusOK); o["event_type"] != "transaction.lifecycle.cancelled" {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	for _, filter := range []string{"", "&endpoint=" + endpoint, "&state=failed"} {
		a := w.do(t, owner, http.MethodGet, webhooksPath+"?event_type=transaction.lifecycle.cancelled"+filter, "")
		if all := ids(t, a); !slices.Equal(all, []string{id}) || !strings.Contains(string(a.body), `"event_type":"transaction.lifecycle.cancelled"`) {
			t.Errorf("%s: %s", filter, a.body)
		}
	}
	if all := ids(t, w.do(t, owner, http.MethodGet, webhooksPath+"?event_type=transaction.lifecycle.completed", "")); len(all) != 0 {
		t.Errorf("of another type: %v", all)
	}
}

// FuzzWebhookID: an id is that of one webhook, or of none.
func FuzzWebhookID(f *testing.F) {
	f.Add("whk_" + strings.Repeat("0", 44))
	f.Add("whk_" + strings.Repeat("z", 44))
	f.Add("whk_" + strings.Repeat("7", 43) + "é")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		endpoint, event, ok := universign.ParseWebhookID(text)
		if !ok {
			return
		}
		if back := "whk_" + endpoint.Base62() + event.Base62(); back != text {
			t.Fatalf("%q is read as %q", text, back)
		}
	})
}

// FuzzForm: whatever the form, it is read or refused, and what is read is what JSON of
// the same members is read as.
func FuzzForm(f *testing.F) {
	f.Add(form("name", "A", "url", target, "event_types", "action.closed,action.opened"))
	f.Add(form("name", "A", "url", target, "event_types[]", `["action.closed"]`, "translate", "true"))
	f.Add("name=%zz&;=&event_types=[")
	f.Add("event_types=[[]]&name=\x00&url=%ff&workspace_id=")
	f.Add("translate=null&event_types=,,&name=a&name=b")
	f.Fuzz(func(t *testing.T, text string) {
		members, err := universign.ReadForm(text)
		if err != nil {
			if hermod.CodeOf(err) != hermod.CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for name, raw := range members {
			if !json.Valid(raw) {
				t.Fatalf("%q: %s is %q", text, name, raw)
			}
			var list []string
			if err := json.Unmarshal(raw, &list); name == "event_types" && err != nil {
				t.Fatalf("%q: event_types is %q", text, raw)
			}
		}
	})
}
