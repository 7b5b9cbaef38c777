package signicat_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signicat"
)

const auditPath = signicat.Base + "/audit-log"

func TestTheAuditLogOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(time.Hour) // past what made the world
	since := "&after=2026-03-01T12:30:00Z"
	id := w.subscribe(t, "local", "")
	path := subscriptionsPath + "/" + id
	wantStatus(t, "update", w.do(t, "local", http.MethodPut, path, strings.Replace(webhook(""), "https://", "https://another.", 1)), http.StatusOK)
	wantStatus(t, "pause", w.do(t, "local", http.MethodPost, path+"/pause", ""), http.StatusOK)
	key := w.credential(t, `"type":"apiKey","name":"A key"`)["id"].(string)

	all := w.do(t, "local", http.MethodGet, auditPath+"?limit=100"+since, "")
	text := strings.NewReplacer(id, "{subscription}", key, "{key}").Replace(string(all.body))
	apitest.Golden(t, "audit_log.json", regexp.MustCompile(`"[0-9a-f]{32}"`).ReplaceAll(regexp.MustCompile(`"(ab){16}"`).ReplaceAll([]byte(text), []byte(`"{trace}"`)), []byte(`"{id}"`)))

	for query, want := range map[string]int{
		"?subscriptionId=" + id + since:                                 3,
		"?action=subscription.paused" + since:                           1,
		"?action=subscription.paused&subscriptionId=" + key + since:     0,
		"?before=2026-03-01T12:30:00Z&action=subscription.created":      0,
		"?subscriptionId=" + id + "&after=2026-03-01T13:30:00Z":         0,
		"?signicat-organizationId=" + organization + "&limit=1" + since: 0,
	} {
		if got := len(w.do(t, "local", http.MethodGet, auditPath+query, "").json(t, http.StatusOK)["data"].([]any)); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	for query, name := range map[string]string{
		"?action=subscription.burnt": "action", "?limit=0": "limit", "?after=yesterday": "after", "?page=x": "page",
		"?after=2026-03-02T00:00:00Z&before=2026-03-01T00:00:00Z": "after",
	} {
		if wrong := w.do(t, "local", http.MethodGet, auditPath+query, "").wrong(t); len(wrong) != 1 || wrong[0] != name {
			t.Errorf("%s: %v, want %s", query, wrong, name)
		}
	}
	foreign := w.do(t, "other", http.MethodGet, auditPath+"?subscriptionId="+id, "").json(t, http.StatusOK)["data"].([]any)
	if len(foreign) != 0 {
		t.Errorf("another account reads %v", foreign)
	}
}
