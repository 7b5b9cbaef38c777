package signly_test

import (
	"net/http"
	"testing"
)

func TestAWebhookLives(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), receive(t, http.StatusNotFound)
	path := w.create(t, localKey, r.URL+"/hook?token=1", `,"customHeaders":{"X-Client-Auth":"abc123"}`)
	if heads := r.got(http.MethodHead); len(heads) != 1 || heads[0].header.Get("X-Client-Auth") != "abc123" {
		t.Errorf("the connectivity check sent %v", heads)
	}
	if data := w.do(t, localKey, http.MethodGet, path, "").data(t, http.StatusOK); data["url"] != r.URL+"/hook?token=1" || data["version"] != 1.0 {
		t.Errorf("read %v", data)
	}
	if data := w.do(t, localHMAC, http.MethodPut, path, `{"description":"New"}`, "If-Match", "1").data(t, http.StatusOK); data["version"] != 2.0 {
		t.Errorf("updated to %v", data)
	}
	if data := w.do(t, localKey, http.MethodPut, path+"/status", `{"status":"DISABLED"}`, "If-Match", "2").data(t, http.StatusOK); data["version"] != 3.0 || data["status"] != "DISABLED" {
		t.Errorf("disabled to %v", data)
	}
	stale := w.do(t, localKey, http.MethodPut, path, `{"description":"Late"}`, "If-Match", "2")
	wantError(t, "a stale version", stale, http.StatusPreconditionFailed, "precondition_failed", "concurrency")
	w.do(t, localKey, http.MethodDelete, path, "").data(t, http.StatusOK)
	wantError(t, "a deleted webhook", w.do(t, localKey, http.MethodGet, path, ""), http.StatusNotFound, "webhook_not_found", "not_found")
}
