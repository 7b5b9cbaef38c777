package lambdahttp_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
	"hermod/pkg/lambdahttp"
)

// What is too much is refused on Lambda as it is elsewhere.
func TestARequestIsBoundedOnLambdaToo(t *testing.T) {
	t.Parallel()
	function := lambdahttp.Handler(api.NewServer(api.Options{
		Dialect: signicat.Dialect{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Trace: func() string { return strings.Repeat("ab", 16) },
		Routes: []api.Route{{Method: http.MethodPost, Path: "/open", Access: api.Public(func(w http.ResponseWriter, r *http.Request) error {
			_, err := api.ReadBody(r)
			if err == nil {
				_, err = io.WriteString(w, "taken")
			}
			return err
		})}},
	}))
	for name, tt := range map[string]struct {
		query, body string
		header      map[string]string
		status      int
	}{
		"within all bounds": {query: "a=b", body: "{}", header: map[string]string{"x-a": "v"}, status: http.StatusOK},
		"a URL":             {query: strings.Repeat("x", api.MaxURLBytes), status: http.StatusRequestURITooLong},
		"a header":          {header: map[string]string{"x-a": strings.Repeat("v", api.MaxHeaderBytes)}, status: http.StatusRequestHeaderFieldsTooLarge},
		"parameters":        {query: strings.Repeat("a&", api.MaxParameters), status: http.StatusBadRequest},
		"a loop":            {header: map[string]string{"cdn-loop": hermod.LoopID}, status: http.StatusLoopDetected},
		"a body":            {body: strings.Repeat(" ", hermod.MaxRequestBytes+1), status: http.StatusRequestEntityTooLarge},
	} {
		event := events.APIGatewayV2HTTPRequest{RawPath: "/open", RawQueryString: tt.query, Headers: tt.header, Body: tt.body}
		event.RequestContext.HTTP.Method = http.MethodPost
		got, err := function(t.Context(), event)
		if err != nil || got.StatusCode != tt.status {
			t.Errorf("%s: %d, %v: %s", name, got.StatusCode, err, got.Body)
		}
	}
}
