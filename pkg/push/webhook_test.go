package push_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

func TestAPushIsOnePOSTOfTheExactBody(t *testing.T) {
	t.Parallel()
	body := []byte("{\"a\":\"<>&\u2028\xc3\xa6\"}\n")
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != string(body) {
			t.Errorf("body %q, %v", got, err)
		}
		if r.Method != http.MethodPost || r.RequestURI != "/hook/%2f?token=1&x=a%20b" || r.ContentLength != int64(len(body)) {
			t.Errorf("%s %s of %d", r.Method, r.RequestURI, r.ContentLength)
		}
		want := map[string]string{
			"Content-Type": "application/cloudevents+json", "User-Agent": "Hermod/1.0", "X-Signicat-Signature": "abc",
			"Webhook-Id": "1", "Authorization": "Bearer x", "X-Own": "æ", "Accept-Encoding": "", "Idempotency-Key": "",
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	})
	s := webhook(map[string]any{
		"url":     server.URL + "/hook/%2f?token=1&x=a%20b",
		"headers": map[string]string{"authorization": "Bearer x", "x-own": "æ", "X-Signicat-Signature": "forged"},
	})
	r := newPushers(t, push.Options{}).Push(t.Context(), s, deliver.Payload{
		Body: body, ContentType: "application/cloudevents+json",
		Header: http.Header{"X-Signicat-Signature": {"abc"}, "Webhook-Id": {"1"}},
	})
	want := deliver.Result{StatusCode: http.StatusAccepted, Response: "thanks", Target: server.URL + "/hook/%2f"}
	if r != want || !r.Succeeded() {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

func TestTheStatusDecides(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status         int
		class, message string
		permanent      hermod.Reason
	}{
		{status: 200},
		{status: 201},
		{status: 204},
		{status: 299},
		{status: 300, class: "redirect", message: "the endpoint answered 300 Multiple Choices; redirects are not followed"},
		{status: 301, class: "redirect", message: "the endpoint answered 301 Moved Permanently; redirects are not followed"},
		{status: 302, class: "redirect", message: "the endpoint answered 302 Found; redirects are not followed"},
		{status: 303, class: "redirect", message: "the endpoint answered 303 See Other; redirects are not followed"},
		{status: 304, class: "redirect", message: "the endpoint answered 304 Not Modified; redirects are not followed"},
		{status: 307, class: "redirect", message: "the endpoint answered 307 Temporary Redirect; redirects are not followed"},
		{status: 308, class: "redirect", message: "the endpoint answered 308 Permanent Redirect; redirects are not followed"},
		{status: 400, class: "http_4xx", message: "the endpoint answered 400 Bad Request"},
		{status: 401, class: "http_4xx", message: "the endpoint answered 401 Unauthorized"},
		{status: 404, class: "http_4xx", message: "the endpoint answered 404 Not Found"},
		{status: 410, class: "gone", message: "the endpoint answered 410 Gone", permanent: hermod.ReasonGone},
		{status: 429, class: "throttled", message: "the endpoint answered 429 Too Many Requests"},
		{status: 499, class: "http_4xx", message: "the endpoint answered 499"},
		{status: 500, class: "http_5xx", message: "the endpoint answered 500 Internal Server Error"},
		{status: 503, class: "http_5xx", message: "the endpoint answered 503 Service Unavailable"},
		{status: 599, class: "http_5xx", message: "the endpoint answered 599"},
		{status: 600, class: "protocol", message: "the endpoint answered 600"},
		{status: 999, class: "protocol", message: "the endpoint answered 999"},
	}
	var elsewhere atomic.Int64
	other := newServer(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	t.Cleanup(func() {
		if elsewhere.Load() > 0 {
			t.Error("a redirect was followed")
		}
	})
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", other.URL)
				w.WriteHeader(tt.status)
			})
			got := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(server.URL), payload())
			want := deliver.Result{StatusCode: tt.status, Class: tt.class, Message: tt.message, Target: server.URL, Permanent: tt.permanent}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestRetryAfterIsReadFromEveryFailure(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		status int
		header string
		want   time.Duration
	}{
		"seconds":                  {503, "120", 2 * time.Minute},
		"seconds in space":         {429, "  7 ", 7 * time.Second},
		"none":                     {503, "", 0},
		"zero":                     {503, "0", 0},
		"of a client error":        {404, "1", time.Second},
		"of a redirect":            {302, "1", time.Second},
		"of a success":             {200, "1", 0},
		"a date":                   {503, now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		"a date gone by":           {503, now.Add(-time.Hour).Format(http.TimeFormat), 0},
		"a date in RFC 850":        {503, now.Add(time.Hour).Format("Monday, 02-Jan-06 15:04:05 GMT"), time.Hour},
		"a date in asctime":        {503, now.Add(time.Hour).Format(time.ANSIC), time.Hour},
		"a far date":               {503, "Fri, 31 Dec 9999 23:59:59 GMT", hermod.MaxRetryAfter},
		"more seconds than a day":  {503, "86401", hermod.MaxRetryAfter},
		"more digits than fit":     {503, "99999999999999999999999", hermod.MaxRetryAfter},
		"negative seconds":         {503, "-1", 0},
		"a fraction":               {503, "1.5", 0},
		"nonsense":                 {503, "soon", 0},
		"digits of another script": {503, "٣", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(tt.status)
			})
			ps := newPushers(t, push.Options{Now: func() time.Time { return now }})
			if r := ps.Push(t.Context(), webhookTo(server.URL), payload()); r.RetryAfter != tt.want {
				t.Errorf("got %v, want %v", r.RetryAfter, tt.want)
			}
		})
	}
}

func TestWhatIsKeptOfAnAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 5000)
	tests := map[string]struct {
		status     int
		body, want string
	}{
		"nothing":                        {200, "", ""},
		"all of a short one":             {200, "ok", "ok"},
		"512 bytes of a success":         {200, long, long[:512]},
		"1,024 bytes of a failure":       {500, long, long[:1024]},
		"exactly what fits":              {500, long[:1024], long[:1024]},
		"whole characters, two bytes":    {500, "x" + strings.Repeat("æ", 3000), "x" + strings.Repeat("æ", 511)},
		"whole characters, four bytes":   {500, "abc" + strings.Repeat("🦉", 3000), "abc" + strings.Repeat("🦉", 255)},
		"no invalid UTF-8":               {500, "a\xff\xfeb\xc3", "a\uFFFDb\uFFFD"},
		"invalid bytes grow, still fits": {500, strings.Repeat("\xffa", 3000), strings.Repeat("\uFFFDa", 256)},
		"control characters as they are": {500, "\x1b[31m\x00", "\x1b[31m\x00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			r := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(server.URL), payload())
			if r.Response != tt.want {
				t.Errorf("got %d bytes %.40q..., want %d bytes", len(r.Response), r.Response, len(tt.want))
			}
			if len(r.Response) > hermod.MaxFailedResponseKept || !utf8.ValidString(r.Response) {
				t.Errorf("%d bytes, valid: %v", len(r.Response), utf8.ValidString(r.Response))
			}
		})
	}
}

func TestTheTargetShownHasNoSecretAndIsShort(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	tests := map[string]struct{ suffix, want string }{
		"query":          {"/hook?token=s3cret", "/hook"},
		"empty query":    {"/hook?", "/hook"},
		"no path":        {"?token=s3cret", ""},
		"long path":      {"/" + strings.Repeat("p", 500) + "?token=s3cret", ("/" + strings.Repeat("p", 500))[:128-len(server.URL)]},
		"path of escape": {"/%F0%9F%A6%89?token=s3cret", "/%F0%9F%A6%89"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(server.URL+tt.suffix), payload())
			if want := server.URL + tt.want; r.Target != want {
				t.Errorf("got %q, want %q", r.Target, want)
			}
			if strings.Contains(fmt.Sprintf("%+v", r), "s3cret") {
				t.Errorf("a secret in %+v", r)
			}
		})
	}
}

