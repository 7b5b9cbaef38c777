package lambdahttp_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"hermod/pkg/lambdahttp"
)

// event is an event as API Gateway makes it. path is decoded, as it gives it.
func event(method, path, query string, change ...func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query,
		Headers: map[string]string{"host": "api.example.com", "accept": "*/*"},
	}
	e.RequestContext.DomainName = "api.example.com"
	e.RequestContext.RequestID = "request-1"
	e.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{
		Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.1",
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func header(name, value string) func(*events.APIGatewayV2HTTPRequest) {
	return func(e *events.APIGatewayV2HTTPRequest) { e.Headers[name] = value }
}

func body(text string) func(*events.APIGatewayV2HTTPRequest) {
	return func(e *events.APIGatewayV2HTTPRequest) { e.Body = text }
}

func binary(b []byte) func(*events.APIGatewayV2HTTPRequest) {
	return func(e *events.APIGatewayV2HTTPRequest) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(b), true
	}
}

func cookies(c ...string) func(*events.APIGatewayV2HTTPRequest) {
	return func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = c }
}

// seen is what a handler sees of a request.
type seen struct {
	Method, Host, Path, Query string
	Header                    http.Header
	Body                      string
	Length                    int64
	Proto                     string
	Target                    string
}

func see(into *seen) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h := r.Header.Clone()
		h.Del("Content-Length") // the wire needs one where API Gateway may have had none
		*into = seen{
			Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: h,
			Body: string(b), Length: r.ContentLength, Proto: r.Proto, Target: r.RequestURI,
		}
	})
}

// overWire sends the request that the event stands for to h behind net/http.
func overWire(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) (status int) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}

	var b strings.Builder
	target := (&url.URL{Path: e.RawPath}).EscapedPath()
	if e.RawQueryString != "" {
		target += "?" + e.RawQueryString
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", e.RequestContext.HTTP.Method, target)
	for name, value := range e.Headers {
		if !strings.EqualFold(name, "content-length") {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if len(e.Cookies) > 0 {
		fmt.Fprintf(&b, "Cookie: %s\r\n", strings.Join(e.Cookies, "; "))
	}
	content := e.Body
	if e.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		content = string(decoded)
	}
	if content != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(content))
	}
	if _, err := io.WriteString(conn, b.String()+"\r\n"+content); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: e.RequestContext.HTTP.Method})
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// invoke runs h as a function. An error, which Lambda would count as its failure,
// fails the test.
func invoke(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	response, err := lambdahttp.Handler(h)(t.Context(), e)
	if err != nil {
		t.Fatalf("the function failed: %v", err)
	}
	return response
}

func TestHandlerSeesWhatNetHTTPWouldShow(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]events.APIGatewayV2HTTPRequest{
		"root":                     event("GET", "/", ""),
		"query":                    event("GET", "/events", "a=1&a=2&b=%20x&c"),
		"odd query":                event("GET", "/events", "?&&=;%zz&a=b?c=d/e"),
		"decoded question mark":    event("GET", "/x?tenant=evil", "q=1"),
		"decoded hash":             event("GET", "/a#b", "q=1"),
		"decoded percent":          event("GET", "/100%", ""),
		"what looks encoded":       event("GET", "/a%2Fb", ""),
		"space and semicolon":      event("GET", "/a b;c", ""),
		"not ASCII":                event("GET", "/æ/🦭", ""),
		"dot segments":             event("GET", "/a/../b/./c", ""),
		"two slashes in front":     event("GET", "//evil.com/x", ""),
		"slashes in between":       event("GET", "/a//b/", ""),
		"colon in front":           event("GET", "/:a", ""),
		"commas in a header":       event("POST", "/", "", header("x-sig", "t=1, v1=abc,v1=def"), body("x")),
		"a date with a comma":      event("GET", "/", "", header("if-range", "Sun, 22 Nov 2026 10:00:00 GMT")),
		"authorization":            event("GET", "/", "", header("authorization", "Basic YTpi")),
		"header with a tab":        event("GET", "/", "", header("x-tab", "a\tb")),
		"header not ASCII":         event("GET", "/", "", header("x-utf8", "æ")),
		"empty header":             event("GET", "/", "", header("x-empty", "")),
		"host with a port":         event("GET", "/", "", header("host", "api.example.com:8443")),
		"one cookie":               event("GET", "/", "", cookies("a=1")),
		"cookies":                  event("GET", "/", "", cookies("a=1", "b=2,3", "c=\"4\"")),
		"JSON body":                event("POST", "/", "", header("content-type", "application/json"), body(`{"a":"æ"}`)),
		"binary body":              event("PUT", "/", "", binary([]byte{0, 1, 0xff, 0xfe})),
		"empty base64 body":        event("POST", "/", "", binary(nil)),
		"method of its own":        event("PURGE", "/", ""),
		"method in small letters":  event("get", "/", ""),
		"DELETE with a body":       event("DELETE", "/", "", body("x")),
		"path without a slash end": event("OPTIONS", "/a/b", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var direct, through seen
			if status := overWire(t, see(&direct), e); status != http.StatusOK {
				t.Fatalf("net/http answered %d", status)
			}
			if r := invoke(t, see(&through), e); r.StatusCode != http.StatusOK {
				t.Fatalf("the function answered %d", r.StatusCode)
			}
			if !reflect.DeepEqual(through, direct) {
				t.Errorf("through Lambda:\n%+v\nthrough net/http:\n%+v", through, direct)
			}
		})
	}
}

