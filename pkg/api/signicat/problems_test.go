package signicat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
	"hermod/test/openapi/contract"
)

// wantProblem asks for a whole problem: that it is one, compare has asked.
func wantProblem(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	p := a.json(t, status)
	if p["code"] != code || a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %s, %v", what, a.body, a.header)
	}
	for _, member := range []string{"type", "title", "detail", "traceId"} {
		if text, _ := p[member].(string); text == "" {
			t.Errorf("%s has no %s: %s", what, member, a.body)
		}
	}
}

func TestEveryRefusalIsAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const events = signicat.Base + "/events"
	w.do(t, "local", http.MethodPost, events, event(""), "Idempotency-Key", "k")
	for what, tt := range map[string]struct {
		a      answer
		status int
		code   string
	}{
		"a wrong member":     {w.do(t, "local", http.MethodPost, events, `{"sender":1}`), 400, "invalid_request_parameter"},
		"a wrong parameter":  {w.do(t, "local", http.MethodGet, events+"?limit=0", ""), 400, "invalid_request_parameter"},
		"a broken query":     {w.do(t, "local", http.MethodGet, events+"?limit=%zz", ""), 400, "invalid_request_parameter"},
		"no JSON":            {w.do(t, "local", http.MethodPost, events, `{"sender"`), 400, "invalid_json"},
		"no object":          {w.do(t, "local", http.MethodPost, events, `[]`), 400, "invalid_request_parameter"},
		"no token":           {w.do(t, "", http.MethodGet, events, ""), 401, "invalid_token"},
		"no scope":           {w.do(t, "reader", http.MethodGet, events, ""), 403, "forbidden"},
		"another's owner":    {w.do(t, "other", http.MethodGet, events+"?signicat-accountId="+local, ""), 403, "forbidden"},
		"nothing there":      {w.do(t, "local", http.MethodGet, events+"/"+strings.Repeat("0", 32), ""), 404, "not_found"},
		"no path":            {w.do(t, "local", http.MethodGet, "/nowhere", ""), 404, "not_found"},
		"no path, no token":  {w.do(t, "", http.MethodGet, "/nowhere", ""), 404, "not_found"},
		"an unknown method":  {w.do(t, "local", http.MethodPut, events, "{}"), 405, "method_not_allowed"},
		"a key used twice":   {w.do(t, "local", http.MethodPost, events, event(`,"tags":["x"]`), "Idempotency-Key", "k"), 409, "conflict"},
		"a large event":      {w.do(t, "local", http.MethodPost, events, event(`,"x":"`+strings.Repeat("x", hermod.MaxEventBytes)+`"`)), 413, "too_large"},
		"a large request":    {w.do(t, "local", http.MethodPost, events, strings.Repeat(" ", hermod.MaxRequestBytes+1)), 413, "too_large"},
		"another media type": {w.do(t, "local", http.MethodPost, events, "<x/>", "Content-Type", "application/xml"), 415, "unsupported_media_type"},
	} {
		wantProblem(t, what, tt.a, tt.status, tt.code)
	}
}

// TestEveryBodyIsBoundedAndOfItsMediaType goes by the description: where it lists a
// 413 or a 415, there is one.
func TestEveryBodyIsBoundedAndOfItsMediaType(t *testing.T) {
	t.Parallel()
	d, err := contract.Shared()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	asked := 0
	for _, row := range table() {
		operation := d.At(d.Top(), "paths", row.Path, strings.ToLower(row.Method))
		described := func(status string) bool { return d.At(operation, "responses", status).Value != nil }
		if described("413") {
			asked++
			media := "application/json"
			if row.Path == tokenPath {
				media = formMedia
			}
			large := w.do(t, "local", row.Method, target(t, w, row), strings.Repeat(" ", hermod.MaxRequestBytes+1), "Content-Type", media)
			wantProblem(t, row.Method+" "+row.Path, large, http.StatusRequestEntityTooLarge, "too_large")
		}
		if described("415") {
			asked++
			for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "nonsense"} {
				a := w.do(t, "local", row.Method, target(t, w, row), "{}", "Content-Type", media)
				wantProblem(t, row.Method+" "+row.Path+" of "+media, a, http.StatusUnsupportedMediaType, "unsupported_media_type")
			}
		}
	}
	if asked < 15 {
		t.Errorf("only %d rows were asked", asked)
	}
}

func TestAHeadIsAnsweredAsItsGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range table() {
		if row.Method != http.MethodGet {
			continue
		}
		for _, client := range []string{"local", "other", "reader", ""} {
			path := target(t, w, row)
			get, head := w.do(t, client, http.MethodGet, path, ""), w.do(t, client, http.MethodHead, path, "")
			if head.status != get.status || fmt.Sprint(head.header) != fmt.Sprint(get.header) {
				t.Errorf("%s as %q: HEAD %d %v, GET %d %v", path, client, head.status, head.header, get.status, get.header)
			}
		}
	}
}

// domainCodes are all codes of the domain, and one that is none.
func domainCodes() []hermod.Code {
	return []hermod.Code{
		hermod.CodeInvalid, hermod.CodeUnauthorized, hermod.CodeForbidden, hermod.CodeNotFound, hermod.CodeConflict,
		hermod.CodePreconditionFailed, hermod.CodeTooLarge, hermod.CodeTooManyRequests, hermod.CodeUnavailable, hermod.CodeInternal, "odd",
	}
}

// FuzzProblem: whatever an error says, and of whatever members, the answer is a
// problem of bounded size as the description has it, and says nothing of the
// error's cause.
func FuzzProblem(f *testing.F) {
	f.Add(0, "bad", "events[2].sender", "is required", 1)
	f.Add(0, strings.Repeat("é", 1000), strings.Repeat("n", 5000), "</script>\x00\xff\u2028\"\\", 5000)
	f.Add(4, "", "", "", 0)
	f.Add(9, "secret", "a", "b", 3)
	f.Add(-1, "\xf0\x9f", "\ud7ff", "\n", 2)
	d, err := contract.Shared()
	if err != nil {
		f.Fatal(err)
	}
	schema, err := d.Schema("#/components/schemas/Problem")
	if err != nil {
		f.Fatal(err)
	}
	const inside = "dial tcp 10.0.0.7: hunter2"
	f.Fuzz(func(t *testing.T, n int, message, name, reason string, count int) {
		codes := domainCodes()
		code := codes[((n%len(codes))+len(codes))%len(codes)]
		fields := make([]hermod.FieldError, min(max(count, 0), 10_000))
		for i := range fields {
			fields[i] = hermod.FieldError{Name: name, Reason: reason}
		}
		failure := &hermod.Error{Code: code, Message: message, Fields: fields, Err: errors.New(inside)}
		answer := problemOf(t, fmt.Errorf("storing: %w", failure))
		var p any
		if err := json.Unmarshal(answer.body, &p); err != nil || !utf8.Valid(answer.body) {
			t.Fatalf("no JSON: %v: %q", err, answer.body)
		}
		if err := schema.Validate(p); err != nil {
			t.Fatalf("%v: %s", err, answer.body)
		}
		members := p.(map[string]any)
		if members["status"] != float64(answer.status) || answer.status < 400 {
			t.Fatalf("%d: %s", answer.status, answer.body)
		}
		if len(answer.body) > 1<<20 {
			t.Fatalf("a problem of %d bytes", len(answer.body))
		}
		said := string(answer.body)
		if strings.Contains(said, inside) || strings.Contains(said, "storing") && !strings.Contains(message+name+reason, "storing") {
			t.Fatalf("what is inside got out: %s", said)
		}
		if shown, _ := members["detail"].(string); answer.status == 500 && message != "" && shown == message {
			t.Fatalf("an internal text got out: %s", said)
		}
	})
}

func problemOf(t *testing.T, err error) answer {
	t.Helper()
	s := api.NewServer(api.Options{
		Dialect: signicat.Dialect{}, Log: discard(), Now: time.Now,
		Routes: []api.Route{{Method: http.MethodGet, Path: "/x", Access: api.Public(func(http.ResponseWriter, *http.Request) error { return err })}},
		Trace:  func() string { return strings.Repeat("ab", 16) },
	})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
	return answer{rec.Code, rec.Header(), rec.Body.Bytes()}
}

func TestAProblemNamesAHundredFaultsAndHowManyThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tags := strings.TrimSuffix(strings.Repeat(`"",`, hermod.MaxTags), ",")
	bad := strings.TrimSuffix(strings.Repeat(event(`,"tags":[`+tags+`]`)+",", 100), ",")
	a := w.do(t, "local", http.MethodPost, signicat.Base+"/events", `{"events":[`+bad+`]}`)
	p := a.json(t, http.StatusBadRequest)
	list, _ := p["invalidParams"].([]any)
	if detail, _ := p["detail"].(string); len(list) != 100 || !strings.Contains(detail, "100 of 5000") {
		t.Errorf("%d faults, %q", len(list), p["detail"])
	}
	if !slices.Contains(a.wrong(t), "events[1].tags[49]") {
		t.Errorf("not in order: %v", a.wrong(t)[:5])
	}
}
