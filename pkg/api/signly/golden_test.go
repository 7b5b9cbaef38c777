package signly_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signly"
	"hermod/pkg/api/subscription"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// The members of each object of the vendor's samples, in their order. Renaming one
// breaks every client.
func members(shape string) []string {
	return strings.Fields(map[string]string{
		"envelope":  "success status code message data pagination meta error",
		"meta":      "request_id timestamp api_version tenant_id",
		"error":     "type details",
		"summary":   "webhookId url status version",
		"webhook":   "webhookId url status events version",
		"changed":   "webhookId status version",
		"tested":    "webhookId deliveryStatus attempt",
		"stale":     "expectedVersion",
		"delivery":  "eventId type occurredAt tenantId documentId participantId attempt data",
		"deleted":   "webhookId",                                                      // inferred
		"paginated": "limit next_cursor has_more",                                     // inferred
		"history":   "eventId type occurredAt tenantId documentId participantId data", // inferred
	}[shape])
}

// extra are the members that we add to a shape.
func extra(shape string) []string {
	return strings.Fields(map[string]string{
		"webhook": "description retries httpTimeoutMs translate createdAt updatedAt",
	}[shape])
}

// A golden is what was answered or pushed, and the shapes of the objects within it, by
// path.
type golden struct {
	body   []byte
	shapes map[string]string
}

// enveloped are the shapes of an answer with data of a shape.
func enveloped(data string) map[string]string {
	shapes := map[string]string{"": "envelope", "meta": "meta"}
	if data != "" {
		shapes["data"] = data
	}
	return shapes
}

func failed(details string) map[string]string {
	shapes := map[string]string{"": "envelope", "meta": "meta", "error": "error"}
	if details != "" {
		shapes["error.details"] = details
	}
	return shapes
}

const sample = `{"status":"COMPLETED","documentId":"0e51e6ee-4643-4381-97e0-5164c00a0142","templateId":"3f34581a-5b4a-4068-ab72-5f2b36611fa1",` +
	`"participantId":"a244be1a-98c5-4faa-bcb7-55218983a731","completedAt":"2026-03-01T11:59:31Z","processId":"5f0c9a4e-9d5b-4a4f-8a53-0d6c1e4f7b21"}`

func goldens(t *testing.T) map[string]golden {
	t.Helper()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	broken := newWorldOf(t, parts{targets: unreachable{}, pusher: silent{deliver.Result{Class: "timeout", Message: "the endpoint did not answer in time"}}})
	ask := func(method, path, body string, header ...string) []byte {
		return w.do(t, localKey, method, path, body, header...).body
	}

	body := webhook("https://receiver.example/signly", `,"description":"Main events","customHeaders":{"X-Client-Auth":"abc123"},`+
		`"retries":{"maxAttempts":3,"backoff":"exponential"},"httpTimeoutMs":5000`)
	created := w.do(t, localKey, http.MethodPost, webhooksPath, body)
	path := webhooksPath + "/" + created.data(t, http.StatusCreated)["webhookId"].(string)
	w.Advance(time.Second)
	all := map[string]golden{
		"webhook_created":  {created.body, enveloped("summary")},
		"webhooks_listed":  {ask(http.MethodGet, webhooksPath+"?limit=10&sort=-updatedAt", ""), enveloped("")},
		"webhook_fetched":  {ask(http.MethodGet, path, ""), enveloped("webhook")},
		"webhook_updated":  {ask(http.MethodPut, path, `{"description":"Core events"}`, "If-Match", "1"), enveloped("changed")},
		"webhook_disabled": {ask(http.MethodPut, path+"/status", `{"status":"DISABLED"}`, "If-Match", "2"), enveloped("changed")},
		"webhook_enabled":  {ask(http.MethodPut, path+"/status", `{"status":"ENABLED"}`), enveloped("changed")},
		"webhook_stale":    {ask(http.MethodPut, path, `{"description":"Late"}`, "If-Match", "3"), failed("stale")},
		"webhook_tested":   {ask(http.MethodPost, path+"/test", `{"type":"signly.webhook_test","tenantId":"`+localKey.tenant+`"}`), enveloped("tested")},
		"validation_error": {ask(http.MethodPost, webhooksPath, `{"url":1,"events":["PROCESS_COMPLETED","process_completed"]}`), failed("")},
		"invalid_json":     {ask(http.MethodPost, webhooksPath, `{"url":`), failed("")},
		"unauthorized":     {w.do(t, nobody, http.MethodGet, webhooksPath, "").body, failed("")},
		"forbidden":        {w.do(t, caller{localKey.tenant, otherKey.credential}, http.MethodGet, webhooksPath, "").body, failed("")},
		"not_found":        {ask(http.MethodGet, signly.Base+"/v1/nothing", ""), failed("")},
		"no_webhook":       {w.do(t, otherKey, http.MethodGet, path, "").body, failed("deleted")},
		"no_method":        {ask(http.MethodPatch, path, ""), failed("")},
		"media_type":       {ask(http.MethodPost, webhooksPath, "", "Content-Type", "text/plain"), failed("")},
		"unreachable":      {broken.do(t, localKey, http.MethodPost, webhooksPath, webhook("https://receiver.example/signly?token=1", "")).body, failed("")},
	}
	w.do(t, localKey, http.MethodPost, webhooksPath, body)
	paged := w.do(t, localKey, http.MethodGet, webhooksPath+"?limit=1", "")
	cursor := *paged.envelope(t, http.StatusOK).Pagination.NextCursor
	all["webhooks_paged"] = golden{bytes.ReplaceAll(paged.body, []byte(cursor), []byte("{cursor}")), map[string]string{"": "envelope", "pagination": "paginated"}}
	all["webhook_deleted"] = golden{ask(http.MethodDelete, path, ""), enveloped("deleted")}
	untested := newWorldOf(t, parts{targets: silent{}, pusher: silent{deliver.Result{Class: "timeout", Message: "the endpoint did not answer in time"}}})
	all["webhook_test_failed"] = golden{untested.do(t, localKey, http.MethodPost, untested.create(t, localKey, "https://receiver.example/signly", "")+"/test", "").body, enveloped("")}
	w.publish(t, local, "PROCESS_COMPLETED", sample)
	all["events_listed"] = golden{ask(http.MethodGet, signly.Base+"/v1/events/5f0c9a4e-9d5b-4a4f-8a53-0d6c1e4f7b21", ""), enveloped("")}
	for n, name := range []string{"delivery_1", "delivery_2"} {
		all[name] = golden{encode(t, sampleEvent(), hermod.Secrets{}, n+1).Body, map[string]string{"": "delivery"}}
	}
	all["delivery_of_a_test"] = golden{tested(t), map[string]string{"": "delivery"}}
	maps.Copy(all, refusals(t))
	return all
}

