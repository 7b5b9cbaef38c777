// Package lambdahttp runs an http.Handler as a Lambda function behind an API
// Gateway HTTP API (payload format 2.0), such that the handler sees what net/http
// would have shown it.
//
// The work is done by aws-lambda-go-api-proxy. Around it, this package mends what
// that adapter gets wrong: paths that hold a decoded '?', '#' or '%', header values
// with commas, the host, the remote address, answers without a status, and panics.
// Whatever the request, the function answers; it never fails.
package lambdahttp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"hermod/pkg/hermod"
)

// A Function is the handler of a Lambda function behind an HTTP API.
type Function func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// maxAnswer bounds an answer as Lambda counts it: 6 MB of JSON. A greater one
// would make the invocation fail.
const maxAnswer = 6<<20 - 64<<10

// Handler is h as the handler of a Lambda function. A panic of h is logged with
// its stack to slog's default logger and answered with 500 and no body.
func Handler(h http.Handler) Function {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if why := refuse(&event); why != "" {
			slog.InfoContext(ctx, "request refused", slog.String("reason", why))
			return bare(http.StatusBadRequest), nil
		}
		adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mend(r, &event)
			answer := &recorder{method: r.Method, header: http.Header{}}
			serve(r.Context(), h, answer, r)
			answer.copyTo(w)
		}))
		response, err := adapter.ProxyWithContext(ctx, plain(event))
		if err != nil {
			slog.ErrorContext(ctx, "the adapter failed on a request", hermod.LogError(err))
			return bare(http.StatusInternalServerError), nil
		}
		if size := answerSize(&response); size > maxAnswer {
			slog.ErrorContext(ctx, "an answer is too large for Lambda", slog.Int("bytes", size))
			return bare(http.StatusInternalServerError), nil
		}
		return response, nil
	}
}

// serve runs the handler and turns a panic into a 500.
func serve(ctx context.Context, h http.Handler, answer *recorder, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "panic in an HTTP handler",
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			answer.fail()
		}
	}()
	h.ServeHTTP(answer, r)
}

func bare(status int) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{}, Cookies: []string{}}
}

// refuse says what makes the request one that net/http would not have let
// through; "" for nothing. API Gateway decodes the path, so it can hold
// control characters that no handler expects.
func refuse(event *events.APIGatewayV2HTTPRequest) string {
	if !token(event.RequestContext.HTTP.Method) {
		return "the method is no token"
	}
	if hasControl(path(event), false) || hasControl(event.RawQueryString, false) || strings.Contains(event.RawQueryString, " ") {
		return "a control character in the URL"
	}
	for name, value := range event.Headers {
		if !token(name) || hasControl(value, true) {
			return "a header is malformed"
		}
	}
	for _, cookie := range event.Cookies {
		if hasControl(cookie, true) {
			return "a cookie is malformed"
		}
	}
	if event.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(event.Body); err != nil {
			return "the body is not base64"
		}
	}
	return ""
}

func hasControl(s string, tabs bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && (c != '\t' || !tabs)) || c == 0x7f {
			return true
		}
	}
	return false
}

// token reports whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// answerSize is an upper bound of the answer's size as JSON, and the size itself
// where the bound would be too much.
func answerSize(response *events.APIGatewayV2HTTPResponse) int {
	const worst = len(`\u0000`) // what one byte can become
	size := len(response.Body)
	for name, value := range response.Headers {
		size += len(name) + len(value)
	}
	if size*worst <= maxAnswer {
		return size
	}
	encoded, err := json.Marshal(response)
	if err != nil {
		return maxAnswer + 1
	}
	return len(encoded)
}