func TestOrdinaryAnswersKeepTheConnection(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/failure":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, strings.Repeat("e", 9000))
		default:
			_, _ = io.WriteString(w, strings.Repeat("s", 16<<10-1))
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	ps := newPushers(t, push.Options{})
	for range 20 {
		for _, path := range []string{"/empty", "/failure", "/success"} {
			if r := ps.Push(t.Context(), webhookTo(server.URL+path), payload()); r.StatusCode == 0 {
				t.Fatalf("%s: %+v", path, r)
			}
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 60 pushes", n)
	}
}

// A kept connection that the endpoint has closed meanwhile must not cost the
// delivery an attempt.
func TestAConnectionThatWentStaleIsReplaced(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	url := rawServer(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		first := connections.Add(1) == 1
		reader := bufio.NewReader(conn)
		for n := 1; ; n++ {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != string(payload().Body) {
				t.Errorf("body %q, %v", body, err)
			}
			if first && n == 2 {
				return // closed, as if just before the request came
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	ps := newPushers(t, push.Options{})
	for range 3 {
		if r := ps.Push(t.Context(), webhookTo(url), payload()); !r.Succeeded() {
			t.Errorf("got %+v", r)
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestHTTP2IsSpokenWhereOffered(t *testing.T) {
	t.Parallel()
	from, until := valid()
	server, roots := newTLSServer(t, from, until, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.TLS.Version < 0x0303 {
			t.Errorf("%s over TLS %x", r.Proto, r.TLS.Version)
		}
		if _, there := r.Header["Idempotency-Key"]; there {
			t.Error("an empty Idempotency-Key was sent")
		}
		_, _ = io.Copy(w, r.Body)
	})
	server.StartTLS()
	ps := newPushers(t, push.Options{Roots: roots})
	for range 3 {
		if r := ps.Push(t.Context(), webhookTo(server.URL), payload()); !r.Succeeded() || r.Response != string(payload().Body) {
			t.Errorf("got %+v", r)
		}
	}
}

func TestAnEndpointIsReadAnewWithEachVersion(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	ps := newPushers(t, push.Options{})
	pushTo := func(id string, version int64, path, want string) {
		t.Helper()
		s := webhookTo(server.URL + path)
		s.ID, s.Version = id, version
		if r := ps.Push(t.Context(), s, payload()); r.Response != want {
			t.Errorf("%s, version %d: reached %s, want %s", id, version, r.Response, want)
		}
	}
	pushTo("s-1", 1, "/one", "/one")
	pushTo("s-1", 1, "/ignored", "/one")
	pushTo("s-1", 2, "/two", "/two")
	pushTo("s-2", 2, "/other", "/other")
	pushTo("s-1", 1, "/one", "/one")
	pushTo("s-3", 0, "/unstored", "/unstored")
	pushTo("s-3", 0, "/unstored2", "/unstored2")
}

// What is kept of a version is seen from outside by changing the configuration
// without changing the version, which no store does.
func TestTheNumberOfEndpointsKeptIsBounded(t *testing.T) {
	t.Parallel()
	ps := newPushers(t, push.Options{})
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is dialled
	target := func(i int, url string) string {
		s := webhookTo(url)
		s.ID, s.Version = fmt.Sprint("s-", i), 1
		return ps.Push(ended, s, payload()).Target
	}
	const all, bound = 6000, 4096
	for i := range all {
		target(i, "https://receiver.example/old")
	}
	forgotten := 0
	for i := range all {
		if target(i, "https://receiver.example/new") == "https://receiver.example/new" {
			forgotten++
		}
	}
	if forgotten < all-bound || forgotten == all {
		t.Errorf("%d of %d were forgotten", forgotten, all)
	}
}

func TestACustomTimeoutOnlyShortens(t *testing.T) {
	t.Parallel()
	hanging := rawServer(t, func(net.Conn) {})
	for _, configured := range []any{0.01, 3600, -1, 0, "10", nil, map[string]any{"seconds": 1}} {
		t.Run(fmt.Sprint(configured), func(t *testing.T) {
			t.Parallel()
			ps := newPushers(t, push.Options{Timeout: 100 * time.Millisecond})
			s := webhook(map[string]any{"url": hanging, "timeout": configured, "unknown": true})
			if r := ps.Push(t.Context(), s, payload()); r.Class != deliver.ClassTimeout {
				t.Errorf("got %+v", r)
			}
		})
	}
	t.Run("shorter than the default", func(t *testing.T) {
		t.Parallel()
		s := webhook(map[string]any{"url": hanging, "timeout": 0.05})
		start := time.Now()
		r := newPushers(t, push.Options{}).Push(t.Context(), s, payload())
		if took := time.Since(start); r.Class != deliver.ClassTimeout || took > push.DefaultTimeout/2 {
			t.Errorf("got %+v after %v", r, took)
		}
	})
}

func TestTheCallersEndIsNotHeldAgainstTheEndpoint(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	hanging := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		reached <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	r := newPushers(t, push.Options{}).Push(ctx, webhookTo(hanging.URL), payload())
	if r.Class != deliver.ClassInterrupted || r.Permanent != "" || r.Target != hanging.URL {
		t.Errorf("got %+v", r)
	}
}
