package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A plain dialect takes the name in the header Who for a credential, and answers an
// error with its code.
type plain struct{}

func (plain) Authenticate(r *http.Request) (*hermod.Principal, error) {
	who := r.Header.Get("Who")
	if who == "" {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "who are you?")
	}
	return &hermod.Principal{CredentialID: who, Account: "a-" + who, Scopes: []string{who}}, nil
}

func (plain) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	status := map[hermod.Code]int{
		hermod.CodeInvalid: 400, hermod.CodeUnauthorized: 401, hermod.CodeForbidden: 403, hermod.CodeNotFound: 404,
		hermod.CodeTooLarge: 413, hermod.CodeTooManyRequests: 429, hermod.CodeInternal: 500, hermod.CodeUnavailable: 503,
	}[hermod.CodeOf(err)]
	if e, ok := errors.AsType[*api.RequestError](err); ok {
		status = e.Status
	}
	http.Error(w, err.Error(), status)
}

// A logbook keeps the lines of a log.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const freshTrace = "0123456789abcdef0123456789abcdef"

func newServer(log io.Writer, routes ...api.Route) *api.Server {
	return api.NewServer(api.Options{
		Dialect: plain{}, Routes: routes, Log: slog.New(slog.NewJSONHandler(log, nil)), Now: time.Now,
		Trace: func() string { return freshTrace },
	})
}

func ok(w http.ResponseWriter, r *http.Request) error {
	_, err := io.WriteString(w, r.Method+" "+r.PathValue("id"))
	return err
}

func scoped(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	_, err := io.WriteString(w, p.Account+" "+r.PathValue("id"))
	return err
}

func someRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/open", Access: api.Public(ok)},
		{Method: http.MethodPost, Path: "/open", Access: api.Public(ok)},
		{Method: http.MethodGet, Path: "/things/{id}", Access: api.Scoped("ann", scoped)},
		{Method: http.MethodDelete, Path: "/things/{id}", Access: api.Scoped("ann", scoped)},
	}
}

func call(s http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://host"+target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestOnlyRowsOfTheTableAreServed(t *testing.T) {
	t.Parallel()
	s := newServer(io.Discard, someRoutes()...)
	for _, tt := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/open", 200, ""},
		{"HEAD", "/open", 200, ""},
		{"PUT", "/open", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/open", 405, "GET, HEAD, POST"},
		{"get", "/open", 405, "GET, HEAD, POST"},
		{"POST", "/things/1", 405, "DELETE, GET, HEAD"},
		{"GET", "/things/1", 401, ""},
		{"GET", "/", 404, ""},
		{"GET", "/open/", 404, ""},
		{"GET", "/open/more", 404, ""},
		{"GET", "/OPEN", 404, ""},
		{"GET", "//open", 404, ""},
		{"GET", "/open//", 404, ""},
		{"GET", "/./open", 404, ""},
		{"GET", "/x/../open", 404, ""},
		{"GET", "/%2e/open", 404, ""},
		{"GET", "/x/%2e%2e/open", 404, ""},
		{"GET", "/things/", 404, ""},
		{"GET", "/things", 404, ""},
		{"GET", "/things/1/2", 404, ""},
		{"CONNECT", "/open/", 404, ""},
		{"GET", "/open?a=%zz", 400, ""},
		{"GET", "/open?a=1;b=2", 400, ""},
		{"GET", "/open?a=%41&b", 200, ""},
	} {
		r := call(s, tt.method, tt.target)
		if r.Code != tt.status || r.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.target, r.Code, r.Header().Get("Allow"), tt.status, tt.allow)
		}
	}
}

func TestAScopedRowAsksForACredentialThatHoldsItsScope(t *testing.T) {
	t.Parallel()
	s := newServer(io.Discard, someRoutes()...)
	for who, want := range map[string]int{"": 401, "bob": 403, "ann": 200} {
		if r := call(s, "GET", "/things/1", "Who", who); r.Code != want {
			t.Errorf("%q got %d, want %d", who, r.Code, want)
		}
	}
	if got := call(s, "GET", "/things/a%2Fb%20c", "Who", "ann").Body.String(); got != "a-ann a/b c" {
		t.Errorf("got %q", got)
	}
}

func TestATableThatDoesNotSayWhoMayCallCannotStart(t *testing.T) {
	t.Parallel()
	for name, routes := range map[string][]api.Route{
		"no access":       {{Method: "GET", Path: "/x"}},
		"no scope":        {{Method: "GET", Path: "/x", Access: api.Scoped("", scoped)}},
		"no handler":      {{Method: "GET", Path: "/x", Access: api.Scoped("s", nil)}},
		"nobody's public": {{Method: "GET", Path: "/x", Access: api.Public(nil)}},
		"counted twice":   {{Method: "GET", Path: "/x", Access: api.Scoped("s", scoped).CountedBy(func(*http.Request) (string, error) { return "", nil })}},
		"a row twice":     {{Method: "GET", Path: "/x", Access: api.Public(ok)}, {Method: "GET", Path: "/x", Access: api.Scoped("s", scoped)}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it starts", name)
				}
			}()
			newServer(io.Discard, routes...)
		}()
	}
}

// serveOnce runs one handler for one request and gives the answer and the log line.
func serveOnce(t *testing.T, r *http.Request, h func(http.ResponseWriter, *http.Request) error) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	var log logbook
	s := newServer(&log, api.Route{Method: r.Method, Path: "/x/{id}", Access: api.Public(h)})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("not one line: %v\n%s", err, &log)
	}
	return w, line
}

