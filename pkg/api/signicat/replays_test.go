package signicat_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog/samples"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
	"hermod/pkg/sqlite"
)

// replayParts are what replays are served over.
type replayParts interface {
	signicat.ReplayStore
	signicat.ChangeStore
	signicat.Mocker
	replay.Store
	replay.Queue
}

type replaying struct {
	*sqlite.DB
	signicat.Mocker
	replay.Queue
}

func (w *world) replays(p replayParts, cursors api.Cursors) *signicat.Replays {
	return &signicat.Replays{
		Store: p, Mocker: p, Sample: samples.Of, Cursors: cursors, Now: w.Now,
		Starter: &replay.Starter{Deliveries: p, Queue: p, Now: w.Now},
		Planner: &replay.Planner{Store: p, IDs: w.IDs, Now: w.Now},
	}
}

func (b broken) Replay(context.Context, hermod.ReplayKey) (*hermod.Replay, error) { return nil, b.err }
func (b broken) Replays(context.Context, hermod.ReplayQuery) ([]*hermod.Replay, error) {
	return nil, b.err
}
func (b broken) CreateReplay(context.Context, *hermod.Replay) error { return b.err }
func (b broken) UpdateReplay(context.Context, *hermod.Replay) error { return b.err }
func (b broken) RunningReplays(context.Context) ([]hermod.ReplayKey, error) {
	return nil, b.err
}
func (b broken) LastOf(context.Context, string, hermod.ID) (*hermod.Attempt, error) {
	return nil, b.err
}
func (b broken) Dead(context.Context, hermod.DeadQuery) ([]hermod.DeadKey, error) {
	return nil, b.err
}
func (b broken) ClearDead(context.Context, []hermod.AttemptKey) error { return b.err }
func (b broken) Mock(context.Context, hermod.Event, hermod.Ref) (*hermod.Event, error) {
	return nil, b.err
}
func (b broken) Send(context.Context, []hermod.Message) error { return b.err }

// everything is a filter that selects the whole log.
const everything = `{"after":"2026-02-01T00:00:00Z"}`

// replay creates a replay of everything as the client and gives it.
func (w *world) replay(t *testing.T, client string) map[string]any {
	t.Helper()
	return w.do(t, client, http.MethodPost, signicat.Base+"/replays", everything).json(t, http.StatusAccepted)
}

// sent takes the messages out of the delivery queue.
func (w *world) sent(t *testing.T) (messages []hermod.Message) {
	t.Helper()
	for {
		batch, err := w.delivery.Receive(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			return messages
		}
		outcomes := make([]hermod.Outcome, len(batch))
		for _, r := range batch {
			m, err := hermod.DecodeMessage(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
		}
		if err := w.delivery.Settle(t.Context(), batch, outcomes); err != nil {
			t.Fatal(err)
		}
	}
}

func receivers(messages []hermod.Message) []string {
	ids := []string{}
	for _, m := range messages {
		ids = append(ids, m.SubscriptionID)
	}
	slices.Sort(ids)
	return ids
}

func wantReceivers(t *testing.T, what string, messages []hermod.Message, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := receivers(messages); !slices.Equal(got, want) {
		t.Errorf("%s went to %v, want %v", what, got, want)
	}
}

func TestAnEventIsReplayedToWhatMatchesNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.publish(t, "local", `,"organizationId":"`+organization+`"`)
	all := w.subscribe(t, "local", "")
	narrow := w.subscribe(t, "local", `,"eventNameFilter":["other:*"]`)
	shared := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions?signicat-organizationId="+organization, webhook("")).
		json(t, http.StatusOK)["id"].(string)
	w.subscribe(t, "other", "")
	w.sent(t)

	path := signicat.Base + "/events/" + id + "/replay"
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", []string{all, shared}},
		{"?signicat-accountId=" + local, []string{all}},
		{"?Signicat-OrganizationId=" + organization, []string{shared}},
		{"?SUBSCRIPTIONID=" + narrow, []string{narrow}},
	} {
		a := w.do(t, "local", http.MethodPost, path+c.query, "")
		if wantStatus(t, c.query, a, http.StatusAccepted); len(a.body) != 0 {
			t.Errorf("%s answers %s", c.query, a.body)
		}
		messages := w.sent(t)
		wantReceivers(t, c.query, messages, c.want...)
		for _, m := range messages {
			if m.EventID.String() != id || m.Run != 1 || m.Trigger != hermod.TriggerReplay || m.Account != local {
				t.Errorf("%s sent %+v", c.query, m)
			}
		}
	}
}