// refusals are the errors that have little to do with what is asked for.
func refusals(t *testing.T) map[string]golden {
	t.Helper()
	c := &contended{times: 100}
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}, wrap: func(s subscription.Store) subscription.Store {
		c.Store = s
		return c
	}})
	limited := newWorldOf(t, parts{targets: silent{}, pusher: silent{}, limiter: api.NewLimiter(1, func() time.Time { return start })})
	limited.do(t, localKey, http.MethodGet, webhooksPath, "")
	path := w.create(t, localKey, "https://receiver.example/signly", "")
	return map[string]golden{
		"conflict":     {w.do(t, localKey, http.MethodPut, path, `{"description":"Late"}`).body, failed("")},
		"too_large":    {w.do(t, localKey, http.MethodPost, webhooksPath, strings.Repeat(" ", 70_000)).body, failed("")},
		"rate_limited": {limited.do(t, localKey, http.MethodGet, webhooksPath, "").body, failed("")},
	}
}

// unreachable is a destination that gives no answer.
type unreachable struct{ silent }

func (unreachable) Probe(context.Context, *hermod.Subscription) []deliver.Finding {
	return []deliver.Finding{
		{Name: "name", Verdict: deliver.Passed, Message: "it resolves"},
		{Name: "connection", Verdict: deliver.Failed, Message: "the connection was refused"},
	}
}

// tested is the body of a test's delivery.
func tested(t *testing.T) []byte {
	t.Helper()
	var kept keeping
	w := newWorldOf(t, parts{targets: silent{}, pusher: &kept})
	w.do(t, localKey, http.MethodPost, w.create(t, localKey, "https://receiver.example/signly", "")+"/test", "").data(t, http.StatusOK)
	return kept.payload.Body
}

// keeping is a destination that keeps what is pushed.
type keeping struct{ payload deliver.Payload }

func (k *keeping) Push(_ context.Context, _ *hermod.Subscription, p deliver.Payload) deliver.Result {
	k.payload = p
	return deliver.Result{StatusCode: http.StatusOK}
}

func TestEveryAnswerAndDeliveryIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	all := goldens(t)
	for name, g := range all {
		apitest.Golden(t, name+".json", g.body)
		for path, shape := range g.shapes {
			if got, want := keys(t, g.body, path), append(members(shape), extra(shape)...); !slices.Equal(got, want) {
				t.Errorf("%s: %q has the members %v, want %v", name, path, got, want)
			}
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(all) {
		t.Errorf("%d files of %d answers, %v", len(files), len(all), err)
	}
}

// keys are the names of an object's members, in their order. The path leads to the
// object.
func keys(t *testing.T, body []byte, path string) (names []string) {
	t.Helper()
	for step := range strings.SplitSeq(path, ".") {
		if step == "" {
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		body = object[step]
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}
