package lambdahttp_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"hermod/pkg/lambdahttp"
)

var _ lambdahttp.Function = lambdahttp.Handler(http.NotFoundHandler())

func write(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// answers are handlers whose answer has to be the same through Lambda as through
// net/http.
func answers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"nothing at all": func(http.ResponseWriter, *http.Request) {},
		"only a header":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "1") },
		"only a status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		"text":           func(w http.ResponseWriter, _ *http.Request) { write(w, "hello") },
		"markup": func(w http.ResponseWriter, _ *http.Request) {
			write(w, "<html><body>")
			write(w, "hello")
		},
		"a type of its own": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			write(w, `{}`)
		},
		"an empty write": func(w http.ResponseWriter, _ *http.Request) { write(w, "") },
		"two statuses": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			w.WriteHeader(http.StatusOK)
		},
		"a header that comes too late": func(w http.ResponseWriter, _ *http.Request) {
			write(w, "x")
			w.Header().Set("X-Late", "1")
		},
		"a body where none may be": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			write(w, "x")
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusTeapot)
		},
		"binary": func(w http.ResponseWriter, _ *http.Request) { write(w, "\xff\x00\xfe") },
		"a header of two lines": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Lines", "a\r\nX-Evil: b")
		},
		"cookies": func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?a=1", http.StatusSeeOther)
		},
	}
}

func TestAnswerIsThatOfNetHTTP(t *testing.T) {
	t.Parallel()
	for name, h := range answers() {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				e := event(method, "/", "")
				direct := final(t, h, method)
				through := invoke(t, h, e)
				content := through.Body
				if through.IsBase64Encoded {
					decoded, err := base64.StdEncoding.DecodeString(content)
					if err != nil {
						t.Fatal(err)
					}
					content = string(decoded)
				}
				got := answer{status: through.StatusCode, body: content, header: http.Header{}}
				for name, value := range through.Headers {
					got.header[name] = []string{value}
				}
				if len(through.Cookies) > 0 {
					got.header["Set-Cookie"] = through.Cookies
				}
				if !reflect.DeepEqual(got, direct) {
					t.Errorf("through Lambda:\n%+v\nthrough net/http:\n%+v", got, direct)
				}
			})
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// final is the final answer of h behind net/http, without what API Gateway adds
// itself.
func final(t *testing.T, h http.Handler, method string) answer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Header.Del("Date")
	response.Header.Del("Content-Length")
	return answer{status: response.StatusCode, header: response.Header, body: string(content)}
}

func TestPanicIsAnsweredWithABare500(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"text": "secret", "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := invoke(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Half", "done")
				write(w, "half of it")
				panic(value)
			}), event("GET", "/", ""))
			if r.StatusCode != http.StatusInternalServerError || r.Body != "" || len(r.Headers) != 0 {
				t.Errorf("got %+v, want a bare 500", r)
			}
		})
	}
}

func TestAnswerTooLargeForLambdaIsA500(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"4 MB":                         {strings.Repeat("x", 4<<20), http.StatusOK},
		"7 MB":                         {strings.Repeat("x", 7<<20), http.StatusInternalServerError},
		"2 MB that JSON makes 12 MB":   {strings.Repeat("\x01", 2<<20), http.StatusInternalServerError},
		"5 MB that base64 makes 6.7":   {strings.Repeat("\xff", 5<<20), http.StatusInternalServerError},
		"just over a sixth of a limit": {strings.Repeat("x", 1<<20+1), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := invoke(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, c.body) }), event("GET", "/", ""))
			if r.StatusCode != c.want {
				t.Errorf("got %d, want %d", r.StatusCode, c.want)
			}
		})
	}
}
