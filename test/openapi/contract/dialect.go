package contract

import (
	"net/url"
	"strings"
)

// DialectOf is what the names of the components of a path's dialect begin with; "" for
// the native one.
func DialectOf(path string) string {
	for prefix, name := range map[string]string{
		"/signly": "Signly", "/universign": "Universign", "/hooks": "Telia", "/identity": "Telia",
	} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return name
		}
	}
	return ""
}

// withoutSlash takes the slash off the end of a path of Telia Sign, where it does not
// count. OpenAPI has no word for that.
func withoutSlash(target *url.URL) {
	if path, ended := strings.CutSuffix(target.Path, "/"); ended && DialectOf(path) == "Telia" && strings.HasSuffix(target.EscapedPath(), "/") {
		target.Path, target.RawPath = path, strings.TrimSuffix(target.RawPath, "/")
	}
}
