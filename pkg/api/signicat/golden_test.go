package signicat_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

// The members of each shape, from the samples of that API (wire facts, 1.4, and
// 1.1 and 1.8 for tokens and problems). Renaming one breaks every client.
func members(shape string) []string {
	return strings.Fields(map[string]string{
		"event":             "id timestamp sender eventName eventData accountId organizationId expiresAt tags",
		"event item":        "id event url replayUrl",
		"log item":          "id timestamp success event attempt properties errorMessage subscriptionId subscriptionType subscriptionName",
		"subscription":      "id name active ownerId type eventNameFilter tagFilter expiresAt createdAt includeInternalEvents isGlobalSubscription messageAuthentication",
		"listed":            "id name active url ownerId eventNameFilter tagFilter type expiresAt createdAt",
		"authentication":    "authenticationType hmacSha256",
		"hmac":              "secret",
		"standard":          "algorithm publicKey",
		"list":              "data next",
		"accepted":          "data",
		"accepted item":     "id url",
		"warned item":       "id url warnings",
		"type":              "sender eventName event description internal example schema validation url",
		"catalog":           "data",
		"subscription type": "type description supported outputFormats schema",
		"checked":           "reachable checks",
		"check":             "name ok message",
		"fact":              "name description types",
		"form":              "event conditions constants members",
		"form condition":    "path value orAbsent",
		"form constant":     "path value",
		"form member":       "name path format required",
		"token":             "access_token expires_in token_type scope",
		"problem":           "type title status detail code traceId",
		"invalid problem":   "type title status detail code traceId invalidParams",
		"invalid param":     "name reason",
		"token error":       "error error_description",
		// Ours: settled in the choices ("Attempt rows on the wire"), and five more.
		"health":     "state failures failingSince lastFailureAt errorClass openedAt nextAttemptAt",
		"properties": "url statusCode reasonPhrase elapsedMs responseBody errorClass nextAttemptAt state reason trigger run replay",
	}[shape])
}

// extra are the members that we add to a shape of that API.
func extra(shape string) []string {
	switch shape {
	case "subscription":
		return []string{"typeConfiguration", "disabledReason"} // wire facts, 1.4; why Hermod switched it off
	case "rotated authentication":
		return append(members("authentication"), "previousValidUntil")
	case "key pair":
		return []string{"authenticationType", "standardWebhooks"}
	case "paused subscription":
		return append(append(members("subscription"), extra("subscription")...), "paused")
	case "limited subscription":
		return append(append(members("subscription"), extra("subscription")...), "rateLimit")
	case "failing subscription":
		return append(append(members("subscription"), extra("subscription")...), "rateLimit", "health")
	case "listed failing":
		return append(members("listed"), "health")
	default:
		return nil
	}
}

// A golden is an answer and the shapes of the objects within it, by path.
type golden struct {
	answer answer
	status int
	shapes map[string]string
}

