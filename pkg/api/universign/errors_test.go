package universign_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/test/openapi/contract"
)

// codes are all codes of the domain, and one that is none.
func codes() []hermod.Code {
	return []hermod.Code{
		hermod.CodeInvalid, hermod.CodeUnauthorized, hermod.CodeForbidden, hermod.CodeNotFound, hermod.CodeConflict,
		hermod.CodePreconditionFailed, hermod.CodeTooLarge, hermod.CodeTooManyRequests, hermod.CodeUnavailable, hermod.CodeInternal, "odd",
	}
}

func answerOf(t *testing.T, err error) response {
	t.Helper()
	s := api.NewServer(api.Options{
		Dialect: universign.Dialect{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Routes: []api.Route{{Method: http.MethodGet, Path: "/x", Access: api.Public(func(http.ResponseWriter, *http.Request) error { return err })}},
		Trace:  func() string { return strings.Repeat("ab", 16) },
	})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
	return response{rec.Code, rec.Header(), rec.Body.Bytes()}
}

func TestEveryCodeHasAnAnswer(t *testing.T) {
	t.Parallel()
	for i, want := range []struct {
		status int
		code   string
	}{
		{400, "invalid_request"}, {401, "unauthorized"}, {403, "forbidden"}, {404, "not_found"}, {409, "conflict"},
		{412, "precondition_failed"}, {413, "too_large"}, {429, "too_many_requests"}, {503, "unavailable"},
		{500, "internal_error"}, {500, "internal_error"},
	} {
		code := codes()[i]
		a := answerOf(t, fmt.Errorf("doing: %w", hermod.Errorf(code, "said")))
		a.wantError(t, string(code), want.status, want.code)
		waits := want.status == 429 || want.status == 503
		if (a.header.Get("Retry-After") != "") != waits || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", code, a.header)
		}
	}
	answerOf(t, errors.New("hunter2")).wantError(t, "another error", 500, "internal_error")
}

// FuzzError: whatever an error says, the answer is an error object of bounded size as
// the description has it, and says nothing of the error's cause.
func FuzzError(f *testing.F) {
	f.Add(0, "bad", "event_types", "is required", 1)
	f.Add(0, strings.Repeat("é", 5000), strings.Repeat("n", 5000), "</script>\x00\xff\u2028\"\\", 5000)
	f.Add(9, "secret", "a", "b", 3)
	f.Add(-1, "\xf0\x9f", "", "\n", 2)
	d, err := contract.Shared()
	if err != nil {
		f.Fatal(err)
	}
	schema, err := d.Schema("#/components/schemas/UniversignError")
	if err != nil {
		f.Fatal(err)
	}
	const inside = "dial tcp 10.0.0.7: hunter2"
	f.Fuzz(func(t *testing.T, n int, message, name, reason string, count int) {
		all := codes()
		fields := make([]hermod.FieldError, min(max(count, 0), 10_000))
		for i := range fields {
			fields[i] = hermod.FieldError{Name: name, Reason: reason}
		}
		failure := &hermod.Error{Code: all[((n%len(all))+len(all))%len(all)], Message: message, Fields: fields, Err: errors.New(inside)}
		a := answerOf(t, fmt.Errorf("storing: %w", failure))
		var object any
		if err := json.Unmarshal(a.body, &object); err != nil || !utf8.Valid(a.body) || len(a.body) > 64<<10 {
			t.Fatalf("%d bytes, %v: %q", len(a.body), err, a.body)
		}
		if err := schema.Validate(object); err != nil {
			t.Fatalf("%v: %s", err, a.body)
		}
		if strings.Contains(string(a.body), inside) {
			t.Fatalf("what is inside got out: %s", a.body)
		}
	})
}