func TestOneLineIsLoggedForEachRequest(t *testing.T) {
	t.Parallel()
	cause := &hermod.Error{Code: hermod.CodeUnavailable, Message: "try again", Err: errors.New("10.0.0.7 refused")}
	for name, tt := range map[string]struct {
		err         error
		status      int
		level, code string
		text        string
	}{
		"success":            {nil, 200, "INFO", "", ""},
		"the caller's fault": {hermod.Errorf(hermod.CodeInvalid, "bad"), 400, "INFO", "invalid", "bad"},
		"HTTP's own refusal": {api.ErrUnsupportedMediaType, 415, "INFO", "invalid", "content type"},
		"a cause is logged":  {fmt.Errorf("reading: %w", cause), 503, "INFO", "unavailable", "10.0.0.7 refused"},
		"our fault":          {errors.New("disk on fire"), 500, "ERROR", "internal", "disk on fire"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/x/secret-id?token=secret", strings.NewReader("secret body"))
			r.Header.Set("Authorization", "secret")
			answer, line := serveOnce(t, r, func(w http.ResponseWriter, r *http.Request) error {
				if tt.err == nil {
					return ok(w, r)
				}
				return tt.err
			})
			text := fmt.Sprint(line)
			if answer.Code != tt.status || line["status"] != float64(tt.status) || line["level"] != tt.level ||
				line["route"] != "/x/{id}" || line["method"] != "POST" || line["trace"] != freshTrace {
				t.Errorf("answer %d, line %v", answer.Code, line)
			}
			if code, _ := line["code"].(string); code != tt.code || !strings.Contains(text, tt.text) || strings.Contains(text, "secret") {
				t.Errorf("line %v", line)
			}
		})
	}
}

func TestAPanicIsAnInternalErrorWithItsStackInTheLog(t *testing.T) {
	t.Parallel()
	answer, line := serveOnce(t, httptest.NewRequest(http.MethodGet, "/x/1", nil), func(http.ResponseWriter, *http.Request) error { panic("ouch") })
	if answer.Code != 500 || !strings.Contains(fmt.Sprint(line["error"]), "ouch") || !strings.Contains(fmt.Sprint(line["error"]), "server_test.go") {
		t.Errorf("%d, %v", answer.Code, line)
	}
}

func TestAnAnswerUnderWayIsNotMixedWithAnError(t *testing.T) {
	t.Parallel()
	answer, line := serveOnce(t, httptest.NewRequest(http.MethodGet, "/x/1", nil), func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		return errors.New("broken off")
	})
	if answer.Code != 200 || answer.Body.String() != "half" || line["level"] != "ERROR" || line["bytes"] != 4.0 {
		t.Errorf("%d, %v", answer.Code, line)
	}
}

func TestACallerWhoLeftIsNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	answer, line := serveOnce(t, httptest.NewRequest(http.MethodGet, "/x/1", nil).WithContext(ctx), func(http.ResponseWriter, *http.Request) error {
		leave()
		return fmt.Errorf("reading: %w", ctx.Err())
	})
	if answer.Code != 503 || line["level"] != "INFO" || line["code"] != "unavailable" {
		t.Errorf("%d, %v", answer.Code, line)
	}
}

func TestARequestHasFourMegabytesAtMost(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{hermod.MaxRequestBytes: 200, hermod.MaxRequestBytes + 1: 413} {
		r := httptest.NewRequest(http.MethodPost, "/x/1", strings.NewReader(strings.Repeat("x", size)))
		answer, line := serveOnce(t, r, func(w http.ResponseWriter, r *http.Request) error {
			if _, err := api.ReadBody(r); err != nil {
				return err
			}
			return ok(w, r)
		})
		if answer.Code != want || line["level"] != "INFO" {
			t.Errorf("%d bytes: %d, %v", size, answer.Code, line)
		}
	}
}

func TestABodyThatBreaksOffIsTheCallersFault(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/x/1", io.MultiReader(strings.NewReader("x"), iotestErr{}))
	answer, _ := serveOnce(t, r, func(_ http.ResponseWriter, r *http.Request) error {
		_, err := api.ReadBody(r)
		return err
	})
	if answer.Code != 400 {
		t.Errorf("got %d", answer.Code)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestATraceIsContinuedOrStarted(t *testing.T) {
	t.Parallel()
	const theirs = "4bf239c088089f2bca77d3a413909f1d"
	for header, want := range map[string]string{
		"":                                      freshTrace,
		"00-" + theirs + "-00f067aa0ba902b7-01": theirs,
		"00-" + strings.ToUpper(theirs) + "-00f067aa0ba902b7-01": freshTrace,
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": freshTrace,
		"00-short-00f067aa0ba902b7-01":                           freshTrace,
		theirs:                                                   freshTrace,
	} {
		r := httptest.NewRequest(http.MethodGet, "/x/1", nil)
		r.Header.Set("Traceparent", header)
		var got string
		_, line := serveOnce(t, r, func(w http.ResponseWriter, r *http.Request) error {
			got = api.Trace(r.Context())
			return ok(w, r)
		})
		if got != want || line["trace"] != want {
			t.Errorf("%q: trace %q, logged %v", header, got, line["trace"])
		}
	}
}

func TestAHeadHasTheHeaderOfItsGetAndNoBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newServer(io.Discard, someRoutes()...))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/open", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if rest, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || len(rest) != 0 || err != nil {
		t.Errorf("got %d, %q, %v", answer.StatusCode, rest, err)
	}
}
