package e2e

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"hermod/pkg/hermod"
	"hermod/test/routes"
)

// A universignClient calls the dialect as its clients do: with an API key as the user
// of Basic credentials, and forms.
type universignClient struct {
	*caller
	key string
}

func (target Target) universign(t *testing.T, key string) *universignClient {
	t.Helper()
	return &universignClient{&caller{t: t, target: target}, key}
}

func (c *universignClient) call(method, path string, pairs ...string) *answer {
	c.t.Helper()
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.key, "")
	body, media := url.Values{}, ""
	for i := 0; i < len(pairs); i += 2 {
		media = "application/x-www-form-urlencoded"
		body.Add(pairs[i], pairs[i+1])
	}
	return c.do(method, c.target.BaseURL+"/universign/v1"+path, media, body.Encode(), "Authorization", r.Header.Get("Authorization"))
}

// endpoint creates an endpoint for the receiver and gives its id.
func (c *universignClient) endpoint(r *receiver, types ...string) string {
	c.t.Helper()
	return c.call(http.MethodPost, "/webhook-endpoints",
		"name", "End to end", "url", r.server.URL+"/hook?token=1", "event_types", toJSON(c.t, types)).want(http.StatusOK).text("id")
}

// universignEvent is the id of an event in the dialect.
func universignEvent(t *testing.T, id string) string {
	t.Helper()
	parsed, err := hermod.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	return "evt_" + parsed.Base62()
}

// checkJWS verifies a delivery as a strict client does, independently of pkg/sign.
func (c *universignClient) checkJWS(d *delivery) {
	c.t.Helper()
	parts := strings.Split(d.header.Get("X-Jws-Signature"), ".")
	if len(parts) != 3 || parts[1] != "" {
		c.t.Fatalf("no detached JWS: %q", d.header.Get("X-Jws-Signature"))
	}
	decode := func(text string) []byte {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil {
			c.t.Fatal(err)
		}
		return raw
	}
	var header map[string]string
	if err := json.Unmarshal(decode(parts[0]), &header); err != nil || len(header) != 2 || header["alg"] != "PS256" {
		c.t.Fatalf("header %v, %v", header, err)
	}
	anyone := &caller{t: c.t, target: c.target}
	keys := anyone.do(http.MethodGet, c.target.BaseURL+"/universign/v1/webhooks/jwks.json", "", "").want(http.StatusOK)
	for _, jwk := range keys.list("keys") {
		if dig(jwk, "kid") != header["kid"] {
			continue
		}
		key := &rsa.PublicKey{
			N: new(big.Int).SetBytes(decode(dig(jwk, "n").(string))), E: int(new(big.Int).SetBytes(decode(dig(jwk, "e").(string))).Int64()),
		}
		digest := sha256.Sum256([]byte(parts[0] + "." + base64.RawURLEncoding.EncodeToString(d.body)))
		if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], decode(parts[2]), &rsa.PSSOptions{SaltLength: 32}); err != nil {
			c.t.Errorf("%s: %v", d.body, err)
		}
		return
	}
	c.t.Errorf("%s is not among the keys %s", header["kid"], keys.body)
}

// webhook is the only webhook of an event to an endpoint.
func (c *universignClient) webhook(endpoint, event string) *answer {
	c.t.Helper()
	list := c.call(http.MethodGet, "/webhooks?endpoint="+endpoint+"&event="+event).want(http.StatusOK)
	if found := list.list("data"); len(found) != 1 {
		return &answer{t: c.t, call: list.call, body: []byte(`{"state":"none"}`)}
	}
	return c.call(http.MethodGet, "/webhooks/"+list.text("data.0.id")).want(http.StatusOK)
}

// waitForState waits until the webhook is in the state.
func (c *universignClient) waitForState(endpoint, event, state string) (webhook *answer) {
	c.t.Helper()
	c.target.eventually(c.t, func() string {
		if webhook = c.webhook(endpoint, event); webhook.value("state") != state {
			return "the webhook is " + string(webhook.body)
		}
		return ""
	})
	return webhook
}

