package apitest

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hermod/pkg/api"
)

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// FuzzRows asks the rows of a table for whatever there is, by do, which answers the status
// and has held the answer against docs/openapi.yaml. Whoever sends something odd is told
// so, and never hears that something is wrong with Hermod. Bodies and queries are seeds for
// each row.
func FuzzRows(f *testing.F, rows []api.Route, bodies, queries []string, do func(t *testing.T, method, target, body string, header ...string) int) {
	f.Helper()
	for i, row := range rows {
		if row.Method == http.MethodGet || row.Method == http.MethodDelete {
			for _, query := range queries {
				f.Add(byte(i), "x", query, "", "")
			}
			continue
		}
		for _, body := range bodies {
			f.Add(byte(i), "x", "", "application/json", body)
		}
	}
	f.Add(byte(0), "\x00\xff/..%2f", "a=%zz&&;", "nonsense;;", "\xff")
	f.Fuzz(func(t *testing.T, n byte, id, query, media, body string) {
		row := rows[int(n)%len(rows)]
		if id == "" || strings.Trim(id, ".") == "" {
			id = "x" // another path
		}
		target := parameter.ReplaceAllLiteralString(row.Path, url.PathEscape(id))
		if query != "" {
			target += "?" + printable(query)
		}
		header := []string{"Content-Type", printable(media)}
		if media == "" {
			header = nil
		}
		if status := do(t, row.Method, target, body, header...); status >= http.StatusInternalServerError {
			t.Errorf("%s %s %q of %q: %d", row.Method, target, body, media, status)
		}
	})
}

// printable is a text as it can stand in a request line and a header.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '#' {
			b.WriteByte(c)
		} else {
			b.WriteString(url.QueryEscape(string(rune(c))))
		}
	}
	return b.String()
}