func TestAnEventIsReplayedToOneSubscriptionThatIsTheCallersAndInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := signicat.Base + "/events/" + w.publish(t, "local", "") + "/replay?subscriptionId="
	off, gone, foreign := w.subscribe(t, "local", ""), w.subscribe(t, "local", ""), w.subscribe(t, "other", "")
	w.do(t, "local", http.MethodPut, signicat.Base+"/subscriptions/"+off,
		`{"active":false,"type":"Webhook","typeConfiguration":{"url":"https://receiver.example/hook"}}`).json(t, http.StatusOK)
	wantStatus(t, "delete", w.do(t, "local", http.MethodDelete, signicat.Base+"/subscriptions/"+gone, ""), http.StatusNoContent)
	for sub, want := range map[string]int{
		off: http.StatusConflict, gone: http.StatusNotFound, foreign: http.StatusNotFound, "nonsense": http.StatusNotFound,
		"s-" + local + "-aaaaa": http.StatusNotFound, strings.Repeat("s", 5000): http.StatusNotFound,
	} {
		wantStatus(t, "to "+sub[:min(40, len(sub))], w.do(t, "local", http.MethodPost, path+sub, ""), want)
	}
	wantReceivers(t, "nothing", w.sent(t))
}

func TestAReplayIsCountedStartedReadListedAndCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3 {
		w.advance(time.Second)
		w.publish(t, "local", fmt.Sprintf(`,"tags":["n%d"]`, i))
	}
	sub := w.subscribe(t, "local", "")
	w.subscribe(t, "local", `,"eventNameFilter":["other:*"]`)
	w.advance(time.Second)
	list := signicat.Base + "/replays"
	for body, want := range map[string]string{
		`{"after":"2026-02-01T00:00:00Z","preview":true}`:                                                `{"events":3,"deliveries":3,"complete":true}`,
		`{"after":"2026-03-01T12:00:01Z","preview":true}`:                                                `{"events":2,"deliveries":2,"complete":true}`,
		`{"after":"2026-02-01T00:00:00Z","before":"2026-03-01T12:00:02+00:00","preview":true,"rate":7}`:  `{"events":1,"deliveries":1,"complete":true}`,
		`{"after":"2026-02-01T00:00:00Z","events":["sign:*","x:y"],"tags":["n0","n2"],"preview":true}`:   `{"events":2,"deliveries":2,"complete":true}`,
		`{"after":"2026-02-01T00:00:00Z","events":["other:*"],"tags":null,"before":null,"preview":true}`: `{"events":0,"deliveries":0,"complete":true}`,
		`{"after":"2026-02-01T00:00:00Z","subscriptionId":"` + sub + `","preview":true}`:                 `{"events":3,"deliveries":3,"complete":true}`,
	} {
		a := w.do(t, "local", http.MethodPost, list, body)
		if wantStatus(t, body, a, http.StatusOK); strings.TrimSpace(string(a.body)) != want {
			t.Errorf("%s answers %s, want %s", body, a.body, want)
		}
	}
	a := w.do(t, "local", http.MethodGet, list, "")
	if len(a.json(t, http.StatusOK)["data"].([]any)) != 0 {
		t.Errorf("a preview left %s", a.body)
	}

	created := w.do(t, "local", http.MethodPost, list, `{"after":"2026-02-01T00:00:00.5Z","events":["sign:*"],"rate":7}`)
	made := created.json(t, http.StatusAccepted)
	url := fmt.Sprint(made["url"])
	if url != "http://host"+list+"/"+fmt.Sprint(made["id"]) || created.header.Get("Location") != url {
		t.Errorf("url %s, Location %s", url, created.header.Get("Location"))
	}
	want := `"state":"running","reason":null,"trigger":"replay","filter":{"after":"2026-02-01T00:00:00.5Z","before":"2026-03-01T12:00:04Z",` +
		`"events":["sign:*"],"tags":[],"subscriptionId":null,"reasons":[]},"rate":7,"expected":{"events":3,"deliveries":3,"complete":true},` +
		`"done":{"events":0,"deliveries":0,"complete":false},"progress":0,"createdAt":"2026-03-01T12:00:04Z",` +
		`"updatedAt":"2026-03-01T12:00:04Z","endedAt":null}`
	if !strings.HasSuffix(strings.TrimSpace(string(created.body)), want) {
		t.Errorf("created\n%s, want\n%s", created.body, want)
	}
	path := strings.TrimPrefix(url, "http://host")
	if read := w.do(t, "local", http.MethodGet, path, ""); string(read.body) != string(created.body) {
		t.Errorf("read\n%s, created\n%s", read.body, created.body)
	}
	for range 2 { // it may be asked again
		wantStatus(t, "cancel", w.do(t, "local", http.MethodDelete, path, ""), http.StatusNoContent)
	}
	if read := w.do(t, "local", http.MethodGet, path, "").json(t, http.StatusOK); read["state"] != "cancelled" || read["endedAt"] == nil {
		t.Errorf("cancelled: %v", read)
	}
	wantStatus(t, "another's cancel", w.do(t, "other", http.MethodDelete, path, ""), http.StatusNotFound)
}

func TestTheProgressOfAReplayIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.replay(t, "local")
	id, err := hermod.ParseID(made["id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	complete, stopped := hermod.ReplayCount{Events: 200, Complete: true}, hermod.ReplayCount{Events: 10}
	early, late := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 11, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		state    hermod.ReplayState
		expected hermod.ReplayCount
		events   int64
		at       time.Time
		want     string
	}{
		{hermod.ReplayRunning, complete, 0, early, "0"},
		{hermod.ReplayRunning, complete, 3, early, "1"},
		{hermod.ReplayRunning, complete, 250, early, "99"},
		{hermod.ReplayRunning, stopped, 9, early.AddDate(0, 0, 5), "50"},
		{hermod.ReplayRunning, hermod.ReplayCount{Complete: true}, 0, early, "0"},
		{hermod.ReplayCancelled, complete, 150, early, "75"},
		{hermod.ReplayDone, hermod.ReplayCount{Complete: true}, 0, early, "100"},
	} {
		r, err := w.DB.Replay(t.Context(), hermod.ReplayKey{Owner: local, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		r.State, r.Expected, r.Done.Events = c.state, c.expected, c.events
		r.Above, r.Below, r.Position = hermod.FirstIDAt(early), hermod.FirstIDAt(late), hermod.FirstIDAt(c.at)
		if err := w.DB.UpdateReplay(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		read := w.do(t, "local", http.MethodGet, signicat.Base+"/replays/"+id.String(), "").json(t, http.StatusOK)
		if got := fmt.Sprint(read["progress"]); got != c.want {
			t.Errorf("%+v: progress %s", c, got)
		}
	}
	wantStatus(t, "cancel of a done one", w.do(t, "local", http.MethodDelete, signicat.Base+"/replays/"+id.String(), ""), http.StatusConflict)
}

// The log's end is no concern of who asks: also where it is empty.
func TestAReplayShowsTheBoundsThatWereAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, want := range map[string]string{
		everything: "2026-03-01T12:00:00Z",
		`{"after":"2026-02-01T00:00:00Z","before":"2026-02-02T01:00:00.5+01:00"}`: "2026-02-02T00:00:00.5Z",
	} {
		made := w.do(t, "local", http.MethodPost, signicat.Base+"/replays", body).json(t, http.StatusAccepted)
		read := w.do(t, "local", http.MethodGet, signicat.Base+"/replays/"+fmt.Sprint(made["id"]), "").json(t, http.StatusOK)
		for what, item := range map[string]map[string]any{"created": made, "read": read} {
			filter := item["filter"].(map[string]any)
			if filter["after"] != "2026-02-01T00:00:00Z" || filter["before"] != want {
				t.Errorf("%s shows %v", what, filter)
			}
		}
	}
}

func TestReplaysArePagedTheNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for range 5 {
		want = append(want, w.replay(t, "local")["id"].(string))
	}
	w.replay(t, "other")
	slices.Reverse(want)
	var got []string
	pages := 0
	for link := signicat.Base + "/replays?LIMIT=2"; link != ""; pages++ {
		page := w.do(t, "local", http.MethodGet, strings.TrimPrefix(link, "http://host"), "").json(t, http.StatusOK)
		for _, item := range page["data"].([]any) {
			got = append(got, item.(map[string]any)["id"].(string))
		}
		link, _ = page["next"].(string)
	}
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("got %v in %d pages, want %v", got, pages, want)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "page=AAAA"} {
		wantStatus(t, query, w.do(t, "local", http.MethodGet, signicat.Base+"/replays?"+query, ""), http.StatusBadRequest)
	}
}

func TestABadReplayIsNamedMemberByMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := signicat.Base + "/replays"
	many := `"a:b"` + strings.Repeat(`,"a:b"`, 20)
	for body, want := range map[string][]string{
		`{}`:             {"after"},
		`{"after":null}`: {"after"},
		`{"after":"yesterday","before":7,"events":"a:b","tags":[1],"subscriptionId":{},"rate":1.5,"preview":"yes"}`: {
			"after", "before", "events", "tags", "subscriptionId", "rate", "preview"},
		`{"after":"2026-02-01T00:00:00Z","events":["a:b","a","*:b"],"tags":["ok",""],"rate":0}`: {"events[1]", "events[2]", "tags[1]", "rate"},
		`{"after":"2026-02-01T00:00:00Z","rate":1001}`:                                          {"rate"},
		`{"after":"2026-02-02T00:00:00Z","before":"2026-02-01T00:00:00Z"}`:                      {"after"},
		`{"after":"2027-02-02T00:00:00Z"}`:                                                      {"after"},
		`{"after":"2026-02-01T00:00:00Z","events":[` + many + `]}`:                              {"events"},
	} {
		if got := w.do(t, "local", http.MethodPost, path, body).wrong(t); !slices.Equal(got, want) {
			t.Errorf("%.80s names %v, want %v", body, got, want)
		}
	}
	wantStatus(t, "a form", w.do(t, "local", http.MethodPost, path, everything, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	wantStatus(t, "no object", w.do(t, "local", http.MethodPost, path, `[]`), http.StatusBadRequest)
	wantStatus(t, "a large one", w.do(t, "local", http.MethodPost, path, `{"x":"`+strings.Repeat("x", 64<<10)+`"}`), http.StatusRequestEntityTooLarge)
	foreign := `{"after":"2026-02-01T00:00:00Z","preview":true,"subscriptionId":"` + w.subscribe(t, "other", "") + `"}`
	wantStatus(t, "another's subscription", w.do(t, "local", http.MethodPost, path, foreign), http.StatusNotFound)
	for range hermod.MaxRunningReplays {
		w.replay(t, "local")
	}
	wantStatus(t, "one too many", w.do(t, "local", http.MethodPost, path, everything), http.StatusConflict)
}
