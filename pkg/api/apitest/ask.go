package apitest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/test/openapi/contract"
)

// Trace is the id of a request that brings none.
func Trace() string { return strings.Repeat("ab", 16) }

// Ask has the request served, whose body this is, and holds what comes of it against
// docs/openapi.yaml. The secrets of both are not to be in the engine's log.
func (e *Engine) Ask(t testing.TB, h http.Handler, r *http.Request, body string) (status int, header http.Header, answer []byte) {
	t.Helper()
	e.Vault.KeepRequest(r, []byte(body))
	description, err := contract.Shared()
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	x := contract.Exchange{
		Method: r.Method, Target: r.URL.RequestURI(), RequestType: r.Header.Get("Content-Type"), RequestBody: []byte(body),
		Status: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes(),
	}
	e.Vault.KeepJSON(rec.Body.Bytes())
	if r.Method == http.MethodHead {
		x.Body = nil // net/http leaves it out
	}
	if err := description.Check(x); err != nil {
		t.Errorf("against docs/openapi.yaml: %v", err)
	}
	return rec.Code, rec.Header(), rec.Body.Bytes()
}

// Golden holds an answer against a file below testdata. The space between the members of
// JSON does not count; their order does.
func Golden(t testing.TB, file string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Errorf("%v; it is\n%s", err, got)
		return
	}
	if got, want := indented(got), indented(want); got != want {
		t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
	}
}

// indented is JSON with one kind of space, and another text as it is.
func indented(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(text), "", "  ") != nil {
		return string(text)
	}
	return b.String()
}

// A Refusal is a method that a path does not know, and the Allow of the answer.
type Refusal struct{ Method, Path, Allow string }

// Refusals are the methods that no row of a path has.
func Refusals(rows []api.Route) (all []Refusal) {
	allowed := map[string][]string{}
	for _, row := range rows {
		allowed[row.Path] = append(allowed[row.Path], row.Method)
		if row.Method == http.MethodGet {
			allowed[row.Path] = append(allowed[row.Path], http.MethodHead)
		}
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			if !slices.Contains(methods, method) {
				all = append(all, Refusal{method, path, strings.Join(methods, ", ")})
			}
		}
	}
	return all
}

// WantFunctions has every row name a function that there is, and ask for a scope that is
// one of these unless it is public. The test's package is two folders below pkg.
func WantFunctions(t testing.TB, rows []api.Route, scopes ...string) {
	t.Helper()
	for _, row := range rows {
		if _, err := os.Stat(filepath.Join("..", "..", "..", "functions", row.Resource, "main.go")); err != nil || row.Resource == "" {
			t.Errorf("%s %s: no function %q", row.Method, row.Path, row.Resource)
		}
		if scope := row.Access.Scope(); !row.Access.IsPublic() && !slices.Contains(scopes, scope) {
			t.Errorf("%s %s asks for scope %q", row.Method, row.Path, scope)
		}
	}
}
