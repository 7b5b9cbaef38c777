package awscfg_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hermod/pkg/awscfg"
)

// opaque is a body of a type that net/http does not know, as the SDK's are.
type opaque struct{ io.Reader }

func (opaque) Close() error { return nil }

func TestBodyIsSentWholeWhateverItsType(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 {
			t.Error("the length of the body was lost")
		}
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	cfg, err := awscfg.Load(environment(nil), awscfg.SQS)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"none": "", "short": "{}", "a megabyte": strings.Repeat("x", 1<<20)} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			request.Body, request.ContentLength = opaque{strings.NewReader(text)}, int64(len(text))
		}
		response, err := cfg.HTTPClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, mine := request.Body.(opaque); text != "" && !mine {
			t.Errorf("%s: the caller's request was changed", name)
		}
		got, err := io.ReadAll(response.Body)
		if err != nil || string(got) != text {
			t.Errorf("%s: %d bytes came back (%v), want %d", name, len(got), err, len(text))
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
