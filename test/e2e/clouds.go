package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/push"
)

// Clouds stands in for the hosts of all clouds. It takes what it gets, unless a test
// answers for its own corner of them.
type Clouds struct {
	server *httptest.Server

	mu      sync.Mutex
	corners map[string]func(w http.ResponseWriter, r *http.Request, body []byte)
}

// NewClouds starts it at an address of this machine; it ends with the test.
func NewClouds(t *testing.T, address string) *Clouds {
	t.Helper()
	c := &Clouds{corners: map[string]func(http.ResponseWriter, *http.Request, []byte){}}
	c.server = ServeAt(t, address, http.HandlerFunc(c.serve))
	return c
}

// ServeAt serves at an address until the test ends.
func ServeAt(t *testing.T, address string, h http.Handler) *httptest.Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// Endpoints are what a target must be set to.
func (c *Clouds) Endpoints(t *testing.T) push.Endpoints {
	t.Helper()
	list := ""
	for _, host := range []string{"servicebus.windows.net", "login.microsoftonline.com", "googleapis.com", "amazonaws.com"} {
		list += host + "=" + c.server.URL + ","
	}
	endpoints, err := push.ParseEndpoints(list)
	if err != nil {
		t.Fatal(err)
	}
	return endpoints
}

// MintURL is where a target must trigger flows of Mint.
func (c *Clouds) MintURL() string { return c.server.URL + "/mint/{flowId}?key=operators-own" }

// answer has f answer what goes to a host, or to a host and the first steps of a path.
func (c *Clouds) answer(corner string, f func(w http.ResponseWriter, r *http.Request, body []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corners[corner] = f
}

func (c *Clouds) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cut off", http.StatusBadRequest)
		return
	}
	corner := r.Host + r.URL.Path
	if r.Host == strings.TrimPrefix(c.server.URL, "http://") {
		corner = strings.TrimPrefix(r.URL.Path, "/")
	}
	c.mu.Lock()
	f := c.corners[corner]
	for f == nil && corner != "" {
		corner = corner[:max(strings.LastIndexByte(corner, '/'), 0)]
		f = c.corners[corner]
	}
	c.mu.Unlock()
	if f == nil {
		http.Error(w, "nobody is here", http.StatusNotFound)
		return
	}
	f(w, r, body)
}
