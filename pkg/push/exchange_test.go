package push_test

import (
	"net/http"
	"testing"

	"hermod/pkg/push"
)

func TestEndpointsStandInForAHostAndWhatIsBelowIt(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Host)) })
	for url, reached := range map[string]bool{
		"https://queues.example/a":           true,
		"https://a.b.queues.example/a":       true,
		"http://queues.example:8080/a":       true,
		"https://QUEUES.example./a":          true,
		"http://127.0.0.1:1/a":               false,
		"http://notqueues.localhost:1/a":     false,
		"http://queues.example.localhost:1/": false,
	} {
		ps := newPushers(t, push.Options{Endpoints: endpointsFor(t, server.URL, "Queues.example")})
		if r := ps.Push(t.Context(), webhookTo(url), payload()); r.Succeeded() != reached {
			t.Errorf("%s: %+v", url, r)
		}
	}
}

func TestAListOfEndpoints(t *testing.T) {
	t.Parallel()
	for list, n := range map[string]int{
		"": 0, " , ": 0, "a=http://127.0.0.1:1": 1, "a=http://127.0.0.1:1, b.c=https://localhost": 2,
		"a": -1, "a=": -1, "=http://127.0.0.1:1": -1, "a=127.0.0.1:1": -1, "a=ftp://127.0.0.1": -1, "a=http://": -1,
	} {
		endpoints, err := push.ParseEndpoints(list)
		if (err != nil) != (n < 0) || err == nil && len(endpoints) != n {
			t.Errorf("%q: %v, %v", list, endpoints, err)
		}
	}
}
