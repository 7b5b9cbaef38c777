package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"hermod/pkg/api"
)

func TestMediaTypeIsWithoutParametersAndCase(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "", "application/json": "application/json", "Application/JSON; charset=UTF-8": "application/json",
		"application/json;": "application/json", "application/json; charset": "invalid", ";": "invalid", "a b/c": "invalid",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Content-Type", header)
		if got := api.MediaType(r); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestQueryIsFoundWhateverTheCaseOfItsName(t *testing.T) {
	t.Parallel()
	for target, want := range map[string][]string{
		"/":                          nil,
		"/?other=1":                  nil,
		"/?limit=1":                  {"1"},
		"/?LIMIT=1":                  {"1"},
		"/?limit=&limit=2":           {"", "2"},
		"/?limit=1&Limit=2&LIMIT=3":  {"3", "2", "1"},
		"/?LIMIT=3&limit=1&Limit=2":  {"3", "2", "1"},
		"/?limit=a%20b&x=1&limit=c+": {"a b", "c "},
	} {
		for range 10 {
			r := httptest.NewRequest(http.MethodGet, target, nil)
			got := api.QueryValues(r, "Limit")
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %q, want %q", target, got, want)
			}
			if first := api.Query(r, "limit"); len(want) > 0 && first != want[0] || len(want) == 0 && first != "" {
				t.Fatalf("%s: the first is %q", target, first)
			}
		}
	}
}

func TestBaseURLIsConfiguredOrTheRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		base      api.BaseURL
		forwarded string
		want      string
	}{
		{"", "", "http://host:3000"},
		{"", "https", "https://host:3000"},
		{"", "gopher", "http://host:3000"},
		{"https://api.example/", "", "https://api.example"},
		{"https://api.example/hermod", "http", "https://api.example/hermod"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://host:3000/x", nil)
		r.Header.Set("X-Forwarded-Proto", tt.forwarded)
		if got := tt.base.Of(r); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	if got := api.BaseURL("").Of(httptest.NewRequest(http.MethodGet, "https://host/", nil)); got != "https://host" {
		t.Errorf("over TLS: %q", got)
	}
}

func TestJSONIsWrittenWithoutEscapesForHTML(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := api.WriteJSON(w, 202, map[string]any{"a": "<&>", "raw": json.RawMessage(`"<"`)}); err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != "{\"a\":\"<&>\",\"raw\":\"<\"}\n" || w.Code != 202 ||
		w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %s %v", w.Code, got, w.Header())
	}
	if err := api.WriteJSON(httptest.NewRecorder(), 200, func() {}); err == nil {
		t.Error("what is no JSON is written")
	}
}