// testUniversignDelivery has an endpoint fail twice: it gets the same signed bytes each
// time, and the webhook is pending until it is successful.
func testUniversignDelivery(t *testing.T, target Target) {
	c, native := target.universign(t, universignUser), target.as(t, "local")
	r := target.receive(t, func(n int, w http.ResponseWriter) {
		if n <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	endpoint := c.endpoint(r, "transaction.lifecycle.paused")
	id := universignEvent(t, native.publish(map[string]any{
		"sender": "universign", "eventName": "transaction.lifecycle.paused",
		"eventData": map[string]any{"object": "transaction", "id": "tx_1", "state": "paused", "name": "<Ærø & Co>"},
		"context":   map[string]any{"userId": "usr_2", "apiKeyId": "apk_5X", "traceId": "b0c7f1d2"},
	}))
	c.waitForState(endpoint, id, "pending")
	done := c.waitForState(endpoint, id, "successful")
	if done.number("attempts") != 3 || done.text("event_type") != "transaction.lifecycle.paused" || done.value("error") != nil || done.number("response_status") != 200 {
		t.Errorf("webhook %s", done.body)
	}
	got := r.got()
	if len(got) != 3 {
		t.Fatalf("%d deliveries", len(got))
	}
	for i := range got {
		c.checkJWS(&got[i])
		if string(got[i].body) != string(got[0].body) || got[i].header.Get("Content-Type") != "application/json" {
			t.Errorf("delivery %d is %s, the first was %s", i+1, got[i].body, got[0].body)
		}
	}
	e := got[0].event
	if e.text("object") != "event" || e.text("id") != id || e.text("payload.object.state") != "paused" || e.text("apikey_id") != "apk_5X" {
		t.Errorf("event %s", e.body)
	}
	if _, number := e.value("createdAt").(json.Number); !number {
		t.Errorf("createdAt is no number: %s", e.body)
	}
	if rate := c.call(http.MethodGet, "/webhook-endpoints/"+endpoint).want(http.StatusOK); rate.number("success_rate") != 1 {
		t.Errorf("endpoint %s", rate.body)
	}
}

// testUniversignReschedule lets a webhook fail to its end, and sends it again by hand.
func testUniversignReschedule(t *testing.T, target Target) {
	c, native := target.universign(t, universignUser), target.as(t, "local")
	var well atomic.Bool
	r := target.receive(t, func(_ int, w http.ResponseWriter) {
		if !well.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint := c.endpoint(r, "registration.lifecycle.expired")
	id := universignEvent(t, native.publish(event("universign", "registration.lifecycle.expired", map[string]any{"object": "registration", "id": "reg_1"})))
	pending := c.waitForState(endpoint, id, "pending")
	c.call(http.MethodPost, "/webhooks/"+pending.text("id")+"/reschedule").want(http.StatusConflict)
	failed := c.waitForState(endpoint, id, "failed")
	if failed.number("attempts") != int64(len(Waits())+1) || failed.number("response_status") != 500 {
		t.Errorf("webhook %s", failed.body)
	}
	if list := c.call(http.MethodGet, "/webhooks?state=failed&event_type=registration.lifecycle.expired&endpoint="+endpoint).want(http.StatusOK); len(list.list("data")) != 1 {
		t.Errorf("failed %s", list.body)
	}
	well.Store(true)
	before := len(r.got())
	again := c.call(http.MethodPost, "/webhooks/"+failed.text("id")+"/reschedule").want(http.StatusOK)
	if again.text("state") != "pending" || again.text("id") != failed.text("id") {
		t.Errorf("rescheduled %s", again.body)
	}
	if done := c.waitForState(endpoint, id, "successful"); done.number("attempts") != 1 {
		t.Errorf("webhook %s", done.body)
	}
	got := r.got()
	if len(got) != before+1 || string(got[before].body) != string(got[0].body) {
		t.Errorf("%d deliveries, and %d before", len(got), before)
	}
	c.checkJWS(&got[before])
	c.call(http.MethodPost, "/webhooks/"+failed.text("id")+"/reschedule").want(http.StatusConflict)
}

// testUniversignEndpoints goes through the life of an endpoint.
func testUniversignEndpoints(t *testing.T, target Target) {
	c, native := target.universign(t, universignUser), target.as(t, "local")
	r := target.receive(t, nil)
	id := c.endpoint(r, "transaction.chat.message.received")
	path := "/webhook-endpoints/" + id
	edited := c.call(http.MethodPost, path, "name", "Edited", "event_types", "action.waitingperiod.ended,action.waitingperiod.cancelled").want(http.StatusOK)
	if edited.text("name") != "Edited" || len(edited.list("event_types")) != 2 || edited.text("url") != r.server.URL+"/hook?token=1" || edited.text("tenant_id") != "wsp_local" {
		t.Errorf("edited %s", edited.body)
	}
	c.call(http.MethodPost, path, "url", "https://169.254.169.254/").want(http.StatusBadRequest)
	c.call(http.MethodPost, path, "event_types", "*").want(http.StatusBadRequest)
	native.publish(event("universign", "transaction.chat.message.received", map[string]any{"object": "transaction"}))
	arrives := universignEvent(t, native.publish(event("universign", "action.waitingperiod.ended", map[string]any{"object": "action"})))
	r.wait(arrives)
	if n := len(r.got()); n != 1 {
		t.Errorf("%d deliveries, want 1", n)
	}
	c.call(http.MethodDelete, path).want(http.StatusNoContent)
	c.call(http.MethodGet, path).want(http.StatusNotFound)
	native.publish(event("universign", "action.waitingperiod.ended", map[string]any{"object": "action"}))
	if left := c.call(http.MethodGet, "/webhooks?endpoint="+id).want(http.StatusOK); len(left.list("data")) != 1 || left.text("data.0.event") != arrives {
		t.Errorf("webhooks %s", left.body)
	}
	target.universign(t, "apikey_nobody").call(http.MethodGet, "/webhook-endpoints").want(http.StatusUnauthorized)
}

// testUniversignAPIKeys has an endpoint hear of a key that comes and goes.
func testUniversignAPIKeys(t *testing.T, target Target) {
	c, r := target.universign(t, universignUser), target.receive(t, nil)
	c.endpoint(r, "apikey.created", "apikey.updated", "apikey.deleted")
	made := c.call(http.MethodPost, "/api-keys", "workspace_id", "wsp_local", "name", "Made").want(http.StatusOK)
	path := "/api-keys/" + made.text("id")
	key := target.universign(t, made.text("token"))
	key.call(http.MethodGet, "/webhook-endpoints").want(http.StatusOK)
	key.call(http.MethodGet, "/api-keys").want(http.StatusForbidden)
	c.call(http.MethodPatch, path, "name", "Renamed").want(http.StatusOK)
	c.call(http.MethodDelete, path).want(http.StatusNoContent)
	c.call(http.MethodGet, path).want(http.StatusNotFound)
	want := map[string]string{"apikey.created": "Made", "apikey.updated": "Renamed", "apikey.deleted": "Renamed"}
	target.eventually(t, func() string {
		heard := map[string]bool{}
		for _, d := range r.got() {
			if d.event.value("payload.object.id") == made.text("id") {
				heard[d.event.text("type")] = true
			}
		}
		if len(heard) < len(want) {
			return "heard of " + toJSON(t, heard)
		}
		return ""
	})
	for _, d := range r.got() {
		e := d.event
		if e.value("payload.object.id") != made.text("id") {
			continue
		}
		if e.text("payload.object.object") != "apikey" || e.text("payload.object.name") != want[e.text("type")] || e.text("apikey_id") == made.text("id") {
			t.Errorf("event %s", d.body)
		}
		if strings.Contains(string(d.body), "apikey_") && strings.Contains(string(d.body), made.text("token")) {
			t.Errorf("the event tells the token: %s", d.body)
		}
		c.checkJWS(&d)
	}
}

// testUniversignIsolation tries every row of the dialect as the owner of another
// workspace, with the ids of this one's things: what a path names is not found, and no
// list has it. The workspaces of one account share its events.
func testUniversignIsolation(t *testing.T, target Target, stranger string) {
	c, native, other := target.universign(t, universignUser), target.as(t, "local"), target.universign(t, "apikey_"+stranger)
	endpoint := c.endpoint(target.receive(t, nil), "identity-validation.processed")
	published := universignEvent(t, native.publish(event("universign", "identity-validation.processed", map[string]any{"object": "identity-validation"})))
	ids := map[string]string{
		"{endpointId}": endpoint, "{webhookId}": c.waitForState(endpoint, published, "successful").text("id"), "{eventId}": published,
		"{keyId}": c.call(http.MethodGet, "/api-keys").want(http.StatusOK).text("data.0.id"),
	}
	for _, row := range routes.Table() {
		named, path := parameter.FindString(row.Path), strings.TrimPrefix(row.Path, "/universign/v1")
		switch {
		case path == row.Path || row.Access.IsPublic():
		case named != "" && ids[named] == "":
			t.Errorf("%s has no id here: add one", row.Path)
		case named != "":
			pairs := []string{"name", "Theirs"}
			if row.Method == http.MethodGet || row.Method == http.MethodDelete || strings.HasSuffix(path, "/reschedule") {
				pairs = nil
			}
			path = strings.Replace(path, named, ids[named], 1)
			want := http.StatusNotFound
			if named == "{eventId}" && stranger == sibling {
				want = http.StatusOK
			}
			other.call(row.Method, path, pairs...).want(want)
			c.call(http.MethodGet, strings.TrimSuffix(path, "/reschedule")).want(http.StatusOK)
		case row.Method == http.MethodGet:
			list := other.call(row.Method, path).want(http.StatusOK)
			// Events are the account's, with the keys that they tell of.
			shared := stranger == sibling && strings.HasPrefix(path, "/events")
			for _, id := range ids {
				if !shared && strings.Contains(string(list.body), id) {
					t.Errorf("%s shows %s of another workspace: %s", row.Path, id, list.body)
				}
			}
		}
	}
}
