package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api"
)

func TestARequestIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(io.Discard, someRoutes()...)
	path := func(n int) string { return "/open?a=" + strings.Repeat("x", n-len("http://host/open?a=")) }
	headers := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("X-%d", i), "v")
		}
		return all
	}
	const line = len("X-Large: \r\n")
	host := len("host")
	for name, tt := range map[string]struct {
		target string
		header []string
		status int
	}{
		"a URL that just fits":          {path(api.MaxURLBytes), nil, 200},
		"a URL too long":                {path(api.MaxURLBytes + 1), nil, 414},
		"a long URL of no route":        {"/none" + path(api.MaxURLBytes), nil, 414},
		"a header that just fits":       {"/open", []string{"X-Large", strings.Repeat("v", api.MaxHeaderBytes-line-host)}, 200},
		"a header too large":            {"/open", []string{"X-Large", strings.Repeat("v", api.MaxHeaderBytes-line-host+1)}, 431},
		"a header too large by names":   {"/open", []string{"X-" + strings.Repeat("n", api.MaxHeaderBytes), ""}, 431},
		"as many lines as there may be": {"/open", headers(api.MaxHeaders), 200},
		"too many lines":                {"/open", headers(api.MaxHeaders + 1), 431},
		"too many lines of one name":    {"/open", strings.Split(strings.Repeat("X-A,v,", api.MaxHeaders+1), ",")[:2*(api.MaxHeaders+1)], 431},
		"parameters that just fit":      {"/open?" + strings.Repeat("a&", api.MaxParameters-1) + "a", nil, 200},
		"too many parameters":           {"/open?" + strings.Repeat("a&", api.MaxParameters) + "a", nil, 400},
		"too many empty parameters":     {"/open?" + strings.Repeat("&", api.MaxParameters), nil, 400},
		"a delivery of Hermod's":        {"/open", []string{"CDN-Loop", "hermod"}, 508},
		"one that came by another":      {"/open", []string{"CDN-Loop", `cdn.example; v="1, 2"`, "Cdn-Loop", "other ,HERMOD;x=y"}, 508},
		"another's request":             {"/open", []string{"CDN-Loop", "cdn.example, hermod.example, not-hermod"}, 200},
	} {
		if w := call(s, http.MethodGet, tt.target, tt.header...); w.Code != tt.status {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, tt.status, w.Body)
		}
	}
}

// What is too much is refused before anybody asks who is calling, and is no fault.
func TestWhatIsTooMuchIsRefusedFirst(t *testing.T) {
	t.Parallel()
	var log logbook
	s := newServer(&log, someRoutes()...)
	w := call(s, http.MethodGet, "/things/1?token=s3cret&"+strings.Repeat("x", api.MaxURLBytes))
	if w.Code != http.StatusRequestURITooLong || !strings.Contains(log.String(), `"level":"INFO"`) || strings.Contains(log.String(), "s3cret") {
		t.Errorf("%d, logged %s", w.Code, log.String())
	}
}
