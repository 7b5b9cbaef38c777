package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

func TestWhatACallerIsToldOfAnError(t *testing.T) {
	t.Parallel()
	inside := errors.New("dial tcp 10.0.0.7")
	_, malformed := ingest.Members([]byte(`{`), "a")
	for name, tt := range map[string]struct {
		err     error
		status  int
		code    hermod.Code
		message string
	}{
		"of the domain":          {&hermod.Error{Code: hermod.CodeConflict, Message: "it is so", Err: inside}, 409, hermod.CodeConflict, "it is so"},
		"internal":               {&hermod.Error{Code: hermod.CodeInternal, Message: "it is so", Err: inside}, 500, hermod.CodeInternal, ""},
		"of an unknown code":     {hermod.Errorf("odd", "it is so"), 500, hermod.CodeInternal, ""},
		"of somebody else":       {inside, 500, hermod.CodeInternal, ""},
		"no JSON":                {malformed, 400, api.CodeMalformed, "the body is not JSON in UTF-8"},
		"of HTTP":                {api.ErrMethodNotAllowed, 405, api.CodeMethodNotAllowed, api.ErrMethodNotAllowed.Message},
		"of a media type":        {api.ErrUnsupportedMediaType, 415, api.CodeUnsupportedMediaType, api.ErrUnsupportedMediaType.Message},
		"of HTTP, in no table":   {&api.RequestError{Status: http.StatusTeapot, Message: "it is so"}, 500, hermod.CodeInternal, ""},
		"too many, and no field": {hermod.Errorf(hermod.CodeTooManyRequests, "slower"), 429, hermod.CodeTooManyRequests, "slower"},
	} {
		f := api.Describe(fmt.Errorf("doing: %w", tt.err))
		if f.Status != tt.status || f.Code != tt.code || f.Message != tt.message || f.Fields != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestAFailureSaysWhatIsWantedAndWhenToComeBack(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{401: `map[Www-Authenticate:[Basic]]`, 429: `map[Retry-After:[1]]`, 503: `map[Retry-After:[5]]`, 404: `map[]`} {
		h := http.Header{}
		if (api.Failure{Status: status}).SetHeader(h, "Basic"); fmt.Sprint(h) != want {
			t.Errorf("%d: %v, want %s", status, h, want)
		}
	}
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{0: "…", 1: "a…", 2: "a…", 3: "aé…", 4: "aéb", 9: "aéb"} {
		if got := api.Clip("aéb", limit); got != want {
			t.Errorf("%d: %q", limit, got)
		}
	}
	if got := api.Clip(strings.Repeat("\x80", 9), 4); got != "…" {
		t.Errorf("of no characters: %q", got)
	}
}

func TestValuesInJSON(t *testing.T) {
	t.Parallel()
	at, err := api.EncodeTime(time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600)), time.RFC3339)
	none, _ := api.EncodeTime(time.Time{}, time.RFC3339)
	all, _ := api.EncodeJSON([]api.Nullable{"", "<a>\n"})
	if string(at) != `"2026-03-01T12:00:00Z"` || err != nil || string(none) != "null" || string(all) != `[null,"<a>\n"]` {
		t.Errorf("%s %s %s %v", at, none, all, err)
	}
}
