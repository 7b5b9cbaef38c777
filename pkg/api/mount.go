package api

import (
	"net/http"
	"strings"
)

// A Mount is where a dialect is served beside the native one, which has all the rest:
// under paths of its own, and under a host name of its own.
type Mount struct {
	// Host is the first label of its own host name, as in signly.example.com.
	Host string
	// Prefix begins the paths of its rows. Under its own host name they are served
	// without it too. "" where the paths of the dialect begin in more ways than one.
	Prefix string
	// Begins are what the paths begin with, where there is no Prefix.
	Begins []string
	Server http.Handler
}

// Own serves the mount's own host name: a path that does not begin with the prefix is
// one from which the client has left it out.
func (m Mount) Own() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !under(r.URL.Path, m.Prefix) {
			r = withPrefix(r, m.Prefix)
		}
		m.Server.ServeHTTP(w, r)
	})
}

// serves reports whether the path is the mount's on a host name that all share.
func (m Mount) serves(path string) bool {
	if m.Prefix != "" {
		return under(path, m.Prefix)
	}
	for _, begin := range m.Begins {
		if under(path, begin) {
			return true
		}
	}
	return false
}

// under reports whether the path is the prefix or begins with it and a slash.
func under(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || prefix == "" || rest[0] == '/')
}

// withPrefix is the request with its path under the prefix.
func withPrefix(r *http.Request, prefix string) *http.Request {
	changed := *r
	u := *r.URL
	u.Path, u.RawPath = prefix+r.URL.Path, prefix+r.URL.EscapedPath()
	changed.URL = &u
	return &changed
}

// Mounted serves several dialects on one listener: a request is of the dialect whose
// own host name it names, or else whose path it has, or else native.
func Mounted(native http.Handler, mounts ...Mount) http.Handler {
	own := map[string]http.Handler{}
	for _, m := range mounts {
		own[m.Host] = m.Own()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		label, _, more := strings.Cut(strings.ToLower(r.Host), ".")
		if h := own[label]; h != nil && more {
			h.ServeHTTP(w, r)
			return
		}
		for _, m := range mounts {
			if m.serves(r.URL.Path) {
				m.Server.ServeHTTP(w, r)
				return
			}
		}
		native.ServeHTTP(w, r)
	})
}
