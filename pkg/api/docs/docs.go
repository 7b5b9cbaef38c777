// Package docs serves the description of the API: as a file for programs and as a
// page for people.
package docs

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"hermod/docs"
	"hermod/pkg/api"
)

// Pages are the description of the API.
type Pages struct {
	BaseURL api.BaseURL
}

// Routes are the rows of the description.
func (p Pages) Routes() []api.Route {
	const resource = "docs"
	s := site{base: p.BaseURL, page: sync.OnceValues(render)}
	return []api.Route{
		{Method: http.MethodGet, Path: "/openapi.yaml", Resource: resource, Access: api.Public(s.file)},
		{Method: http.MethodGet, Path: "/docs", Resource: resource, Access: api.Public(s.read)},
	}
}

type site struct {
	base api.BaseURL
	// page is rendered at the first request, and once.
	page func() (rendered, error)
}

// maxAge is how many seconds a copy is good without asking again.
const maxAge = "300"

func (s site) file(w http.ResponseWriter, r *http.Request) error {
	return write(w, r, "application/yaml", strings.ReplaceAll(docs.OpenAPI(), docs.Base, s.baseOf(r)))
}

func (s site) read(w http.ResponseWriter, r *http.Request) error {
	page, err := s.page()
	if err != nil {
		return err
	}
	h := w.Header()
	// The page's own style, named by its hash, and nothing else from anywhere.
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src '"+page.styleHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	return write(w, r, "text/html; charset=utf-8", strings.ReplaceAll(page.html, docs.Base, html.EscapeString(s.baseOf(r))))
}

// plainBase is a base that can stand in YAML, in HTML and on a command line as it
// is: what a request calls its host need not be one.
var plainBase = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._/-]*)?$`)

// baseOf is the base that the description names to this reader.
func (s site) baseOf(r *http.Request) string {
	if base := s.base.Of(r); plainBase.MatchString(base) {
		return base
	}
	return docs.Base
}

// write answers a text, or 304 to a reader who has it.
func write(w http.ResponseWriter, r *http.Request, contentType, text string) error {
	sum := sha256.Sum256([]byte(text))
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "public, max-age="+maxAge)
	h.Set("X-Content-Type-Options", "nosniff")
	if has(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", contentType)
	_, err := io.WriteString(w, text) //nolint:gosec // of the request it holds its base alone, which plainBase has let through
	return err
}

// has reports whether a list of entity tags names the tag (RFC 9110, section
// 13.1.2).
func has(headers []string, tag string) bool {
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
