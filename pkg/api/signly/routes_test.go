package signly_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signly"
	"hermod/pkg/hermod"
)

func table() []api.Route {
	return append((&signly.Webhooks{}).Routes(), (&signly.History{}).Routes()...)
}

// target is the row's path with the id of a fresh webhook of local's.
func target(t *testing.T, w *world, row api.Route) string {
	t.Helper()
	path := strings.Replace(row.Path, "{processId}", process, 1)
	if !strings.Contains(path, "{webhookId}") {
		return path
	}
	webhook := w.create(t, localKey, "https://receiver.example/hook", "")
	return strings.Replace(path, webhooksPath+"/{webhookId}", webhook, 1)
}

// good is a body that the row takes.
func good(row api.Route) string {
	switch {
	case row.Method == http.MethodPost && row.Path == webhooksPath:
		return webhook("https://receiver.example/hook", "")
	case row.Method == http.MethodPut:
		return `{"status":"DISABLED"}`
	default:
		return ""
	}
}

// takesBody reports whether the row reads a body.
func takesBody(row api.Route) bool {
	return row.Method == http.MethodPost || row.Method == http.MethodPut
}

func TestEveryRowAsksWhoIsCalling(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	for _, row := range table() {
		what, path := row.Method+" "+row.Path, target(t, w, row)
		for name, c := range map[string]caller{
			"without headers": nobody, "without a tenant": {"", localKey.credential}, "without a credential": {localKey.tenant, ""},
			"with an unknown credential": {localKey.tenant, "sk_unknown"}, "with a KEY as an HMAC": {localKey.tenant, "HMAC sk_local"},
			"with an HMAC in another case": {localKey.tenant, "hmac sk_local_hmac"}, "with a space before it": {localKey.tenant, "HMAC  sk_local_hmac"},
			"with a huge credential": {localKey.tenant, strings.Repeat("x", 5000)},
		} {
			a := w.do(t, c, row.Method, path, good(row))
			wantError(t, what+" "+name, a, http.StatusUnauthorized, "unauthorized", "authentication")
		}
		twice := w.do(t, localKey, row.Method, path, good(row), "X-Auth-Signly", "sk_other")
		wantError(t, what+" with two credentials", twice, http.StatusUnauthorized, "unauthorized", "authentication")
		for name, c := range map[string]caller{
			"for another tenant": {otherKey.tenant, localKey.credential}, "for another tenant of the account": {secondKey.tenant, localKey.credential},
			"for an unknown tenant": {"tenant_58bff266", localKey.credential}, "without the scope": powerless,
		} {
			wantError(t, what+" "+name, w.do(t, c, row.Method, path, good(row)), http.StatusForbidden, "forbidden", "authorization")
		}
		for _, c := range []caller{{localKey.tenant, "HMAC " + localHMAC.credential}, localHMAC, localKey} {
			if row.Method == http.MethodDelete {
				path = target(t, w, row)
			}
			if a := w.do(t, c, row.Method, path, good(row)); a.status >= 300 {
				t.Errorf("%s as %v: %d %s", what, c, a.status, a.body)
			}
		}
	}
}

func TestNoRowShowsOrTouchesAWebhookOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	native := w.native(t)
	for _, row := range table() {
		if !strings.Contains(row.Path, "{webhookId}") {
			continue
		}
		path := target(t, w, row)
		thing := strings.TrimSuffix(strings.TrimSuffix(path, "/status"), "/test")
		for _, c := range []caller{otherKey, secondKey} {
			foreign := w.do(t, c, row.Method, path, good(row), "If-Match", "7")
			wantError(t, row.Method+" "+row.Path+" of another tenant", foreign, http.StatusNotFound, "webhook_not_found", "not_found")
			id := strings.TrimPrefix(thing, webhooksPath+"/")
			none := "wh_01KJMP00000000000000000000"
			absent := w.do(t, c, row.Method, strings.Replace(path, id, none, 1), good(row), "If-Match", "7")
			if string(foreign.body) != strings.Replace(string(absent.body), none, id, 1) {
				t.Errorf("%s: a foreign webhook and a missing one can be told apart:\n%s\n%s", row.Path, foreign.body, absent.body)
			}
		}
		// What is no webhook of this dialect is none here.
		for _, id := range []string{native, "wh_", "wh_01KJMP0000000000000000000u", strings.Repeat("x", 3000), "wh_81KJMP00000000000000000000"} {
			a := w.do(t, localKey, row.Method, strings.Replace(row.Path, "{webhookId}", id, 1), good(row))
			wantError(t, row.Method+" "+row.Path+" of "+id, a, http.StatusNotFound, "webhook_not_found", "not_found")
		}
		if v := w.version(t, thing); v != 1 {
			t.Errorf("%s: another tenant has changed it to version %v", row.Path, v)
		}
	}
}