func TestMalformedRequestIsRefusedAndReachesNoHandler(t *testing.T) {
	t.Parallel()
	reached := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") })
	for name, e := range map[string]events.APIGatewayV2HTTPRequest{
		"NUL in the path":         event("GET", "/a\x00b", ""),
		"newline in the path":     event("GET", "/a\r\nX: y", ""),
		"DEL in the path":         event("GET", "/a\x7f", ""),
		"newline in the query":    event("GET", "/", "a\nb"),
		"space in the query":      event("GET", "/", "a b"),
		"newline in a header":     event("GET", "/", "", header("x", "a\r\nb: c")),
		"header name with a gap":  event("GET", "/", "", header("x y", "a")),
		"newline in a cookie":     event("GET", "/", "", cookies("a\nb")),
		"method with a gap":       event("GE T", "/", ""),
		"no method":               event("", "/", ""),
		"body that is not base64": event("POST", "/", "", binary(nil), body("!")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := invoke(t, reached, e); r.StatusCode != http.StatusBadRequest || r.Body != "" {
				t.Errorf("got %d %q, want a bare 400", r.StatusCode, r.Body)
			}
		})
	}
}

func TestRequestKnowsItsCallerAndContext(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "": ""} {
		e := event("GET", "/", "")
		e.RequestContext.HTTP.SourceIP = ip
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "kept")
		_, err := lambdahttp.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil || host != want {
				t.Errorf("got remote address %q (%v), want host %q", r.RemoteAddr, err, want)
			}
			if gateway, ok := core.GetAPIGatewayV2ContextFromContext(r.Context()); !ok || gateway.RequestID != "request-1" {
				t.Errorf("got gateway context %v, want request-1", gateway)
			}
			if r.Context().Value(key{}) != "kept" {
				t.Error("the invocation's context is lost")
			}
		}))(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The samples of aws-lambda-go are events that API Gateway made.
func TestSampleEventsOfAWSAreServed(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	samples, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "events/testdata/apigw-v2-request-*.json"))
	if err != nil || len(samples) < 4 {
		t.Fatalf("got samples %v (%v), want at least 4", samples, err)
	}
	for _, sample := range samples {
		t.Run(filepath.Base(sample), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(sample)
			if err != nil {
				t.Fatal(err)
			}
			var e events.APIGatewayV2HTTPRequest
			if err := json.Unmarshal(content, &e); err != nil {
				t.Fatal(err)
			}
			if e.Headers["host"] == "" { // some samples leave it out; the wire cannot
				e.Headers["host"] = e.RequestContext.DomainName
			}
			var direct, through seen
			overWire(t, see(&direct), e)
			if r := invoke(t, see(&through), e); r.StatusCode != http.StatusOK {
				t.Fatalf("the function answered %d", r.StatusCode)
			}
			if !reflect.DeepEqual(through, direct) {
				t.Errorf("through Lambda:\n%+v\nthrough net/http:\n%+v", through, direct)
			}
		})
	}
}

func FuzzNoRequestFailsTheFunction(f *testing.F) {
	f.Add("GET", "/100%", "a=%zz", "x-sig", "t=1, v1=abc", "a=1", "{}", false)
	f.Add("G T", "//a?b#c\x00", "\n", "", "\r\n", ";", "!", true)
	f.Fuzz(func(t *testing.T, method, path, query, name, value, cookie, content string, encoded bool) {
		e := event(method, path, query, header(name, value), cookies(cookie), body(content))
		e.IsBase64Encoded = encoded
		e.RequestContext.DomainName = value
		mux := http.NewServeMux()
		mux.HandleFunc("/{rest...}", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Path", r.URL.Path)
			_, _ = io.Copy(w, r.Body)
		})
		r := invoke(t, mux, e)
		if _, err := json.Marshal(r); err != nil || r.StatusCode == 0 {
			t.Fatalf("got %+v (%v)", r, err)
		}
	})
}
