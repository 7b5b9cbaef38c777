package signicat_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// errInside is text of the inside that no caller may see.
var errInside = errors.New("password=hunter2 at 10.0.0.7")

// A broken store fails every call with err.
type broken struct{ err error }

func (b broken) Event(context.Context, string, hermod.ID) (*hermod.Event, error) { return nil, b.err }
func (b broken) Accept(context.Context, []ingest.Submission) ([]*hermod.Event, error) {
	return nil, b.err
}

func (b broken) Health(context.Context, hermod.Ref) (*hermod.Health, error) { return nil, b.err }
func (b broken) Unwell(context.Context, string) ([]*hermod.Health, error)   { return nil, b.err }
func (b broken) PauseHealth(context.Context, *hermod.Health) error          { return b.err }

func (b broken) Subscriptions(context.Context, string) ([]*hermod.Subscription, error) {
	return nil, b.err
}

func (b broken) Subscription(context.Context, hermod.Ref) (*hermod.Subscription, error) {
	return nil, b.err
}
func (b broken) OpenSecrets(context.Context, *hermod.Subscription) error        { return b.err }
func (b broken) CreateSubscription(context.Context, *hermod.Subscription) error { return b.err }
func (b broken) UpdateSubscription(context.Context, *hermod.Subscription) error { return b.err }
func (b broken) Attempt(context.Context, hermod.AttemptKey) (*hermod.Attempt, error) {
	return nil, b.err
}

func (b broken) Attempts(context.Context, hermod.LogQuery) (hermod.LogPage, error) {
	return hermod.LogPage{}, b.err
}

func (b broken) EventsByKey(context.Context, []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error) {
	return nil, b.err
}

func (b broken) Credential(context.Context, string) (*hermod.Credential, error) { return nil, b.err }
func (b broken) Credentials(context.Context, string) ([]*hermod.Credential, error) {
	return nil, b.err
}
func (b broken) PutCredential(context.Context, *hermod.Credential) error { return b.err }

func (b broken) Changes(context.Context, hermod.ChangeQuery) (hermod.ChangePage, error) {
	return hermod.ChangePage{}, b.err
}
func (b broken) Record(context.Context, hermod.Change) error { return b.err }

// requestBody is a good body for a row of the table.
func requestBody(row api.Route) string {
	switch {
	case row.Method == http.MethodGet || row.Method == http.MethodDelete:
		return ""
	case row.Resource == "replays" && strings.Contains(row.Path, "/subscriptions"):
		return `{"event":"sign:done"}`
	case row.Resource == "replays":
		return `{"after":"2026-02-01T00:00:00Z"}`
	case strings.HasSuffix(row.Path, "/rotate"), row.Resource == "deadletters":
		return "{}"
	case strings.Contains(row.Path, "/subscriptions"):
		return webhook("")
	case strings.Contains(row.Path, "/metadata"):
		return "{}"
	case strings.Contains(row.Path, "/credentials"):
		return `{"type":"apiKey","name":"A key"}`
	default:
		return event("")
	}
}

func TestWhatHappensInsideStaysInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		err         error
		status      int
		code, level string
	}{
		"a fault":               {errInside, 500, "internal_error", "ERROR"},
		"a wrapped fault":       {fmt.Errorf("reading: %w", errInside), 500, "internal_error", "ERROR"},
		"an internal error":     {&hermod.Error{Code: hermod.CodeInternal, Message: errInside.Error(), Err: errInside}, 500, "internal_error", "ERROR"},
		"a code nobody knows":   {&hermod.Error{Code: "odd", Message: errInside.Error()}, 500, "internal_error", ""},
		"no code":               {&hermod.Error{Message: errInside.Error()}, 500, "internal_error", ""},
		"a cause behind a code": {fmt.Errorf("reading: %w", &hermod.Error{Code: hermod.CodeUnavailable, Message: "try again", Err: errInside}), 503, "unavailable", "INFO"},
		"a foreign status":      {&api.RequestError{Status: http.StatusTeapot, Message: errInside.Error()}, 500, "internal_error", ""},
	} {
		w.Lines.Reset()
		b := broken{tt.err}
		w.serve(w.Log, parts{b, b, b, b, b, b, b})
		for _, row := range table() {
			needsStore := !strings.HasSuffix(row.Path, "/subscription-types") && !strings.HasSuffix(row.Path, "/equivalents")
			if row.Access.IsPublic() || !needsStore {
				continue
			}
			path := row.Path
			if strings.Contains(path, "{") {
				path = with(path, map[string]string{
					signicat.Base + "/events/{id}":                                  strings.Repeat("0", 32),
					signicat.Base + "/subscriptions/{subscriptionId}":               "s-" + local + "-abcde",
					signicat.Base + "/events/{id}/replay":                           strings.Repeat("0", 32),
					signicat.Base + "/subscriptions/{subscriptionId}/mock":          "s-" + local + "-abcde",
					signicat.Base + "/subscriptions/{subscriptionId}/check":         "s-" + local + "-abcde",
					signicat.Base + "/subscriptions/{subscriptionId}/pause":         "s-" + local + "-abcde",
					signicat.Base + "/subscriptions/{subscriptionId}/resume":        "s-" + local + "-abcde",
					signicat.Base + "/subscriptions/{subscriptionId}/secret/rotate": "s-" + local + "-abcde",
					signicat.Base + "/replays/{replayId}":                           strings.Repeat("0", 32),
					signicat.Base + "/delivery-logs/{id}":                           "s-" + local + "-abcde-" + strings.Repeat("0", 32) + "-0-1",
					signicat.Base + "/delivery-logs/{id}/retry":                     "s-" + local + "-abcde-" + strings.Repeat("0", 32) + "-0-1",
					signicat.Base + "/dead-letters/{id}":                            "s-" + local + "-abcde-" + strings.Repeat("0", 32) + "-0-1",
					signicat.Base + "/dead-letters/{id}/redrive":                    "s-" + local + "-abcde-" + strings.Repeat("0", 32) + "-0-1",
					signicat.Base + "/metadata/events/{type}":                       "sign:done",
					signicat.Base + "/credentials/{credentialId}":                   "apikey:" + strings.Repeat("a", 16),
				}[cmp.Or(row.AliasOf, path)])
			}
			a := w.do(t, "local", row.Method, path, requestBody(row))
			p := a.json(t, tt.status)
			text := string(a.body) + fmt.Sprint(a.header)
			if p["code"] != tt.code || strings.Contains(text, "hunter2") || strings.Contains(text, "10.0.0.7") || strings.Contains(text, "reading") {
				t.Errorf("%s, %s %s: %s", name, row.Method, row.Path, a.body)
			}
		}
		if log := w.Lines.String(); tt.level != "" && (!strings.Contains(log, "hunter2") || !strings.Contains(log, `"level":"`+tt.level+`"`)) {
			t.Errorf("%s: the log does not say what happened: %.300s", name, log)
		}
	}
}

