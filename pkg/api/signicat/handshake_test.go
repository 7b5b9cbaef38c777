package signicat_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A subscriber who wants to be sure has its endpoint asked, whenever its URL is written.
func TestAnEndpointIsAskedWhereItsSubscriberWantsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method+" "+r.URL.Path]++
		mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/agrees") {
			rw.Header().Set("WebHook-Allowed-Origin", "*")
		}
	}))
	t.Cleanup(server.Close)
	body := func(path, verify string) string {
		return fmt.Sprintf(`{"name":"abc","type":"Webhook","typeConfiguration":{"url":"%s%s","verifyEndpoint":%s}}`, server.URL, path, verify)
	}
	refused := func(what string, a answer, member string) {
		t.Helper()
		if got := fmt.Sprint(a.wrong(t)); got != "["+member+"]" {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	post := func(body string) answer { return w.do(t, "local", http.MethodPost, subscriptionsPath, body) }
	refused("one that does not agree", post(body("/silent", "true")), "typeConfiguration.url")
	refused("no switch", post(body("/agrees", `"yes"`)), "typeConfiguration.verifyEndpoint")
	if list := w.do(t, "local", http.MethodGet, subscriptionsPath, "").json(t, http.StatusOK)["data"].([]any); len(list) != 0 {
		t.Errorf("%d were created", len(list))
	}
	created := post(body("/agrees", "true")).json(t, http.StatusOK)
	if created["typeConfiguration"].(map[string]any)["verifyEndpoint"] != true {
		t.Errorf("created %v", created)
	}
	put := func(body string) answer {
		return w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+created["id"].(string), body)
	}
	wantStatus(t, "nothing new", put(body("/agrees", "true")), http.StatusOK)
	wantStatus(t, "another that agrees", put(body("/agrees/2", "true")), http.StatusOK)
	refused("another that does not", put(body("/silent", "true")), "typeConfiguration.url")
	if s := w.stored(t, local, created["id"].(string)); !strings.Contains(string(s.Secrets.Configuration), "/agrees/2") {
		t.Error("the one that does not agree was written")
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(asked); got != "map[OPTIONS /agrees:1 OPTIONS /agrees/2:1 OPTIONS /silent:2]" {
		t.Errorf("asked %s", got)
	}
}