func goldens(t *testing.T, w *world) map[string]golden {
	t.Helper()
	event := w.publish(t, "local", `,"tags":["x"],"timestamp":"2026-03-01T11:00:00.1234567Z","expiresAt":"2026-03-02T00:00:00Z"`)
	const signed = `,"eventNameFilter":["account-api:account.created","communication-api:*"],"tagFilter":[],"expiresAt":null,` +
		`"messageAuthentication":{"authenticationType":"HmacSha256","hmacSha256":{"secret":"E*wl1K87LYnUoZSm"}}`
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(signed))
	subscription := created.json(t, http.StatusOK)["id"].(string)
	success := w.attempt(t, event, subscription, func(a *hermod.Attempt) { a.Number = 2 })
	failure := w.attempt(t, event, subscription, func(a *hermod.Attempt) {
		a.State, a.StatusCode, a.ErrorClass, a.Response = hermod.Waiting, http.StatusServiceUnavailable, "http_5xx", "busy"
		a.ErrorMessage, a.NextAt, a.Carrier = "the endpoint answered 503", start.Add(5e9), hermod.CarrierDue
	})
	get := func(path string) answer { return w.do(t, "local", http.MethodGet, path, "") }
	token := w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials&client_id=local&client_secret=local-secret", "Content-Type", formMedia)
	stubs := strings.NewReplacer(success, "{success}", failure, "{failure}", subscription, "{subscription}", event, "{event}",
		token.json(t, http.StatusOK)["access_token"].(string), "{token}")
	item := map[string]string{"": "log item", "event": "event", "properties": "properties"}
	sub := map[string]string{"": "subscription", "messageAuthentication": "authentication", "messageAuthentication.hmacSha256": "hmac"}
	all := map[string]golden{
		"token": {token, 200, map[string]string{"": "token"}},
		"token_error": {w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials", "Content-Type", formMedia), 401,
			map[string]string{"": "token error"}},
		"event_accepted": {w.do(t, "local", http.MethodPost, eventsPath, eventBody, "Idempotency-Key", "golden"), 202,
			map[string]string{"": "accepted", "data.0": "accepted item"}},
		"event_list": {get(eventsPath + "?event=sign:done&after=2026-03-01T00:00:00Z"), 200,
			map[string]string{"": "list", "data.0": "event item", "data.0.event": "event"}},
		"event_item":      {get(eventsPath + "/" + event), 200, map[string]string{"": "event item", "event": "event"}},
		"log_success":     {get(logsPath + "/" + success), 200, item},
		"log_failure":     {get(logsPath + "/" + failure), 200, item},
		"log_list":        {get(logsPath + "?success=true"), 200, map[string]string{"": "list", "data.0": "log item", "data.0.event": "event"}},
		"sub_created":     {created, 200, sub},
		"sub_read":        {get(subscriptionsPath + "/" + subscription), 200, sub},
		"sub_updated":     {w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+subscription, webhook(signed)), 200, sub},
		"type_registered": {w.do(t, "local", http.MethodPut, typesPath+"/shop:order.paid", typeBody), 200, map[string]string{"": "type"}},
		"type_list":       {get(typesPath + "?sender=shop"), 200, map[string]string{"": "catalog", "data.0": "type"}},
		"event_warned": {w.do(t, "local", http.MethodPost, eventsPath, `{"sender":"shop","eventName":"order.paid","eventData":{}}`, "Idempotency-Key", "warned"), 202,
			map[string]string{"": "accepted", "data.0": "warned item"}},
		"subscription_types": {get(signicat.Base + "/metadata/subscription-types"), 200, map[string]string{"": "catalog", "data.0": "subscription type"}},
		"equivalents": {get(signicat.Base + "/metadata/equivalents?type=universign:action.closed"), 200, map[string]string{
			"": "catalog", "data.0": "fact", "data.0.types.0": "form", "data.0.types.0.conditions.0": "form condition",
			"data.0.types.0.constants.0": "form constant", "data.0.types.0.members.0": "form member",
		}},
		"sub_checked":  {w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+subscription+"/check", ""), 200, map[string]string{"": "checked", "checks.0": "check"}},
		"sub_list":     {get(subscriptionsPath), 200, map[string]string{"": "list", "data.0": "listed"}},
		"sub_paused":   {w.do(t, "local", http.MethodPost, subscriptionsPath+"/"+subscription+"/pause", ""), 200, map[string]string{"": "paused subscription"}},
		"problem":      {get(subscriptionsPath + "/none"), 404, map[string]string{"": "problem"}},
		"problem_name": {w.do(t, "local", http.MethodPost, subscriptionsPath, strings.Replace(webhook(""), "My Subscription", "x", 1)), 400, map[string]string{"": "invalid problem", "invalidParams.0": "invalid param"}},
	}
	others := strings.NewReplacer(ids(t, all["event_accepted"].answer)[0], "{second}", ids(t, all["event_warned"].answer)[0], "{warned}")
	for name, g := range all {
		g.answer.body = []byte(others.Replace(stubs.Replace(string(g.answer.body))))
		all[name] = g
	}
	maps.Copy(all, unwellGoldens(t, w))
	maps.Copy(all, signedGoldens(t, w))
	return all
}

// unwellGoldens are answers about a subscription that does not receive.
func unwellGoldens(t *testing.T, w *world) map[string]golden {
	t.Helper()
	created := w.do(t, "other", http.MethodPost, subscriptionsPath, webhook(`,"rateLimit":20`))
	id, _ := created.json(t, http.StatusOK)["id"].(string)
	owner, _ := created.json(t, http.StatusOK)["ownerId"].(string)
	h := &hermod.Health{
		Owner: owner, SubscriptionID: id, Circuit: hermod.Open, Failures: 12, Since: start.Add(-5e9), LastAt: start, Class: "timeout",
		OpenedAt: start.Add(-1e9), NextProbeAt: start.Add(5e9),
	}
	if err := w.DB.PutHealth(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	all := map[string]golden{
		"sub_limited": {created, 200, map[string]string{"": "limited subscription"}},
		"sub_failing": {w.do(t, "other", http.MethodGet, subscriptionsPath+"/"+id, ""), 200, map[string]string{"": "failing subscription", "health": "health"}},
		"sub_list_failing": {w.do(t, "other", http.MethodGet, subscriptionsPath, ""), 200,
			map[string]string{"": "list", "data.0": "listed failing", "data.0.health": "health"}},
	}
	for name, g := range all {
		g.answer.body = []byte(strings.ReplaceAll(string(g.answer.body), id, "{subscription}"))
		all[name] = g
	}
	return all
}

const typeBody = `{"description":"An order was paid.","internal":false,"example":{"orderId":"o-1"},
	"schema":{"type":"object","required":["orderId"],"properties":{"orderId":{"type":"string"}}},"validation":"warn"}`

const eventBody = `{"sender":"sign","eventName":"done","eventData":1}`

// at finds an object by its path.
func at(t *testing.T, v any, path string) map[string]any {
	t.Helper()
	for step := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			if step != "" {
				v = in[step]
			}
		case []any:
			v = in[0]
		}
	}
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is %v", path, v)
	}
	return object
}

func TestEveryAnswerIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, g := range goldens(t, w) {
		wantStatus(t, name, g.answer, g.status)
		apitest.Golden(t, name+".json", g.answer.body)
		var got any
		if err := json.Unmarshal(g.answer.body, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for path, shape := range g.shapes {
			has := slices.Sorted(maps.Keys(at(t, got, path)))
			if of := slices.Sorted(slices.Values(append(members(shape), extra(shape)...))); !slices.Equal(has, of) {
				t.Errorf("%s.%s has the members %v, %s has %v", name, path, has, shape, of)
			}
		}
	}
}