func (b broken) Definitions(context.Context, string) ([]hermod.Definition, error) { return nil, b.err }
func (b broken) Definition(context.Context, string, string) (*hermod.Definition, error) {
	return nil, b.err
}
func (b broken) PutDefinition(context.Context, *hermod.Definition) error { return b.err }
func (b broken) DeleteDefinition(context.Context, string, string) error  { return b.err }

// A brokenKeys store fails where tokens are issued and read.
type brokenKeys struct{ err error }

func (b brokenKeys) SigningKeys(context.Context) ([]hermod.SigningKey, error) { return nil, b.err }
func (b brokenKeys) PutSigningKey(context.Context, hermod.SigningKey) error   { return b.err }
func (b brokenKeys) Credential(context.Context, string) (*hermod.Credential, error) {
	return nil, b.err
}

func TestAFaultBehindTheTokenEndpointStaysInsideToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for status, err := range map[int]error{500: errInside, 503: &hermod.Error{Code: hermod.CodeUnavailable, Message: "try again", Err: errInside}} {
		w.issuer = &auth.Issuer{Keys: w.keys, Credentials: brokenKeys{err}, Now: w.Now, TokenID: func() string { return "x" }}
		w.serve(discard(), parts{})
		a := w.do(t, "", http.MethodPost, tokenPath, "grant_type=client_credentials&client_id=a&client_secret=b", "Content-Type", formMedia)
		wantStatus(t, "token", a, status)
		if strings.Contains(string(a.body), "hunter2") {
			t.Errorf("%s", a.body)
		}
	}
}

func TestEveryCodeHasItsAnswer(t *testing.T) {
	t.Parallel()
	for code, want := range map[hermod.Code]struct {
		status int
		code   string
	}{
		hermod.CodeInvalid: {400, "invalid_request_parameter"}, hermod.CodeUnauthorized: {401, "invalid_token"},
		hermod.CodeForbidden: {403, "forbidden"}, hermod.CodeNotFound: {404, "not_found"}, hermod.CodeConflict: {409, "conflict"},
		hermod.CodePreconditionFailed: {412, "precondition_failed"}, hermod.CodeTooLarge: {413, "too_large"},
		hermod.CodeTooManyRequests: {429, "too_many_requests"}, hermod.CodeUnavailable: {503, "unavailable"},
		hermod.CodeInternal: {500, "internal_error"},
	} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		signicat.Dialect{}.WriteError(rec, r, fmt.Errorf("doing: %w", hermod.Errorf(code, "said so")))
		p := answer{rec.Code, rec.Header(), rec.Body.Bytes()}.json(t, want.status)
		if p["code"] != want.code || p["title"] == "" || p["type"] != "https://developer.signicat.com/docs/error-codes/" ||
			(p["detail"] != "said so") != (code == hermod.CodeInternal) || rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", code, p)
		}
		again := code == hermod.CodeUnavailable || code == hermod.CodeTooManyRequests
		if (rec.Header().Get("Retry-After") != "") != again {
			t.Errorf("%s: Retry-After %q", code, rec.Header().Get("Retry-After"))
		}
	}
}
