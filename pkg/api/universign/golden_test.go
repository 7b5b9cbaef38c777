package universign_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/hermod"
)

// TestAnswersAreThoseOfTheContract holds every answer against its file.
func TestAnswersAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.do(t, owner, http.MethodPost, keysPath, form("name", "Archive"))
	keyIDs := key.json(t, http.StatusOK)
	w.Advance(7*time.Minute + 458*time.Millisecond)
	created := w.do(t, owner, http.MethodPost, endpointsPath, form("workspace_id", "wsp_local", "name", "test_webhook_endpoint",
		"url", "https://www.mywebhook.com", "event_types", `["transaction.lifecycle.created","action.opened"]`))
	endpoint := created.json(t, http.StatusOK)["id"].(string)
	e := w.publish(t, local, "action.opened")
	w.attempt(t, e, endpoint, 0, 1, hermod.Waiting, func(a *hermod.Attempt) { a.Number = 1 })
	get := func(path string) response { return w.do(t, owner, http.MethodGet, path, "") }
	webhook := "whk_" + strings.TrimPrefix(endpoint, "whe_") + e.ID.Base62()
	answers := map[string]response{
		"apikey_created":   key,
		"apikey":           get(keysPath + "/" + keyIDs["id"].(string)),
		"apikey_list":      w.do(t, stranger, http.MethodGet, keysPath, ""),
		"endpoint_created": created,
		"endpoint":         get(endpointsPath + "/" + endpoint),
		"endpoint_edited":  w.do(t, owner, http.MethodPatch, endpointsPath+"/"+endpoint, form("translate", "true")),
		"endpoint_list":    get(endpointsPath),
		"webhook_pending":  get(webhooksPath + "/" + webhook),
	}
	w.attempt(t, e, endpoint, 0, 2, hermod.Dead)
	answers["webhook_failed"] = get(webhooksPath + "/" + webhook)
	answers["webhook_list"] = get(webhooksPath)
	answers["webhook_rescheduled"] = w.do(t, owner, http.MethodPost, webhooksPath+"/"+webhook+"/reschedule", "")
	answers["error"] = get(endpointsPath + "/none")
	answers["error_fields"] = w.do(t, owner, http.MethodPost, endpointsPath, "{}")
	stubs := strings.NewReplacer(
		webhook, "{webhook}", endpoint, "{endpoint}", e.ID.Base62(), "{event}", keyIDs["id"].(string), "{key}", keyIDs["token"].(string), "{token}",
		keyID(stranger), "{other}",
	)
	for name, a := range answers {
		t.Run(name, func(t *testing.T) { apitest.Golden(t, name+".json", []byte(stubs.Replace(string(a.body)))) })
	}
}