// native stores a subscription of the native dialect of local's account.
func (w *world) native(t *testing.T) string {
	t.Helper()
	s := &hermod.Subscription{
		ID: "wh_01KJMP0000000000000000NATV", Owner: local, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook,
		Tenant: localKey.tenant, CreatedAt: start, UpdatedAt: start, Version: 1,
	}
	if err := w.Store.CreateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func TestEveryRowRefusesBodiesThatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, pusher: silent{}})
	for _, row := range table() {
		if !takesBody(row) {
			continue
		}
		what, path := row.Method+" "+row.Path, target(t, w, row)
		for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "nonsense;;", "application/json-patch+json"} {
			a := w.do(t, localKey, row.Method, path, good(row), "Content-Type", media)
			wantError(t, what+" of "+media, a, http.StatusUnsupportedMediaType, "unsupported_media_type", "request")
		}
		for _, body := range []string{`{`, `{"status":}`, "{\"status\":\"\xff\"}", `{} {}`, `undefined`, ` `} {
			wantError(t, what+" of "+body, w.do(t, localKey, row.Method, path, body), http.StatusBadRequest, "invalid_json", "validation")
		}
		for _, body := range []string{`[]`, `null`, `"x"`, `1`} {
			wantError(t, what+" of "+body, w.do(t, localKey, row.Method, path, body), http.StatusBadRequest, "validation_error", "validation")
		}
		for _, size := range []int{64<<10 + 1, hermod.MaxRequestBytes + 1} {
			a := w.do(t, localKey, row.Method, path, strings.Repeat(" ", size))
			wantError(t, what+" of many bytes", a, http.StatusRequestEntityTooLarge, "payload_too_large", "request")
		}
		if a := w.do(t, localKey, row.Method, path, good(row), "Content-Type", "Application/JSON; charset=utf-8"); a.status >= 300 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
}

func TestPathsAndMethodsBesideTheTableGetAnEnvelopeToo(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	for _, row := range table() {
		path := strings.NewReplacer("{webhookId}", "x", "{processId}", "x").Replace(row.Path)
		for _, p := range []string{path + "/", path + "/x/y", strings.Replace(path, "/v1/", "/v1//", 1), path + "/."} {
			wantError(t, p, w.do(t, localKey, row.Method, p, ""), http.StatusNotFound, "not_found", "not_found")
		}
		for _, method := range []string{http.MethodPatch, http.MethodOptions, "PROPFIND", "get"} {
			a := w.do(t, localKey, method, path, "")
			wantError(t, method+" "+path, a, http.StatusMethodNotAllowed, "method_not_allowed", "request")
			if !strings.Contains(a.header.Get("Allow"), row.Method) {
				t.Errorf("%s %s: Allow %q", method, path, a.header.Get("Allow"))
			}
		}
		if a := w.do(t, localKey, row.Method, path+"?a=%zz", good(row)); a.status != http.StatusBadRequest {
			t.Errorf("%s with a query that cannot be read: %d", path, a.status)
		}
	}
}

func TestEveryRowIsServedByAFunctionAndAsksForTheScope(t *testing.T) {
	t.Parallel()
	if len(table()) != 8 {
		t.Errorf("%d rows", len(table()))
	}
	apitest.WantFunctions(t, table(), hermod.ScopeSignly)
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}, limiter: api.NewLimiter(1, func() time.Time { return start })})
	w.do(t, localKey, http.MethodGet, webhooksPath, "").envelope(t, http.StatusOK)
	a := w.do(t, localKey, http.MethodGet, webhooksPath, "")
	wantError(t, "the second", a, http.StatusTooManyRequests, "rate_limited", "rate_limit")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

// What an error says inside stays in the log, whatever its code; and each code has an
// answer of its own.
func TestEveryCodeOfTheDomainHasAnAnswer(t *testing.T) {
	t.Parallel()
	const inside = "dial tcp 10.0.0.7"
	var seen []string
	for code, want := range map[hermod.Code]int{
		hermod.CodeInvalid: 400, hermod.CodeUnauthorized: 401, hermod.CodeForbidden: 403, hermod.CodeNotFound: 404, hermod.CodeConflict: 409,
		hermod.CodePreconditionFailed: 412, hermod.CodeTooLarge: 413, hermod.CodeTooManyRequests: 429, hermod.CodeUnavailable: 503,
		hermod.CodeInternal: 500, "odd": 500,
	} {
		failure := fmt.Errorf("storing: %w", &hermod.Error{Code: code, Message: "it is so", Err: errors.New(inside)})
		rec := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		signly.Dialect{Now: func() time.Time { return start }}.WriteError(rec, r, failure)
		e := answer{rec.Code, rec.Header(), rec.Body.Bytes()}.envelope(t, want)
		if strings.Contains(rec.Body.String(), inside) || strings.Contains(rec.Body.String(), "storing") || (want == 500) == strings.Contains(e.Message, "It is so.") {
			t.Errorf("%s: %s", code, rec.Body)
		}
		if slices.Contains(seen, e.Code) && want != 500 {
			t.Errorf("%s is answered as another code is", code)
		}
		seen = append(seen, e.Code)
		if want == 503 && rec.Header().Get("Retry-After") == "" || want == 401 && rec.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s lacks a header: %v", code, rec.Header())
		}
	}
}

func TestAHundredFaultsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	bad := strings.TrimSuffix(strings.Repeat(`"x",`, 100), ",")
	a := w.do(t, localKey, http.MethodPost, webhooksPath, `{"url":1,"events":[`+bad+`],"translate":3}`)
	if wrong := a.wrong(t); len(wrong) != 100 || !strings.Contains(string(a.body), "first 100 of 102") {
		t.Errorf("%d faults: %.200s", len(wrong), a.body)
	}
}
